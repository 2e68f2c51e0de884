"""Which volumes there are: found by what they say of themselves, complete, and of one set."""

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from mlarchive.errors import (
    MENDING_OTHERWISE,
    DamageError,
    MissingVolumesError,
    NotFoundError,
    VolumeSetError,
)
from mlarchive.fsops import explaining
from mlarchive.package.layout import VOLUME_MAGIC
from mlarchive.package.volumes.layout import (
    COVERED_TRAILER,
    DIGEST,
    HEADER_SIZE,
    TRAILER_SIZE,
    decode_header,
    decode_trailer,
    table_size,
)

_STEP = 1 << 20
_SHOWN = 20


class Volume(Struct, frozen=True, kw_only=True):
    """A volume, as it says itself.

    Attributes:
        path: The file.
        number: From 1.
        set_id: Of all volumes of the stream.
        offset: Where its part begins in the stream.
        length: Of its part, in bytes.
        count: How many volumes there are, in the last one; else 0.
        digest: SHA-256 of it.
        size: Of the file, in bytes.
    """

    path: Path
    number: int
    set_id: bytes
    offset: int
    length: int
    count: int
    digest: bytes
    size: int


def is_volume(path: Path) -> bool:
    """Whether a file begins as a volume does."""
    if not path.is_file():
        return False
    with explaining(path, "read"), path.open("rb") as file:
        return file.read(len(VOLUME_MAGIC)) == VOLUME_MAGIC


def holds_volumes(place: Path) -> bool:
    """Whether a file is a volume, or a folder has any."""
    return bool(_candidates(place)) if place.is_dir() else is_volume(place)


def is_sound_volume(path: Path) -> bool:
    """Whether a file begins with a whole header of a volume."""
    if not path.is_file():
        return False
    with explaining(path, "read"), path.open("rb") as file:
        return decode_header(file.read(HEADER_SIZE)) is not None


def read_volume(path: Path) -> Volume:
    """What a volume says of itself; its part is not read.

    Raises:
        DamageError: It is damaged, or of a later version.
        MlarchiveError: It cannot be read.
    """
    with explaining(path, "read"), path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        header = decode_header(file.read(HEADER_SIZE))
        file.seek(max(0, size - TRAILER_SIZE))
        trailer = decode_trailer(file.read(TRAILER_SIZE))
    if header is None:
        raise _damaged(path, "its header is damaged, or of a later version")
    if trailer is None or trailer.set_id != header.set_id:
        raise _damaged(path, f"volume {header.number} is cut off, or its end is damaged")
    if size != HEADER_SIZE + trailer.length + table_size(trailer.count) + TRAILER_SIZE:
        raise _damaged(path, f"volume {header.number} has another length than it states")
    if trailer.count not in {0, header.number}:
        raise _damaged(path, f"volume {header.number} calls itself the last of {trailer.count}")
    return Volume(
        path=path,
        number=header.number,
        set_id=header.set_id,
        offset=header.offset,
        length=trailer.length,
        count=trailer.count,
        digest=trailer.digest,
        size=size,
    )


def find_set(place: Path) -> tuple[Volume, ...]:
    """All volumes of a stream, in their order.

    Args:
        place: A folder with the volumes of one set, or one volume of a set.

    Raises:
        DamageError: A volume's header or trailer is damaged.
        VolumeSetError: Volumes do not belong together.
        MissingVolumesError: Some are not there.
        NotFoundError: There is none.
    """
    if place.is_dir():
        volumes = [read_volume(path) for path in _candidates(place)]
        if not volumes:
            raise NotFoundError(
                f"{place} holds no volumes", hint="check the path; a vault is named vault:DIR"
            )
        _require_one_set(volumes)
        others: list[Volume] = []
    else:
        chosen = read_volume(place)
        volumes, others = [], []
        for volume in _readable(_candidates(place.parent), chosen.set_id):
            (volumes if volume.set_id == chosen.set_id else others).append(volume)
    volumes.sort(key=lambda volume: volume.number)
    _require_each_once(volumes)
    _require_all(volumes, others, place)
    _require_order(volumes)
    _require_table(volumes)
    return tuple(volumes)


