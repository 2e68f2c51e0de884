"""Of which chunks an object is made, by all that is left to say so (clause 11.7).

The index says it, of this package or of another with the same content; else checkpoints do; and a
chunk that has the object's own digest is all of it. What is given out has the digest that content
states, whoever said what it is made of.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from mlarchive.errors import FormatError
from mlarchive.package.checkpoints import Kind
from mlarchive.package.entries import check_objects
from mlarchive.package.layout import RecordType
from mlarchive.package.limits import EFFORT_FACTOR, EFFORT_FREE, Limits
from mlarchive.package.repairing.naming import ContentEntry
from mlarchive.package.repairing.recordpool import RecordPool
from mlarchive.package.repairing.stating import Parts, Statement
from mlarchive.package.repairing.survey import Survey
from mlarchive.package.tables import Index

_EMPTY = hashlib.sha256().hexdigest()

_Named = tuple[Kind, str, int]
"""Kind, name and size of an entry."""


class Effort:
    """Bytes that may be decoded to try what checkpoints state (as clause 9.4 has it for objects).

    Args:
        total: Sum of the sizes of what there is.
        limits: What the operator allows.

    Attributes:
        exceeded: Whether something was not tried.
    """

    def __init__(self, total: int, limits: Limits) -> None:
        self.exceeded = False
        self._left = min(EFFORT_FACTOR * total + EFFORT_FREE, limits.most_unpacked(total))

    def allows(self, parts: Parts, pool: RecordPool) -> bool:
        """Whether parts, all of whose chunks are here, may be put together; counts it if so."""
        if len(parts) == 1:
            cost = parts[0][2]
        else:
            places = (pool.place(chunk) for chunk, _, _ in parts)
            cost = sum(place.header.raw_len for place in places if place is not None)
        if cost > self._left:
            self.exceeded = True
            return False
        self._left -= cost
        return True


class Layouts:
    """What objects are made of.

    Args:
        surveys: Of the package, and of others.
        pool: Their records.
        content: Hash of the content document.
        entries: What it names.
        stated: What checkpoints state.
        own: What those of the package itself do.
        digest: Puts parts that are whole together and gives the digest in hex.
        effort: For this.
    """

    def __init__(  # noqa: PLR0913  (what it joins)
        self,
        surveys: Sequence[Survey],
        pool: RecordPool,
        *,
        content: bytes,
        entries: Sequence[ContentEntry],
        stated: Iterable[Statement],
        own: Iterable[Statement],
        digest: Callable[[Parts], str],
        effort: Effort,
    ) -> None:
        self._pool = pool
        self._digest = digest
        self._effort = effort
        sizes = {entry.sha256: entry.size for entry in entries}
        self._numbers = {sha256: number for number, sha256 in enumerate(sizes)}
        self._indexes = [
            survey.index
            for survey in surveys
            if survey.index is not None and _fits(survey.index, content, sizes)
        ]
        self._stated: defaultdict[_Named, dict[Parts, None]] = defaultdict(dict)
        for one in stated:
            self._stated[one.kind, one.name, one.size][one.parts] = None
        self._own: defaultdict[_Named, set[Parts]] = defaultdict(set)
        for one in own:
            self._own[one.kind, one.name, one.size].add(one.parts)
        self._untried = {named: list(parts) for named, parts in self._stated.items()}
        self._chunks: defaultdict[int, list[bytes]] = defaultdict(list)
        # Whatever type: a record may hold the same as a chunk, and stand in the pool for it.
        for place in pool.places():
            self._chunks[place.header.raw_len].append(place.header.raw_hash)
        self._proven: dict[tuple[str, int], Parts] = {}

    def by_index(self, entry: ContentEntry) -> Iterator[Parts]:
        """What each index says."""
        for index in self._indexes:
            found = index.objects[self._numbers[entry.sha256]]
            first, count = int(found["first_extent"]), int(found["extents"])
            yield tuple(
                (index.rows["raw_hash"][row].tobytes(), offset, length)
                for row, offset, length in index.extents[first : first + count].tolist()
            )

    def proven(self, entry: ContentEntry) -> Parts | None:
        """What has the digest of the entry: what a checkpoint states under its name, or a chunk."""
        if entry.sha256 == _EMPTY and not entry.size:
            return ()
        wanted = (entry.sha256, entry.size)
        if wanted not in self._proven:
            for parts in self._untried.pop((entry.kind, entry.name, entry.size), ()):
                whole = all(chunk in self._pool for chunk, _, _ in parts)
                if whole and self._effort.allows(parts, self._pool):
                    self._prove(parts, entry.size)
        if wanted not in self._proven:
            # Every chunk of that length is read once, whatever is looked for.
            for chunk in self._chunks.pop(entry.size, ()):
                self._prove(((chunk, 0, entry.size),), entry.size)
        return self._proven.get(wanted)

    def likely(self, entry: ContentEntry) -> Parts | None:
        """What the package itself states of that name and size, if it is one thing."""
        stated = self._own.get((entry.kind, entry.name, entry.size), set())
        return next(iter(stated)) if len(stated) == 1 else None

    def _prove(self, parts: Parts, size: int) -> None:
        self._proven.setdefault((self._digest(parts), size), parts)


def _fits(index: Index, content: bytes, sizes: Mapping[str, int]) -> bool:
    """Whether an index is about the objects of a content document."""
    (number,) = (index.rows["type"] == RecordType.CONTENT).nonzero()[0]
    if index.rows["raw_hash"][number].tobytes() != content:
        return False
    try:
        check_objects(sizes, index.objects["size"].tolist())
    except FormatError:
        return False
    return True
