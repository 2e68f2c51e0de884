"""`python -m mlarchived.cli`: the same command where it is not on the path."""

import sys

from mlarchived.cli import main

sys.exit(main())
