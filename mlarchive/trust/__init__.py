"""Who signed a package, and whom its reader believes: keys, signatures, policies, rotations.

`spec/trust.md` is the word; the format itself only keeps a place for signatures. What needs no
cryptography is loaded without it.
"""

from mlarchive.trust.opening import Trust, open_package, opener

__all__ = ["Trust", "open_package", "opener"]
