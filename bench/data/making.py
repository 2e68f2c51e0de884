"""Makes the data of a case, in a process of its own (see `bench.process`).

python -m bench.data.making KIND FOLDER SIZE
"""

import sys
from pathlib import Path

from bench.cases import EMPTY_HANDED
from bench.data import descendants, mixed, smallfiles, torchfile, weights, wheels


def main() -> None:
    """Make one kind of data; ends with EMPTY_HANDED, and says why, if it is not to be had."""
    kind, folder, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if kind in {"bf16", "long"}:
        weights.make(folder, size, "BF16")
    elif kind == "fp32":
        weights.make(folder, size, "F32")
    elif kind in {"lora", "ft"}:
        descendants.make(folder, size, kind)
    elif kind == "torch":
        torchfile.make(folder, size)
    elif kind == "small":
        smallfiles.make(folder, size)
    elif kind == "mixed":
        mixed.make(folder, size)
    elif why := wheels.make(folder):
        sys.stdout.write(why)
        raise SystemExit(EMPTY_HANDED)


if __name__ == "__main__":
    main()
