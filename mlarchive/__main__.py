"""`python -m mlarchive` is the command `mlarchive`."""

import sys

from mlarchive.cli import main

if __name__ == "__main__":
    sys.exit(main())
