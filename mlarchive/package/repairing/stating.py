"""What the checkpoints of files that may be damaged still state (clause 4.6).

A checkpoint names chunks by their hashes: whatever has these is what was packed under the name. Of
which package the checkpoint is, is certain where the index names it, or where nothing but records
stands before it; else it may be one of a package that stands within this one, or behind it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from mlarchive.package.checkpoints import CheckpointEntry, Kind, Part
from mlarchive.package.limits import CHUNK_MAX
from mlarchive.package.paths import refusal
from mlarchive.package.record import record_size
from mlarchive.package.repairing.scanning import Damage
from mlarchive.package.repairing.survey import Survey

Parts = tuple[Part, ...]


class Statement(Struct, frozen=True, kw_only=True):
    """What a checkpoint states of a file or series.

    Attributes:
        kind: `file` or `metric`.
        name: Path of the file or key of the series.
        owner: What a person calls the record that it hangs on.
        parts: What it is made of.
        certain: Whether the checkpoint is this package's for certain.
    """

    kind: Kind
    name: str
    owner: str
    parts: Parts
    certain: bool

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(length for _, _, length in self.parts)


class Statements(Struct, frozen=True):
    """What the checkpoints of a file state, and what of it cannot be so.

    Attributes:
        made: In their order.
        faults: A line for each checkpoint that states what cannot be.
    """

    made: Sequence[Statement]
    faults: Sequence[Damage]


def statements(survey: Survey, lengths: Mapping[bytes, int]) -> Statements:
    """What the whole checkpoints of a file state.

    Args:
        survey: Of the file.
        lengths: Raw lengths of chunks, as far as they are known.
    """
    made, faults = [], []
    for found, entries in survey.checkpoints:
        certain = survey.is_its_own(found)
        reasons: Counter[str] = Counter()
        for entry in entries:
            reason = _impossible(entry, lengths)
            if reason:
                reasons[f"{entry.kind} {entry.name!r} {reason}"] += 1
            else:
                made.append(
                    Statement(
                        kind=entry.kind,
                        name=entry.name,
                        owner=entry.owner,
                        parts=entry.parts,
                        certain=certain,
                    )
                )
        if reasons:
            (first, _), number = reasons.most_common(1)[0], reasons.total()
            more = f", and {number - 1} more of its entries" if number > 1 else ""
            faults.append(
                Damage(
                    offset=found.offset,
                    length=record_size(found.header.stored_len),
                    why=f"E042: a checkpoint's {first}{more}; that is passed over",
                )
            )
    return Statements(made, faults)


def by_name(made: Iterable[Statement]) -> Iterator[Sequence[Statement]]:
    """Statements that differ in nothing but their parts, each of these once."""
    named: defaultdict[tuple[str, str, str], dict[Parts, Statement]] = defaultdict(dict)
    for one in made:
        same = named[one.kind, one.owner, one.name]
        known = same.get(one.parts)
        if known is None or (one.certain and not known.certain):
            same[one.parts] = one
    for same in named.values():
        yield tuple(same.values())


def _impossible(entry: CheckpointEntry, lengths: Mapping[bytes, int]) -> str:
    """Why an entry cannot be true; empty if it can."""
    reason = refusal(entry.name) if entry.kind == "file" else ""
    if reason:
        return f"cannot be: its path {reason}"
    for chunk, offset, length in entry.parts:
        if offset < 0 or length < 1 or offset + length > lengths.get(chunk, CHUNK_MAX):
            return "has a part that lies outside of its chunk"
    return ""
