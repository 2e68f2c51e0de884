"""Fuzzes what is left of Neptune: it is read, with losses listed, and packed, or refused.

The first byte of an input says what it is: `L` a log of a 2.x client, `S` operations of a 3.x
client's store, `R` rows of an export as JSON, which are written as a part.
"""

import io
import json
import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlarchive.errors import MlarchiveError
from mlarchive.pack import pack
from mlarchive.package import Package
from mlarchive.registries.base import Selector
from mlarchive.registries.neptune.export import NeptuneExportRegistry
from mlarchive.registries.neptune.offline import NeptuneOfflineRegistry
from tests.fuzz.documentmutating import changed_document
from tests.fuzz.harness import Bounds, Mutate, Target, main
from tests.support.neptune_exports import SCHEMA, put_file, row, write_part
from tests.support.neptune_offline import (
    LOGS,
    NAME,
    entry,
    field,
    log_lines,
    operation,
    point,
    write_store,
)

_END = b"\n--\n"
"""Between two operations of a store."""
_PNG = "iVBORw0KGgo="


def seeds() -> Iterator[bytes]:
    """One of each kind, with one of everything that it can say."""
    yield from (b"L" + path.read_bytes() for path in LOGS.rglob("data-*.log"))
    said = [
        operation("AssignFloat", "a", value=0.5),
        operation("AssignDatetime", "t", value=1_700_000_000_000),
        operation("AddStrings", "tags", values=["x"]),
        operation("LogFloats", "m", values=[point(1.0, 0.5), point(2.0)]),
        operation("LogImages", "i", values=[point({"data": _PNG, "name": "n"}, 1)]),
        operation("UploadFileContent", "f", ext="bin", file_content=_PNG),
        operation("CopyAttribute", "b", container_id="x", container_type="run", source_path=["a"]),
        operation("TrackFilesToArtifact", "d", project_id="p", entries=[["s3://x", None]]),
        operation("DeleteAttribute", "a"),
    ]
    yield b"L" + log_lines(said).encode()
    step = field(1, field(1, 3) + field(2, 500_000)) + field(2, field(1, 9))
    histogram = field(1, field(1, 0.0)) + field(4, field(1, b"\3"))
    values = field(1, 0.5), field(3, -7), field(5, 1), field(6, "x"), field(8, field(1, 5))
    messages = [
        field(1, "my-run") + field(3, field(1, 5)) + field(2, field(2, "parent")),
        *(entry(4, "a", value) for value in values),
        entry(5, "sys/tags", field(1, field(1, field(1, "new") + field(2, 1)))),
        step + entry(8, "m", field(1, 0.25)) + entry(8, "h", field(14, histogram)),
        entry(4, "f", field(13, field(1, "there/file.png"))),
    ]
    yield b"S" + _END.join(messages)
    rows = [
        ["sys/id", "string", "R-1", None, None],
        ["sys/creation_time", "datetime", 1_700_000_000_000, None, None],
        ["i", "int", 1, None, None],
        ["tags", "string_set", ["x"], None, None],
        ["m", "float_series", 0.5, 0.5, 1_700_000_000_000],
        ["log", "string_series", "line", 1, 1_700_000_000_000],
        ["h", "histogram_series", {"type": "COUNTING", "edges": [0.0], "values": [1.0]}, 1, 1],
        ["f", "file", "ws/p/R-1/f", None, None],
        ["s", "file_set", "ws/p/R-1/f", None, None],
        ["d", "artifact", "ws/p/R-1/f", None, None],
        ["b", "bool", True, None, None],
    ]
    yield b"R" + json.dumps(rows).encode()


def check(data: bytes) -> str:
    """Read what an input says was left, and pack all of it."""
    read = _KINDS.get(data[:1])
    if read is None:
        return "nothing"
    with tempfile.TemporaryDirectory() as folder:
        return read(data[1:], Path(folder))


def _log(data: bytes, folder: Path) -> str:
    place = folder / ".neptune" / "offline" / NAME
    place.mkdir(parents=True)
    (place / "data-1.log").write_bytes(data)
    return f"log:{_packed(NeptuneOfflineRegistry(folder, origin='left'))}"


def _store(data: bytes, folder: Path) -> str:
    # A run is created by the first.
    messages = [(int(not number), one) for number, one in enumerate(data.split(_END))]
    write_store(folder, messages)
    return f"store:{_packed(NeptuneOfflineRegistry(folder, origin='left'))}"


def _rows(data: bytes, folder: Path) -> str:
    try:
        rows = [_row(*one) for one in json.loads(data)]
        write_part(folder, "R-1", rows)
    except (ValueError, TypeError, ArithmeticError, RecursionError, AttributeError):
        # What no part can hold; pyarrow's exceptions are of these kinds too.
        return "rows:none"
    put_file(folder, "ws/p/R-1/f", b"\x89PNG\r\n\x1a\n")
    return f"rows:{_packed(NeptuneExportRegistry(folder, origin='export'))}"


def _row(path: str, kind: str, value: Any, step: Any, time: Any) -> Any:  # noqa: ANN401  (any JSON)
    if kind == "datetime":
        value = datetime.fromtimestamp(value / 1000, UTC)
    made = row(path, kind, value, step=None if step is None else str(step), time=time)
    return {name: one for name, one in made.items() if name in SCHEMA.names}


def _packed(registry: NeptuneOfflineRegistry | NeptuneExportRegistry) -> str:
    """Pack all that is listed; what is not read whole is listed as lost, or refused."""
    lost = False
    try:
        with registry:
            for listing in registry.ls(Selector()):
                out = io.BytesIO()
                pack(registry.read(listing.address), out, packed_at=1)
                with Package.open(io.BytesIO(out.getvalue())) as package:
                    lost = lost or bool(package.snapshot().losses)
    except MlarchiveError as error:
        return error.code
    return "lossy" if lost else "whole"


def changed(data: bytes, rng: random.Random, mutate: Mutate) -> bytes:
    """The same, one line of a log, message, or row changed."""
    kind, rest = data[:1], data[1:]
    if kind == b"R":
        return kind + changed_document(rest, rng, mutate)
    end = b"\n" if kind == b"L" else _END
    parts = rest.split(end)
    at = rng.randrange(len(parts))
    if kind == b"L" and rng.randrange(20):
        parts[at] = changed_document(parts[at], rng, mutate)
    else:
        parts[at] = bytes(mutate(parts[at] or b"x", len(parts[at]) + 9))
    return kind + end.join(parts)


_KINDS = {b"L": _log, b"S": _store, b"R": _rows}

# Packing reserves much more than it takes.
TARGET = Target(
    name="neptune", check=check, seeds=seeds, mutate=changed, bounds=Bounds(memory=1 << 29)
)

if __name__ == "__main__":
    main(TARGET)
