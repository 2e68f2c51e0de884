"""Finds the notebooks in the code that a job was submitted with (`spec/notebooks.md`, 8).

A job names its code as a version of a code asset, whose files lie in a datastore; the service calls
that a snapshot. What the classic client kept, only its own service gives out.
"""

import re
from functools import partial
from pathlib import PurePosixPath
from unicodedata import normalize

from mlarchive.errors import AccessError, NotFoundError, UnsupportedError
from mlarchive.package.paths import refusal
from mlarchive.records import Native, Notebook
from mlarchive.registries.azureml.assets import Asset, ControlPlane
from mlarchive.registries.azureml.storage import Storage
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.listed import Listed
from mlarchive.registries.notebooks.records import format_of, key_of, notebook_stream
from mlarchive.registries.notebooks.wanted import Wanted
from mlarchive.registries.redaction import without_credentials

_CODE = re.compile(r"(?:.*/codes/|azureml:)(?P<name>[^/:]+)(?:/versions/|:)(?P<version>[^/:]+)")
_CLASSIC = "ContentSnapshotId"


def gather_code_notebooks(  # noqa: PLR0913  (two ways to ask, whose, which, and where to)
    control: ControlPlane,
    storage: Storage,
    job: Asset,
    gathering: Gathering,
    *,
    owner: str,
    wanted: Wanted,
) -> None:
    """Gather the notebooks of a job's snapshot, in the formats that are wanted.

    Args:
        control: Where the job is.
        storage: Where its code is.
        job: As the service has it.
        gathering: Gets them, or why they cannot be had.
        owner: Key of its run.
        wanted: In which formats.
    """
    code, classic = job.text("codeId"), job.texts("properties").get(_CLASSIC, "")
    if not (code or classic):
        return
    what = f"job {job.name}"
    if not wanted.formats:
        why = "its snapshot may hold notebooks, and --notebook-formats does not ask for them"
        gathering.change(what, "code", why)
        return
    match = _CODE.fullmatch(code)
    if match is None:
        why = f"the snapshot {code or classic} is one that only Azure ML's classic client can read"
        gathering.lose(what, "code", why)
        return
    name, version = match["name"], match["version"]
    try:
        uri = control.version("codes", name, version).text("codeUri")
        folder = storage.folder("codes", name, version, uri)
        listed = sorted(folder.files(), key=lambda entry: entry.path)
    except (AccessError, NotFoundError, UnsupportedError) as error:
        gathering.lose(what, "code", f"its snapshot cannot be read: {error.message}")
        return
    for entry in listed:
        form = format_of(entry.path)
        if form not in wanted.formats:
            continue
        file = normalize("NFC", PurePosixPath(entry.path).name)
        if problem := _problem(entry, file):
            gathering.lose(what, f"notebook {entry.path}", problem)
            continue
        record = Notebook(
            key=key_of(owner, code, entry.path),
            native=Native(location=without_credentials(uri)),
            record=owner,
            formats={form: file},
            source="azureml",
            path=entry.path,
            revision=f"{name}:{version}",
        )
        gathering.records.append(record)
        opening = partial(folder.open, entry.path)
        gathering.streams.append(notebook_stream(record.key, file, entry.size, opening))


def _problem(entry: Listed, name: str) -> str:
    refused = refusal(name)
    return entry.problem or (f"its name {refused}, so no package holds it" if refused else "")
