"""Exports of Neptune: real ones, and some made with the exporter's own schema."""

import hashlib
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from mlarchive.registries.base import Selector
from mlarchive.registries.neptune.export import NeptuneExportRegistry
from mlarchive.snapshot import Snapshot

FIXTURES = Path(__file__).parents[1] / "fixtures"
UTC_EXPORT = FIXTURES / "neptune-exporter"
NEW_YORK_EXPORT = FIXTURES / "neptune-exporter-new-york"
"""One emulated project, exported with TZ=UTC and with TZ=America/New_York."""
THREE_EXPORT = FIXTURES / "neptune-exporter-3"
"""Three runs of Neptune 3."""

_TIME = pa.timestamp("ms", "UTC")
SCHEMA = pa.schema(
    [
        ("project_id", pa.string()),
        ("run_id", pa.string()),
        ("attribute_path", pa.string()),
        ("attribute_type", pa.string()),
        ("step", pa.decimal128(18, 6)),
        ("timestamp", _TIME),
        ("int_value", pa.int64()),
        ("float_value", pa.float64()),
        ("string_value", pa.string()),
        ("bool_value", pa.bool_()),
        ("datetime_value", _TIME),
        ("string_set_value", pa.list_(pa.string())),
        ("file_value", pa.struct([("path", pa.string())])),
        (
            "histogram_value",
            pa.struct(
                [
                    ("type", pa.string()),
                    ("edges", pa.list_(pa.float64())),
                    ("values", pa.list_(pa.float64())),
                ]
            ),
        ),
    ]
)
"""Of a part, as neptune-exporter writes it."""

Row = Mapping[str, Any]

_COLUMNS = {
    "file": "file_value",
    "file_set": "file_value",
    "file_series": "file_value",
    "artifact": "file_value",
    "float_series": "float_value",
    "string_series": "string_value",
    "histogram_series": "histogram_value",
}


def row(
    path: str,
    kind: str,
    value: Any,  # noqa: ANN401  (of any column)
    *,
    step: float | str | None = None,
    time: int | None = None,
) -> Row:
    """A row of a part; the time in ms since 1970 UTC."""
    shown = {"path": value} if _COLUMNS.get(kind) == "file_value" and value else value
    return {
        "attribute_path": path,
        "attribute_type": kind,
        _COLUMNS.get(kind, f"{kind}_value"): shown,
        "step": None if step is None else Decimal(str(step)),
        "timestamp": None if time is None else datetime.fromtimestamp(time / 1000, UTC),
    }


def safe(name: str) -> str:
    """A name as the exporter makes it safe."""
    plain = "".join(c if c.isalnum() or c in "_-" else "_" for c in name)
    return f"{plain}-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"


def write_part(  # noqa: PLR0913  (what names a part)
    folder: Path,
    run_id: str,
    rows: Sequence[Row],
    *,
    project: str = "ws/p",
    part: int = 0,
    scope: str = "",
    group: int = 1 << 20,
) -> Path:
    """Write a part of an object's table; gives its path."""
    place = folder / ("model_data" if scope else "data") / safe(project) / scope
    place.mkdir(parents=True, exist_ok=True)
    full = [{"project_id": project, "run_id": run_id, **one} for one in rows]
    path = place / f"{safe(run_id)}_part_{part}.parquet"
    table = pa.Table.from_pylist(full, schema=SCHEMA)
    parquet.write_table(table, path, compression="snappy", row_group_size=group)
    return path


def damaged_part(folder: Path, damage: str) -> Path:
    """Put a part of `RUN-1`, some bytes of which are others than were written; gives its path."""
    path = write_part(folder, "RUN-1", [])
    shutil.copyfile(FIXTURES / "neptune-damaged-parts" / f"{damage}.parquet", path)
    return path


def put_file(
    folder: Path, path: str, raw: bytes, *, project: str = "ws/p", scope: str = ""
) -> Path:
    """Write a file that a row of a run names."""
    place = folder / ("model_files" if scope else "files") / safe(project) / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(raw)
    return place


def put_zip(folder: Path, path: str, members: Mapping[str, bytes]) -> Path:
    """Write the archive of a file set that a row of a run names."""
    place = put_file(folder, f"{path}/{Path(path).name}.zip", b"")
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return place


def copied(export: Path, to: Path) -> Path:
    """A copy of an export that may be changed."""
    shutil.copytree(export, to)
    return to


def registry(folder: Path, timezone: str = "") -> NeptuneExportRegistry:
    """The export, opened."""
    return NeptuneExportRegistry(folder, origin="export", timezone=timezone)


def read(folder: Path, name: str = "", timezone: str = "") -> Snapshot:
    """The only object of an export, or the one whose address ends so."""
    opened = registry(folder, timezone)
    (address,) = [
        found.address
        for found in opened.ls(Selector())
        if str(found.address).endswith(f"#{name}" if name else "")
    ]
    return opened.read(address)
