"""Of which chunks an object is made, by all that is left to say so (clause 11.7).

The index says it, of this package or of another with the same content; else checkpoints do, which
prove themselves when what they put together has the digest that is looked for; and a chunk that
has the object's own digest is all of it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from mlarchive.errors import FormatError
from mlarchive.package.checkpoints import Kind
from mlarchive.package.entries import check_objects
from mlarchive.package.index import Extent
from mlarchive.package.layout import RecordType
from mlarchive.package.repairing.naming import ContentEntry
from mlarchive.package.repairing.recordpool import Part, RecordPool
from mlarchive.package.repairing.survey import Survey
from mlarchive.package.tables import Index

Parts = tuple[Part, ...]

_EMPTY = hashlib.sha256().hexdigest()

_Named = tuple[Kind, str, int]
"""Kind, name and size of an entry."""


class Layouts:
    """What objects are made of.

    Args:
        surveys: Of the package, and of others.
        pool: Their records.
        content: Digest of the content document.
        entries: What it names.
        digest: Puts parts that are whole together and gives the digest in hex.
        allowed: Bytes that may be put together to try checkpoints.
    """

    def __init__(  # noqa: PLR0913  (what it joins)
        self,
        surveys: Sequence[Survey],
        pool: RecordPool,
        *,
        content: bytes,
        entries: Sequence[ContentEntry],
        digest: Callable[[Parts], str],
        allowed: int,
    ) -> None:
        self._pool = pool
        self._digest = digest
        self._allowed = allowed
        sizes = {entry.sha256: entry.size for entry in entries}
        self._numbers = {sha256: number for number, sha256 in enumerate(sizes)}
        self._indexes = [
            survey.index
            for survey in surveys
            if survey.index is not None and _fits(survey.index, content, sizes)
        ]
        self._stated: defaultdict[_Named, list[tuple[Parts, bool]]] = defaultdict(list)
        for survey in surveys:
            self._take_checkpoints(survey)
        self._proven: dict[str, Parts] = {}
        self._tried: set[_Named] = set()

    def by_index(self, entry: ContentEntry) -> Iterator[Parts]:
        """What each index says."""
        for index in self._indexes:
            found = index.objects[self._numbers[entry.sha256]]
            first, count = int(found["first_extent"]), int(found["extents"])
            extents: list[Extent] = index.extents[first : first + count].tolist()
            yield tuple(
                (index.rows["raw_hash"][row].tobytes(), offset, length)
                for row, offset, length in extents
            )

    def proven(self, entry: ContentEntry) -> Parts | None:
        """What has the digest of the entry: a chunk, or what a checkpoint states under its name."""
        if entry.sha256 == _EMPTY and not entry.size:
            return ()
        place = self._pool.place(bytes.fromhex(entry.sha256))
        if place is not None and place.header.raw_len == entry.size:
            return ((place.header.raw_hash, 0, entry.size),)
        key = (entry.kind, entry.name, entry.size)
        if entry.sha256 not in self._proven and key not in self._tried:
            self._tried.add(key)
            for parts, _ in self._stated[key]:
                self._try(parts, entry.size)
        return self._proven.get(entry.sha256)

    def likely(self, entry: ContentEntry) -> Parts | None:
        """What the only checkpoint that states something of that name and size says.

        Only if the numbers of its rows are certain.
        """
        stated = self._stated[(entry.kind, entry.name, entry.size)]
        certain = {parts for parts, sure in stated if sure}
        return certain.pop() if len(certain) == 1 and len({p for p, _ in stated}) == 1 else None

    def _try(self, parts: Parts, size: int) -> None:
        if all(digest in self._pool for digest, _, _ in parts):
            self._allowed -= size
            if self._allowed < 0:
                raise FormatError("E015", "the checkpoints state more than is allowed here")
            self._proven.setdefault(self._digest(parts), parts)

    def _take_checkpoints(self, survey: Survey) -> None:
        certain, guessed = survey.rows(), survey.guessed_rows()
        lengths = survey.lengths()
        for _, entries in survey.checkpoints:
            for entry in entries:
                parts = parts_of(entry.extents, guessed, lengths)
                if parts is not None:
                    size = sum(length for _, _, length in parts)
                    sure = all(row in certain for row, _, _ in entry.extents)
                    self._stated[(entry.kind, entry.name, size)].append((parts, sure))


def parts_of(
    extents: Sequence[Extent], rows: Mapping[int, bytes], lengths: Mapping[bytes, int]
) -> Parts | None:
    """Extents by the digests of their chunks; None if they are no parts of known chunks."""
    parts = []
    for row, offset, length in extents:
        digest = rows.get(row)
        if digest is None or offset < 0 or length < 1 or offset + length > lengths.get(digest, 0):
            return None
        parts.append((digest, offset, length))
    return tuple(parts)


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
