"""Checkpoints of a package that is written again (clause 4.6).

Rows get the numbers that they have now, and what a lost checkpoint stated is stated again.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from mlarchive.package.checkpoints import (
    ENTRIES_MOST,
    CheckpointEntry,
    Kind,
    decode_checkpoint,
    encode_checkpoint,
    owner_name,
)
from mlarchive.package.documents import Meaning
from mlarchive.package.repairing.layouts import Parts
from mlarchive.package.repairing.salvage import Salvage

_Known = tuple[Kind, str, Parts]


class Restating:
    """What the checkpoints of a rebuilt package say.

    Args:
        salvage: Of the damaged one.
        meaning: What its documents say.
        numbers: The new row of each chunk.
        present: The rows of those that are present, in order.
    """

    def __init__(
        self,
        salvage: Salvage,
        meaning: Meaning,
        numbers: Mapping[bytes, int],
        present: Iterable[int],
    ) -> None:
        self._pool = salvage.pool
        self._old = salvage.survey.rows()
        self._numbers = numbers
        self._present = sorted(present)
        owners = {record.key: owner_name(record) for record in meaning.records}
        self._owners: dict[_Known, str] = {}
        for item in salvage.items:
            self._owners.setdefault((item.kind, item.name, item.parts), owners[item.owner])
        stated = {
            known
            for _, entries in salvage.survey.checkpoints
            for entry in entries
            if (known := self._known(entry)) is not None
        }
        self._unstated = [known for known in self._owners if known not in stated]

    def raw(self, digest: bytes, number: int) -> bytes:
        """What the checkpoint of an old digest, in a row, says now."""
        if digest not in self._pool:
            return encode_checkpoint(self._completed(number))
        moved = []
        for entry in decode_checkpoint(bytes(self._pool.raw(digest))):
            same = self._known(entry)
            if same is not None and same in self._owners:
                moved.append(self._entry(same, entry.owner))
        return encode_checkpoint(moved)

    def _completed(self, number: int) -> Sequence[CheckpointEntry]:
        """What no checkpoint states, and the chunks right behind a row complete."""
        reach = number
        for row in self._present[bisect_right(self._present, number) :]:
            if row != reach + 1:
                break
            reach = row
        done = [known for known in self._unstated if self._last(known) <= reach][:ENTRIES_MOST]
        taken = set(done)
        self._unstated = [known for known in self._unstated if known not in taken]
        return [self._entry(known, self._owners[known]) for known in sorted(done, key=self._last)]

    def _last(self, known: _Known) -> int:
        return max((self._numbers[digest] for digest, _, _ in known[2]), default=0)

    def _known(self, entry: CheckpointEntry) -> _Known | None:
        if any(row not in self._old for row, _, _ in entry.extents):
            return None
        parts = tuple((self._old[row], at, length) for row, at, length in entry.extents)
        return (entry.kind, entry.name, parts)

    def _entry(self, known: _Known, owner: str) -> CheckpointEntry:
        kind, name, parts = known
        extents = tuple((self._numbers[digest], at, length) for digest, at, length in parts)
        return CheckpointEntry(kind=kind, name=name, owner=owner, extents=extents)
