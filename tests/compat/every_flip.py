"""Change every byte of small packages in every way that counts, and ask both readers.

python -m tests.compat.every_flip          # every byte, all bits of it: under a minute
python -m tests.compat.every_flip --bits   # and each bit alone: about four minutes
"""

import sys

from tests.compat.flips import MASKS, codes_of_flips
from tests.compat.samples import SMALL, samples


def main() -> int:
    """Print how often which codes were given; an assertion fails if a change went unnoticed."""
    masks = MASKS if "--bits" in sys.argv[1:] else MASKS[-1:]
    for name in SMALL:
        package = samples()[name]
        flips = [(at, mask) for at in range(len(package)) for mask in masks]
        codes = codes_of_flips(package, flips)
        differing = sum(n for (first, second), n in codes.items() if first != second)
        sys.stdout.write(
            f"{name}: {len(package)} bytes, {len(flips)} changes, {codes['', '']} without effect,"
            f" {differing} with codes that differ\n"
        )
        for (first, second), count in sorted(codes.items()):
            sys.stdout.write(f"  {first or 'read':4} {second or 'read':4} {count}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
