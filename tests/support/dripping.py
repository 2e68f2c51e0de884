"""`python -m tests.support.dripping ARGUMENTS` is `mlarchived` whose limited sources are fetched.

Their files come by threads of a pool, as from a server, however slowly.
"""

import sys
from dataclasses import replace
from unittest import mock

from mlarchive.snapshot import Snapshot
from mlarchived.cli import main
from mlarchived.limits import LimitedSource

_read = LimitedSource.read


def _fetched(source: LimitedSource, address: object) -> Snapshot:
    slow = _read(source, address)  # type: ignore[arg-type]
    return replace(slow, streams=tuple(replace(s, waits=True) for s in slow.streams))


if __name__ == "__main__":
    with mock.patch.object(LimitedSource, "read", _fetched):
        sys.exit(main())
