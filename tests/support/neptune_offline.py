"""What clients of Neptune left: logs and stores made by hand, and the reading of any."""

import json
import sqlite3
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlarchive.package.columns import decode_columns
from mlarchive.records import Field, Fields, MetricSeries, Run
from mlarchive.registries.base import Selector
from mlarchive.registries.neptune.offline import NeptuneOfflineRegistry
from mlarchive.snapshot import Snapshot, entry_name

FIXTURES = Path(__file__).parents[1] / "fixtures"
LOGS = FIXTURES / "neptune-offline-2x"
STORE = FIXTURES / "neptune-offline-3x"
ID = "03b720b4-7c75-4a01-b574-f60d585bebc2"
NAME = f"run__{ID}__1__abcdefgh"


def operation(kind: str, path: str, **members: Any) -> dict[str, Any]:  # noqa: ANN401  (any JSON)
    """An operation as a 2.x client writes it."""
    return {"type": kind, "path": path.split("/"), **members}


def point(value: Any, step: float | None = None, ts: float = 1.0) -> dict[str, Any]:  # noqa: ANN401  (any JSON)
    """A point of a series; the time in seconds."""
    return {"value": value, "step": step, "ts": ts}


def log_lines(operations: Sequence[Mapping[str, Any]], first: int = 1) -> str:
    """Operations as the lines of a log."""
    lines = (
        {"obj": one, "version": version, "at": 1_700_000_000.5}
        for version, one in enumerate(operations, first)
    )
    return "".join(json.dumps(line) + "\n" for line in lines)


def write_log(
    project: Path,
    *operations: Mapping[str, Any],
    place: str = f"offline/{NAME}",
    first: int = 1,
) -> Path:
    """A log of a project's folder; gives its path."""
    folder = project / ".neptune" / place
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"data-{first}.log"
    log.write_text(log_lines(operations, first))
    return log


def registry(folder: Path, root: Path | None = None) -> NeptuneOfflineRegistry:
    """What was left, opened."""
    return NeptuneOfflineRegistry(folder, origin="left", files_root=root)


def read(folder: Path, root: Path | None = None) -> Snapshot:
    """The only object that was left."""
    opened = registry(folder, root)
    (found,) = opened.ls(Selector())
    return opened.read(found.address)


def varint(value: int) -> bytes:
    """A number in Protocol Buffers' wire format."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: float | str | bytes | bool) -> bytes:  # noqa: FBT001  (a value)
    """A field of a message: ints and bools as varints, floats as doubles, all else as bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def entry(number: int, path: str, value: bytes) -> bytes:
    """An entry of a map from text to messages."""
    return field(number, field(1, path) + field(2, value))


def write_store(
    project: Path,
    operations: Sequence[tuple[int, bytes]],
    *,
    uploads: Mapping[str, str] | None = None,
    sizes: Mapping[str, int] | None = None,
    version: str = "v5",
) -> Path:
    """A store of a 3.x client; gives its path. Sizes of uploads are those of now unless given."""
    folder = project / ".neptune" / "ws_p_my-run_1"
    folder.mkdir(parents=True)
    path = folder / "run_operations.sqlite3"
    with sqlite3.connect(path) as store:
        store.executescript(
            """
            CREATE TABLE metadata (id INTEGER PRIMARY KEY, version TEXT, project TEXT, run_id TEXT);
            CREATE TABLE run_operations (sequence_id INTEGER PRIMARY KEY, timestamp INTEGER,
              operation_type INTEGER, operation BLOB, operation_size_bytes INTEGER);
            CREATE TABLE file_upload_requests (id INTEGER PRIMARY KEY, source_path TEXT,
              destination TEXT, mime_type TEXT, size_bytes INTEGER, is_temporary INTEGER);
            """
        )
        store.execute("INSERT INTO metadata VALUES (1, ?, 'ws/p', 'my-run')", (version,))
        store.executemany(
            "INSERT INTO run_operations VALUES (?, 0, ?, ?, 0)",
            [(number, *one) for number, one in enumerate(operations, 1)],
        )
        store.executemany(
            "INSERT INTO file_upload_requests VALUES (NULL, ?, ?, '', ?, 0)",
            [
                (source, to, (sizes or {}).get(to, _size(source)))
                for to, source in (uploads or {}).items()
            ],
        )
    store.close()
    return path


def _size(source: str) -> int:
    return Path(source).stat().st_size if Path(source).is_file() else 0


def fields(snapshot: Snapshot) -> dict[str, Field]:
    """All fields of an object, by path."""
    (found,) = [record for record in snapshot.records if isinstance(record, Fields)]
    return {one.path: one for one in (*found.values, *found.labels, *found.facts)}


def params(snapshot: Snapshot) -> dict[str, str]:
    """The params of its run."""
    (run,) = [record for record in snapshot.records if isinstance(record, Run)]
    return run.params


def files(snapshot: Snapshot) -> dict[str, bytes]:
    """The bytes of all files, by path."""
    found = {}
    for stream in snapshot.streams:
        if not isinstance(stream.entry, MetricSeries):
            with stream.open() as file:
                found[entry_name(stream.entry)] = file.read()
    return found


def points(snapshot: Snapshot, key: str) -> list[tuple[int, int, float]]:
    """Step, time and value of each point of a series."""
    (stream,) = [s for s in snapshot.streams if entry_name(s.entry) == key]
    with stream.open() as file:
        columns = decode_columns(file.read())
    return list(zip(*(column.tolist() for column in columns), strict=True))


def losses(snapshot: Snapshot) -> dict[str, str]:
    """All losses but for what no client writes down."""
    never = {"project", "sys/id", "sys/custom_run_id"}
    return {loss.field: loss.why for loss in snapshot.losses if loss.field not in never}
