"""What the bytes of an object take in its package: which codecs hold them, what that saved.

Told by a package's objects and extents alone; no chunk is read.
"""

from collections import defaultdict
from collections.abc import Mapping

from msgspec import Struct

from mlarchive.package import Package
from mlarchive.package.codec import Codec
from mlarchive.package.entries import entries_of, size_of
from mlarchive.package.index import Row


class Footprint(Struct, frozen=True, kw_only=True):
    """How a package holds its objects. All numbers are bytes.

    A codec is named as in clause 5 of `spec/mlpkg-1.md`, in lower case and with the element size
    where it has one: `stored`, `zstd`, `planes/2`; what is `absent` is in another package.

    Attributes:
        codecs: For each object, by digest, how much of it each codec holds, the most first.
        by_sharing: Not held, because the same bytes occur more than once in the package.
        by_codecs: Not held, because chunks are encoded; negative if they grew.
        elsewhere: Not held, because another package has them, as chunks or as what chunks build on;
            0 unless it is thin.
    """

    codecs: Mapping[str, Mapping[str, int]]
    by_sharing: int
    by_codecs: int
    elsewhere: int


def footprint(package: Package) -> Footprint:
    """Say how a package holds its objects, and what it saves.

    The comparison is with all of its files and series one after another, as they are.
    """
    chunks: dict[bytes, Row] = {}
    codecs = {}
    for sha256 in package.objects:
        lengths: defaultdict[str, int] = defaultdict(int)
        for row, _, length in package.extents(sha256):
            lengths[_codec_name(row)] += length
            # A package has no two chunks with the same bytes.
            chunks[row.raw_hash] = row
        codecs[sha256] = dict(sorted(lengths.items(), key=lambda item: (-item[1], item[0])))
    named = sum(
        size_of(entry) for record in package.meaning.records for entry in entries_of(record)
    )
    raw = sum(row.raw_len for row in chunks.values())
    present = [row for row in chunks.values() if row.codec != Codec.ABSENT]
    here = sum(row.raw_len for row in present)
    return Footprint(
        codecs=codecs,
        by_sharing=named - raw,
        by_codecs=here - sum(row.stored_len for row in present),
        elsewhere=package.absent_size,
    )


_NAMES = {codec.value: codec.name.lower().replace("_", "-") for codec in Codec}


def _codec_name(row: Row) -> str:
    name = _NAMES.get(row.codec, f"codec-{row.codec}")
    return f"{name}/{row.elem}" if row.elem else name