def check_volume(volume: Volume) -> Iterator[bytes]:
    """A volume's part of the stream; at its end the whole volume was compared with its digest.

    Raises:
        DamageError: It is damaged; found out when all of it was given.
    """
    hasher = hashlib.sha256()
    left = volume.size - TRAILER_SIZE + COVERED_TRAILER
    part_end = HEADER_SIZE + volume.length
    at = 0
    with explaining(volume.path, "read"), volume.path.open("rb") as file:
        while data := file.read(min(_STEP, left - at)):
            hasher.update(data)
            begin, end = max(HEADER_SIZE - at, 0), max(min(part_end - at, len(data)), 0)
            at += len(data)
            if begin < end:
                yield data[begin:end]
    if at != left or hasher.digest() != volume.digest:
        raise _damaged(volume.path, f"volume {volume.number} does not have its digest")


def _candidates(folder: Path) -> list[Path]:
    with explaining(folder, "read"):
        return [path for path in sorted(folder.iterdir()) if is_volume(path)]


def _readable(paths: Iterable[Path], set_id: bytes) -> Iterator[Volume]:
    """The volumes among some files; damaged ones of other sets are nobody's concern here."""
    for path in paths:
        try:
            yield read_volume(path)
        except DamageError:
            with explaining(path, "read"), path.open("rb") as file:
                header = decode_header(file.read(HEADER_SIZE))
            if header is None or header.set_id == set_id:
                raise


def _require_one_set(volumes: Sequence[Volume]) -> None:
    sets: dict[bytes, list[Volume]] = defaultdict(list)
    for volume in volumes:
        sets[volume.set_id].append(volume)
    if len(sets) > 1:
        *fewer, most = sorted(sets.values(), key=len)
        strays = [volume.path.name for found in fewer for volume in found]
        raise VolumeSetError(
            f"{volumes[0].path.parent} holds volumes of {len(sets)} sets: {_listed(strays)} do not"
            f" belong to {most[0].path.name} and the others",
            hint="take them away, or name one volume of the set that is meant",
        )


def _require_each_once(volumes: Sequence[Volume]) -> None:
    for one, other in pairwise(volumes):
        if one.number == other.number:
            same = "the same" if one.digest == other.digest else "with other bytes"
            raise VolumeSetError(
                f"{one.path.name} and {other.path.name} are both volume {one.number}, {same}",
                hint="take one of them away",
            )


def _require_all(volumes: Sequence[Volume], others: Sequence[Volume], place: Path) -> None:
    last = volumes[-1]
    numbers = {volume.number for volume in volumes}
    missing = [number for number in range(1, last.number + 1) if number not in numbers]
    strays = [v.path.name for v in others if v.number in missing]
    stray = f"; {_listed(strays)} are of another set" if strays else ""
    if missing:
        of = f" of {last.count}" if last.count else ", and the last one"
        raise MissingVolumesError(
            f"{place}: missing: volume {_ranges(missing)}{of}{stray}",
            hint="put them into the same folder",
        )
    if not last.count:
        raise MissingVolumesError(
            f"{place}: missing: the last volume, and perhaps some before it; the highest that is"
            f" there is {last.number}",
            hint="put it into the same folder",
        )


def _require_order(volumes: Sequence[Volume]) -> None:
    at = 0
    for volume in volumes:
        if volume.offset != at or (volume.count and volume is not volumes[-1]):
            raise VolumeSetError(
                f"{volume.path}: volume {volume.number} does not go on where it should"
            )
        at += volume.length


def _require_table(volumes: Sequence[Volume]) -> None:
    last = volumes[-1]
    with explaining(last.path, "read"), last.path.open("rb") as file:
        file.seek(HEADER_SIZE + last.length)
        table = file.read(table_size(last.count))
    for place, volume in enumerate(volumes[:-1]):
        if table[place * DIGEST :][:DIGEST] != volume.digest:
            raise VolumeSetError(
                f"{volume.path}: volume {volume.number} is not the one that {last.path.name} lists",
                hint="take it from the same copy as the last one",
            )


def _ranges(numbers: Sequence[int]) -> str:
    """Numbers in words: `7, 12 to 14`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return _listed([f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs])


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more


def _damaged(path: Path, why: str) -> DamageError:
    return DamageError(f"{path}: {why}", hint=MENDING_OTHERWISE)
