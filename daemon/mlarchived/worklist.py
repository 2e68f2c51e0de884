"""What a round has to do, kept on disk between planning and doing: it may be a whole registry."""

import tempfile
from collections.abc import Iterator

import msgspec

from mlarchive.closing import Closing
from mlarchive.fsops import explaining
from mlarchived.steps import ObjectPlan
from mlarchived.views import View

_LENGTH = 4
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(tuple[ObjectPlan, View])


class Worklist(Closing):
    """Plans that work, with what they were made of; first in, first out. A context manager."""

    def __init__(self) -> None:
        """Nothing is to be done yet."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`)

    def close(self) -> None:
        """Forget it."""
        self._file.close()

    def put(self, plan: ObjectPlan, view: View) -> None:
        """This is to be done, after all that was put before.

        Raises:
            StorageError: There is no room to note it.
        """
        raw = _ENCODER.encode((plan, view))
        with explaining(tempfile.gettempdir(), "write"):
            self._file.write(len(raw).to_bytes(_LENGTH, "big") + raw)

    def take(self) -> Iterator[tuple[ObjectPlan, View]]:
        """All that was put; nothing can be put any more."""
        with explaining(tempfile.gettempdir(), "read"):
            self._file.seek(0)
        while length := self._file.read(_LENGTH):
            yield _DECODER.decode(self._file.read(int.from_bytes(length, "big")))
