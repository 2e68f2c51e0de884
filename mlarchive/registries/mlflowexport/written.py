"""The documents that `mlarchive` writes, and what it adds to those of the tool (clause 3.6).

Each has a member `mlarchive` that the tool's importer passes over: where the object came from, its
ids, and what is needed to find it again.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlarchive import __version__, fsops
from mlarchive.registries.jsondocuments import Table

MEMBER = "mlarchive"
PACKAGE_VERSION = "1.2.0"
"""The version of the tool whose layout is written."""


def mark_of(document: Table) -> Table:
    """What mlarchive added to a document."""
    return document.table(MEMBER)


def is_carrier(document: Table) -> bool:
    """Whether a run was made only to hold the files of a version."""
    return mark_of(document).members.get("carrier") is True


def envelope(
    script: str,
    stated: Mapping[str, Any],
    *,
    info: Mapping[str, Any] | None = None,
    mark: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A document as the tool's script of that name writes it."""
    system = {
        "package_version": PACKAGE_VERSION,
        "script": script,
        "written_by": f"mlarchive {__version__}",
    }
    document: dict[str, Any] = {"system": system}
    if info is not None:
        document["info"] = info
    return {**document, "mlflow": stated, MEMBER: mark or {}}


def encoded(document: Mapping[str, Any]) -> bytes:
    """A document's bytes."""
    return (json.dumps(document, indent=2) + "\n").encode()


def save(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document; it appears whole or not at all, and nothing happens if it is there.

    Raises:
        MlarchiveError: As the system says.
    """
    raw = encoded(document)
    if path.is_file() and path.read_bytes() == raw:
        return
    with fsops.atomic_file(path) as file:
        file.write(raw)
