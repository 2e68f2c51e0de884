"""Change every byte of every valid package of the corpus, and ask both readers.

python -m tests.compat.every_flip          # all bits of each byte at once: some minutes
python -m tests.compat.every_flip --bits   # and each bit alone: nine times as long
"""

import sys

from tests.compat.flips import MASKS, codes_of_flips, places
from tests.compat.samples import SMALL, samples, vectors


def main() -> int:
    """Print which codes were given how often; an assertion fails if a change went unnoticed."""
    masks = MASKS if "--bits" in sys.argv[1:] else MASKS[-1:]
    packages = {**vectors(), **{name: samples()[name] for name in SMALL}}
    unnoticed = 0
    for name, package in packages.items():
        flips = [(at, mask) for at in places(package) for mask in masks]
        codes = codes_of_flips(package, flips)
        differing = {pair: n for pair, n in codes.items() if pair[0] != pair[1]}
        unnoticed += codes["", ""]
        sys.stdout.write(
            f"{name}: {len(package)} bytes, {len(flips)} changes, {codes['', '']} without effect,"
            f" {sum(differing.values())} with codes that differ {differing or ''}\n"
        )
    return 4 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
