"""What an operator is willing to spend on a package, whatever its numbers say (clause 11.2)."""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from mlarchive.errors import ConfigError, FormatError

CHUNK_MAX = 64 << 20
"""The format's own limit on the raw length of a chunk, in bytes (clause 4.3)."""

TEXT_MAX = 64 << 10
"""The format's own limit on the length of the plain-text record, in bytes (clause 4.3)."""

WINDOW_MAX = 8 << 20
"""The format's own limit on the window of a zstd frame, in bytes (clause 5.2)."""

EFFORT_FACTOR = 16
EFFORT_FREE = 1 << 30
EFFORT_LEAST = 4 << 10
"""The format's own limit on what objects of several extents make a reader decode: so many times
their size, and so many bytes more; an extent counts so many at least (clause 9.4)."""

UNPACKED_FREE = 64 << 30
UNPACKED_FACTOR = 1024
"""What a package may unpack to where nobody says otherwise, in bytes: so many, and so many times
what is there of it (clause 11.2)."""

COST_FACTOR = 4
"""What the documents together may cost, as a multiple of what each may be long, and the objects of
an index, as a multiple of what that may be (clause 11.2)."""

_NESTED, _MEMBER = 512, 64
"""Bytes of memory that an object or array, and a member of one, stands for."""

_PLAIN, _WIDE = 4, 8
"""The same for a byte of long text: of ASCII, and where four bytes may hold a character of it."""

_PART = 256
"""The same for an object of the index, and for an extent of one."""


class Limits(Struct, frozen=True, kw_only=True):
    """Limits on what a reader accepts; what exceeds one is refused with E015.

    Attributes:
        index: Length of the index, in bytes, and `COST_FACTOR` times as much for what its objects
            cost. 128 MiB describes 5 TiB, or a million files.
        document: Raw length of each of the three documents, and of all checkpoints, in bytes;
            `COST_FACTOR` times as much for what the documents cost when they are taken apart.
        unpacked: Sum of the sizes of all objects, in bytes; 0 for what `most_unpacked` makes of
            the package.
    """

    index: int = 128 << 20
    document: int = 256 << 20
    unpacked: int = 0

    def most_unpacked(self, there: int) -> int:
        """How much may come of packed bytes, or of chunks that others are to give, in bytes."""
        return self.unpacked or UNPACKED_FREE + UNPACKED_FACTOR * there


VARIABLES = {
    "index": "MLARCHIVE_MAX_INDEX",
    "document": "MLARCHIVE_MAX_DOCUMENT",
    "unpacked": "MLARCHIVE_MAX_UNPACKED",
}
"""The environment's name for each limit."""

_UNITS: Mapping[str, int] = {
    **{unit: 1000**power for power, unit in enumerate(("B", "kB", "MB", "GB", "TB", "PB"))},
    **{unit: 1024**power for power, unit in enumerate(("", "KiB", "MiB", "GiB", "TiB", "PiB"))},
}
_SIZE = re.compile("([0-9]{1,15}) ?([A-Za-z]*)")

_allowed = Limits()


def allowed() -> Limits:
    """What this process may spend on a package where its caller says nothing else."""
    return _allowed


def allow(limits: Limits) -> None:
    """Let this process spend so much; a command does this once, when it begins."""
    global _allowed  # noqa: PLW0603  (the operator's word holds for the whole process)
    _allowed = limits


def check_cost(documents: Iterable[bytes], limits: Limits) -> None:
    """Refuse documents that would take more memory than they may, before they are taken apart.

    Args:
        documents: In JSON. A few kilobytes on a disk can be millions of values in memory.
        limits: What the operator allows.

    Raises:
        LimitError: E015.
    """
    _require_memory("the documents say", sum(map(_cost, documents)), COST_FACTOR * limits.document)


def check_parts(objects: int, extents: int, limits: Limits) -> None:
    """Refuse an index whose objects would take more memory than they may.

    Args:
        objects: How many there are.
        extents: How many parts of chunks these have in all.
        limits: What the operator allows.

    Raises:
        LimitError: E015.
    """
    _require_memory("the index says", _PART * (objects + extents), COST_FACTOR * limits.index)


def _cost(raw: bytes) -> int:
    weights = {b"{": _NESTED, b"[": _NESTED, b":": _MEMBER, b",": _MEMBER}
    values = sum(weight * raw.count(sign) for sign, weight in weights.items())
    return max(values, len(raw) * (_PLAIN if raw.isascii() and b"\\u" not in raw else _WIDE))


def _require_memory(what: str, cost: int, most: int) -> None:
    if cost > most:
        raise FormatError(
            "E015",
            f"what {what} would take {cost} bytes of memory, more than the {most} that are"
            " allowed here",
        )


def check_unpacked(total: int, there: int, limits: Limits) -> None:
    """Refuse what would unpack to more than it may; kilobytes can stand for months of decoding.

    Args:
        total: Bytes that would come of it.
        there: Packed bytes, and those that others are to give.
        limits: What the operator allows.

    Raises:
        LimitError: E015.
    """
    most = limits.most_unpacked(there)
    if total > most:
        raise FormatError(
            "E015",
            f"the package unpacks to {total} bytes, more than the {most} that are allowed here",
        )


def limits_from(environment: Mapping[str, str]) -> Limits:
    """The limits that an environment sets, such as `MLARCHIVE_MAX_UNPACKED=2TB`.

    Args:
        environment: Sizes in bytes, or with a unit: kB, MB, GB, TB, PB, KiB, MiB, GiB, TiB, PiB.

    Raises:
        ConfigError: One is no size.
    """
    given = {
        field: _size(name, environment[name])
        for field, name in VARIABLES.items()
        if environment.get(name)
    }
    return Limits(**given)


def parse_size(text: str) -> int:
    """A number of bytes, with a unit or without; 0 if the text is no size."""
    match = _SIZE.fullmatch(text.strip())
    factor = _UNITS.get(match[2]) if match else None
    return int(match[1]) * factor if match and factor else 0


def _size(name: str, text: str) -> int:
    size = parse_size(text)
    if not size:
        raise ConfigError(
            f"{name} is {text!r}, which is no size", hint="give bytes, or such as 500MB or 2TB"
        )
    return size
