"""Write `example.md`: a whole package, byte by byte, each with the clause that says what it is.

python spec/generate_example.py            # rewrites spec/example.md
python spec/generate_example.py --check    # exits 1 where it is stale

It reads a package of the conformance corpus with `struct` alone, so that the page shows what the
specification says and not what mlarchive does.
"""

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from publishing import HERE, publish

PACKAGE = Path("vectors/valid/checkpoints.mlpkg")
WIDTH = 16
TYPES = {1: "plain text", 2: "chunk", 3: "content", 4: "state", 5: "evidence", 128: "checkpoint"}

HEAD = f"""\
# A package, byte by byte

All bytes of [{PACKAGE}]({PACKAGE}), a package of the
conformance corpus, with the clauses of [mlpkg-1](mlpkg-1.md) that say what they are. Numbers in
brackets are what the bytes stand for. This page is written by `python spec/generate_example.py`.
"""

Field = tuple[str, str]
"""Format of `struct`, and name; a name that ends in `#` is shown as a number."""

PREAMBLE: tuple[Field, ...] = (
    ("8s", "magic"),
    ("H", "major version#"),
    ("H", "minor version#"),
    ("I", "incompatible features#"),
    ("I", "compatible features#"),
    ("40s", "reserved"),
    ("I", "CRC-32 of the bytes before"),
)
HEADER: tuple[Field, ...] = (
    ("8s", "magic"),
    ("B", "type#"),
    ("B", "codec#"),
    ("B", "elem#"),
    ("B", "flags#"),
    ("I", "CRC-32 of the header, this field being zero"),
    ("Q", "stored length#"),
    ("Q", "raw length#"),
    ("32s", "hash of the raw bytes"),
    ("32s", "hash of the raw bytes of the base"),
)
INDEX: tuple[Field, ...] = (
    ("8s", "magic"),
    ("I", "number of rows#"),
    ("I", "number of objects#"),
    ("I", "number of extents#"),
    ("I", "flags#"),
    ("40s", "reserved"),
)
COLUMNS = (
    ("rows", 8, "stored length#"),
    ("rows", 8, "raw length#"),
    ("rows", 4, "row of the base"),
    ("rows", 1, "type#"),
    ("rows", 1, "codec#"),
    ("rows", 1, "elem#"),
    ("rows", 1, "flags#"),
    ("rows", 32, "hash of the raw bytes"),
    ("rows", 32, "hash of the payload"),
    ("objects", 4, "number of extents#"),
    ("extents", 4, "row#"),
    ("extents", 4, "offset in the chunk#"),
    ("extents", 4, "length#"),
)
TRAILER: tuple[Field, ...] = (
    ("Q", "offset of the index record#"),
    ("Q", "its stored length#"),
    ("32s", "digest of its payload"),
    ("Q", "length of the package#"),
    ("Q", "length of the signature area#"),
    ("Q", "offset of the parity section#"),
    ("Q", "its length#"),
    ("32s", "content_id"),
    ("32s", "state_id"),
    ("32s", "package_id"),
    ("I", "CRC-32 of the bytes before"),
    ("I", "reserved"),
    ("8s", "magic"),
)


class Page:
    """The page as far as it is written; `at` is the place in the package."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.lines: list[str] = [HEAD]

    def part(self, title: str) -> None:
        """Begin a part of the package."""
        self.lines.append(f"\n## {title}\n")

    def fields(self, fields: tuple[Field, ...]) -> dict[str, int]:
        """Show fields one after another; gives the numbers among them."""
        numbers: dict[str, int] = {}
        for form, name in fields:
            raw = self.data[self.at : self.at + struct.calcsize(f"<{form}")]
            if name.endswith("#"):
                numbers[name[:-1]] = int.from_bytes(raw, "little")
            self.show(len(raw), name)
        return numbers

    def show(self, length: int, name: str) -> None:
        """Show bytes with what they are."""
        raw = self.data[self.at : self.at + length]
        if not raw:
            return
        text = f"{name[:-1]} ({int.from_bytes(raw, 'little')})" if name.endswith("#") else name
        for line, shown in _lines(raw):
            says = text if line == 0 else ""
            self.lines.append(
                f"    {self.at + line:06x}  {shown:<{3 * WIDTH - 1}}  {says}".rstrip()
            )
        self.at += length


def _lines(raw: bytes) -> Iterator[tuple[int, str]]:
    """Lines of hexadecimal digits; where more than two of zeros would come, one that says so."""
    if len(raw) > 2 * WIDTH and not any(raw):
        yield 0, f"00, {len(raw)} times"
        return
    for line in range(0, len(raw), WIDTH):
        yield line, raw[line : line + WIDTH].hex(" ")


def document(data: bytes) -> str:
    """The page about a package whose records are stored as they are."""
    page = Page(data)
    trailer = struct.unpack_from("<QQ32sQQ", data, len(data) - 192)
    page.part("Preamble (clause 3)")
    page.fields(PREAMBLE)
    while page.at < trailer[0]:
        kind = data[page.at + 8]
        page.part(f"Record: {TYPES[kind]} (clause 4)")
        _record(page)
    page.part("Record: index (clauses 4 and 9)")
    numbers = page.fields(HEADER)
    end = page.at + numbers["stored length"]
    counts = page.fields(INDEX)
    for table, size, name in COLUMNS:
        for number in range(counts[f"number of {table}"]):
            page.show(size, f"{table} {number}: {name}")
    page.show(-end % 64, "padding")
    page.part("Signature area (clause 10.1)")
    page.show(trailer[4], "no signatures")
    page.part("Trailer (clause 10.2)")
    page.fields(TRAILER)
    return "\n".join(page.lines) + "\n"


def _record(page: Page) -> None:
    length = page.fields(HEADER)["stored length"]
    payload = page.data[page.at : page.at + length]
    page.show(length, "payload")
    if payload.isascii():
        page.lines.extend(("", f"  As text: `{payload.decode().strip()}`", ""))
    page.show(-(page.at) % 64, "padding")


if __name__ == "__main__":
    sys.exit(
        publish({"example.md": document((HERE / PACKAGE).read_bytes())}, "generate_example.py")
    )
