"""Checkpoints of a package that is written again (clause 4.6).

One that is whole stays as it is, but for what the package does not hold that it names; what a lost
one stated is stated again.
"""

import contextlib
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from mlarchive.errors import FormatError
from mlarchive.package.checkpoints import (
    ENTRIES_MOST,
    WEIGHT_MOST,
    CheckpointEntry,
    Kind,
    decode_checkpoint,
    encode_checkpoint,
    owner_name,
    weight_of,
)
from mlarchive.package.documents import Meaning
from mlarchive.package.repairing.recordpool import RecordPool
from mlarchive.package.repairing.salvage import Item
from mlarchive.package.repairing.stating import Parts

_Known = tuple[Kind, str, Parts]


def still_stated(
    items: Sequence[Item], pool: RecordPool, checkpoints: Iterable[bytes]
) -> Mapping[bytes, Sequence[CheckpointEntry]]:
    """What whole checkpoints state of some items, by their hashes.

    One that states nothing of that, such as another package's, is left out.
    """
    known = {(item.kind, item.name, item.parts) for item in items}
    found = {}
    for one in checkpoints:
        with contextlib.suppress(FormatError):
            stated = decode_checkpoint(bytes(pool.raw(one)))
            still = [entry for entry in stated if _known(entry) in known]
            if still or not stated:
                found[one] = still
    return found


class Restating:
    """What the checkpoints of a rebuilt package say.

    Args:
        items: Of the damaged one.
        meaning: What its documents say.
        still: What whole checkpoints state.
        numbers: The row of each chunk.
        present: The rows of those that are present, in order.
    """

    def __init__(
        self,
        items: Sequence[Item],
        meaning: Meaning,
        *,
        still: Mapping[bytes, Sequence[CheckpointEntry]],
        numbers: Mapping[bytes, int],
        present: Iterable[int],
    ) -> None:
        self._present = sorted(present)
        self._still = still
        owners = {record.key: owner_name(record) for record in meaning.records}
        unstated: dict[_Known, CheckpointEntry] = {}
        for item in items:
            entry = CheckpointEntry(
                kind=item.kind, name=item.name, owner=owners[item.owner], parts=item.parts
            )
            unstated.setdefault(_known(entry), entry)
        for entries in still.values():
            for entry in entries:
                unstated.pop(_known(entry), None)
        last = [
            (max((numbers[chunk] for chunk, _, _ in entry.parts), default=0), entry)
            for entry in unstated.values()
        ]
        self._unstated = deque(sorted(last, key=lambda one: one[0]))

    def raw(self, old: bytes, number: int) -> bytes:
        """What the checkpoint of an old hash, in a row, says now."""
        if old in self._still:
            return encode_checkpoint(self._still[old])
        return encode_checkpoint(self._completed(number))

    def _completed(self, number: int) -> Sequence[CheckpointEntry]:
        """What no checkpoint states, and the chunks right behind a row complete."""
        reach = number
        for row in self._present[bisect_right(self._present, number) :]:
            if row != reach + 1:
                break
            reach = row
        done: list[CheckpointEntry] = []
        weight = 0
        while self._unstated and self._unstated[0][0] <= reach and len(done) < ENTRIES_MOST:
            weight += weight_of(self._unstated[0][1])
            if weight > WEIGHT_MOST:
                break
            done.append(self._unstated.popleft()[1])
        return done


def _known(entry: CheckpointEntry) -> _Known:
    return (entry.kind, entry.name, entry.parts)
