"""Finding records where nothing can be trusted (clause 11.7): by magic, place and check sum.

From a whole record the search goes on where it ends, past damage at the next multiple of 64. The
time is linear in the length of the file whatever is in it: headers that claim long payloads
inside each other are believed only as long as little work was spent on them in vain.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from mlarchive.errors import FormatError
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.codec import Codec
from mlarchive.package.headers import check_header
from mlarchive.package.layout import ALIGNMENT, PREAMBLE_SIZE, RecordType, check_preamble
from mlarchive.package.limits import Limits
from mlarchive.package.record import (
    HEADER_SIZE,
    RECORD_MAGIC,
    Header,
    decode_header,
    record_size,
)

_BLOCK = 1 << 20
_VAIN_SHARE = 4
_VAIN_LEAST = 256 << 20
_ROW_BYTES = 90


class Found(Struct, frozen=True, gc=False):
    """A header whose check sum fits.

    Attributes:
        offset: Where it begins.
        header: What it says.
        in_front: Whether nothing but records stands between the preamble and it; else it may be
            of another package, in this one or behind it.
        failed: Whether its payload is known not to be what it says.
        foreign: Whether it is of another package for certain, which begins behind records of this.
    """

    offset: int
    header: Header
    in_front: bool
    failed: bool = False
    foreign: bool = False


NOWHERE = -1
"""The offset of what is wrong in no one place."""


class Damage(Struct, frozen=True, kw_only=True):
    """A part of a file that is not as it should be.

    Attributes:
        offset: Where it begins; `NOWHERE` if it is no part.
        length: In bytes.
        why: What is wrong with it.
    """

    offset: int
    length: int
    why: str


Check = Callable[[Found, Found | None], bool]
"""Says whether a record is whole, given the chunk that it builds on."""


class Scan:
    """All records of a file, in its order.

    Args:
        source: The file.
        limits: What the operator allows.
        is_whole: Asked of records behind which no other begins.

    Attributes:
        found: Headers whose check sums fit.
        damage: Where there is none and should be.
    """

    def __init__(self, source: ByteSource, limits: Limits, is_whole: Check) -> None:
        self.found: list[Found] = []
        self.damage: list[Damage] = []
        self._source = source
        self._limits = limits
        self._is_whole = is_whole
        self._vain = _VAIN_SHARE * source.size + _VAIN_LEAST
        self._in_front = True
        self._foreign = False
        self._block = (0, b"")
        self._plain: dict[bytes, Found] = {}
        self._walk()

    def _walk(self) -> None:
        at = PREAMBLE_SIZE
        while at < self._source.size:
            header = self._header(at)
            if header is None:
                at = self._skip(at, at)
                continue
            end = at + record_size(header.stored_len)
            self._foreign = self._is_foreign(at)
            found = Found(at, header, self._in_front, foreign=self._foreign)
            if self._goes_on(found, end):
                self._remember(found)
                at = end
            else:
                self._remember(replace(found, failed=True))
                at = self._skip(at + ALIGNMENT, end)

    def _is_foreign(self, at: int) -> bool:
        """Whether a record is of a package that begins behind records of this one."""
        if not self.found:
            return False
        try:
            check_preamble(self._source.read_at(at - PREAMBLE_SIZE, PREAMBLE_SIZE))
        except FormatError:
            # Behind another's index this package may go on, if that one was within it.
            return self._foreign and self.found[-1].header.type != RecordType.INDEX
        return True

    def _goes_on(self, found: Found, end: int) -> bool:
        """Whether the search may go on behind a record: it is whole, or another begins there."""
        if found.offset + HEADER_SIZE + found.header.stored_len > self._source.size:
            return False
        if self._header(end) is not None:
            return True
        cost = found.header.stored_len + found.header.raw_len
        if cost > self._vain:
            return False
        if self._is_whole(found, self._plain.get(found.header.base_hash)):
            return True
        self._vain -= cost
        return False

    def _remember(self, found: Found) -> None:
        self.found.append(found)
        if found.header.codec != Codec.DELTA:
            self._plain.setdefault(found.header.raw_hash, found)
        if len(self.found) * _ROW_BYTES > self._limits.index:
            raise FormatError(
                "E015", f"{self._source.name} has more records than an index may describe here"
            )

    def _skip(self, at: int, end: int) -> int:
        """Where the next record begins from `at` on; what is passed over from `end` on is damage.

        Behind the index no record is expected.
        """
        to = self._search(at)
        last = self.found[-1].header.type if self.found else None
        if to < self._source.size or last != RecordType.INDEX:
            self._blame(end, to, "no record can be found here")
        if to < self._source.size:
            self._in_front = False
        return to

    def _blame(self, begin: int, end: int, why: str) -> None:
        if end > begin:
            self.damage.append(Damage(offset=begin, length=end - begin, why=why))

    def _search(self, at: int) -> int:
        """The next place of a header from `at` on, a multiple of 64; the end if there is none."""
        while at < self._source.size:
            begin, block = self._loaded(at)
            hit = block.find(RECORD_MAGIC, at - begin)
            if hit < 0:
                at = begin + _BLOCK
            elif (begin + hit) % ALIGNMENT == 0 and self._header(begin + hit) is not None:
                return begin + hit
            else:
                at = begin + hit + ALIGNMENT - hit % ALIGNMENT
        return self._source.size

    def _loaded(self, at: int) -> tuple[int, bytes]:
        """The block that a place is in; its length is a multiple of 64, so no magic is split."""
        begin = at - at % _BLOCK
        if self._block[0] != begin or not self._block[1]:
            length = min(_BLOCK, self._source.size - begin)
            self._block = (begin, self._source.read_at(begin, length))
        return self._block

    def _header(self, at: int) -> Header | None:
        if at + HEADER_SIZE > self._source.size:
            return None
        header = decode_header(self._source.read_at(at, HEADER_SIZE))
        if header is None or header.codec == Codec.ABSENT:
            return None
        try:
            check_header(header, self._limits)
        except FormatError:
            return None
        return header
