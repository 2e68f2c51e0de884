"""Writes experiments and runs into an export (clauses 3.1 and 3.2)."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from mlarchive.errors import ConflictError
from mlarchive.package import canonical, extract
from mlarchive.package.fields import references, rekeyed
from mlarchive.package.keys import in_part
from mlarchive.records import AnyRecord, File, Notebook, Run
from mlarchive.registries.base import Action, Verb
from mlarchive.registries.jsondocuments import read_document
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflowexport.layout import ARTIFACTS, RUN, part
from mlarchive.registries.mlflowexport.placed import choose_folders
from mlarchive.registries.mlflowexport.placing import (
    copy_run,
    document_if_there,
    is_copied,
    plain_id,
)
from mlarchive.registries.mlflowexport.rundocument import run_document, series_of
from mlarchive.registries.mlflowexport.work import Work
from mlarchive.registries.mlflowexport.writing_experiment import (
    children_waiting,
    is_listed,
    list_run,
)
from mlarchive.registries.mlflowexport.writing_notebooks import (
    add_notebooks,
    choose_notebooks,
    folder_of,
)
from mlarchive.registries.mlflowexport.written import MEMBER, encoded, mark_of, save
from mlarchive.registries.tree import file_stream
from mlarchive.snapshot import Stream


def plan_run(work: Work, run: Run, experiment: Mapping[str, Any], *, carrier: bool = False) -> str:
    """Plan a run's folder; returns the id that it has in the export.

    Raises:
        ConflictError: The export has another run of that id.
    """
    origin = marks.origin_of(run, work.snapshot)
    run_id = plain_id(run.native.id, origin)
    folder = work.place.run(experiment["experiment_id"], run_id)
    parent = _parent(work, run, experiment["experiment_id"])
    mark = {
        "origin": origin,
        "record": marks.record_digest(run),
        "state": _state_digest(run),
        "parent": run.native.also.get("parent", ""),
        "linked": parent,
        **({"carrier": True} if carrier else {}),
        **(work.ids if run.key == work.snapshot.subject else {}),
    }
    present = document_if_there(folder / RUN)
    known = dict(mark_of(present).members) if present else {}
    if known and known.get("record") != mark["record"]:
        raise ConflictError(
            f"{folder} is another run, or the same with more in it",
            hint="name a folder that does not exist yet",
        )
    mark = {**known, **mark, "origin": known.get("origin", origin)}
    choose_folders(work, run, mark)
    notebooks = choose_notebooks(work, run, mark)
    if known:
        _require_files(folder, run)
    same = mark == known and is_listed(work, experiment["experiment_id"], run_id)
    series = series_of(work, run)
    verb: Verb = "keep" if same else "update" if present else "create"
    if run_id != run.native.id:
        work.change(f"run {run.native.id}", "id", f"it is {run_id} in the export")
    work.runs[run.key] = folder
    work.marks[run.key] = mark
    _list_losses(work, run)

    def do() -> None:
        document = run_document(run, run_id, experiment, series, mark)
        if present:
            add_notebooks(work, folder, notebooks)
            save(folder / RUN, document)
        else:
            work.sent += _create(work, run, folder, encoded(document), notebooks)
        waits_for = "" if parent else run.native.also.get("parent", "")
        list_run(work, experiment, run_id, parent=waits_for)

    work.add(Action(verb=verb, what=f"run {run_id}"), do)
    return run_id


def plan_children(work: Work, run_id: str, experiment: Mapping[str, Any]) -> None:
    """Link the runs that waited for this one as their parent."""
    for child in children_waiting(work, experiment["experiment_id"], run_id):
        action = Action(verb="update", what=f"run {child}", why=f"its parent {run_id} is there now")
        work.add(action, partial(_link, work, child, run_id, experiment))


def _link(work: Work, child: str, parent: str, experiment: Mapping[str, Any]) -> None:
    """Link a run to its parent, wherever the run stands."""
    path = work.place.run(experiment["experiment_id"], child) / RUN
    document = read_document(path)
    stated, mark = part(document), mark_of(document)
    tags = dict(sorted({**stated.tags("tags"), MLFLOW_PARENT_RUN_ID: parent}.items()))
    inside = {**stated.members, "tags": tags}
    linked = {**mark.members, "linked": parent}
    save(path, {**document.members, "mlflow": inside, MEMBER: linked})
    for copy in work.place.copies(child):
        copy_run(path.parent, copy)
    list_run(work, experiment, child)


def plan_copies(work: Work, key: str) -> None:
    """Plan that a run is the same wherever it stands again."""
    folder = work.runs[key]

    def do() -> None:
        for copy in work.place.copies(folder.name):
            copy_run(folder, copy)

    stale = [copy for copy in work.place.copies(folder.name) if not is_copied(folder, copy)]
    changed = bool(stale) or any(action.verb != "keep" for action, _ in work.steps)
    if any(True for _ in work.place.copies(folder.name)):
        work.add(Action(verb="update" if changed else "keep", what=f"copies of {folder.name}"), do)


def _require_files(folder: Path, run: Run) -> None:
    """Refuse to build on a run whose files were taken away or changed.

    Raises:
        ConflictError: One is not there with its size.
    """
    for file in run.files:
        path = folder / ARTIFACTS / file.path
        if not path.is_file() or path.stat().st_size != file.size:
            raise ConflictError(
                f"{path} is not what was written there",
                hint=f"remove {folder}, then run the same command again",
            )


def _create(
    work: Work, run: Run, folder: Path, document: bytes, notebooks: Sequence[Notebook]
) -> int:
    streams = [file_stream(RUN, document)]
    streams.extend(
        _moved(stream, stream.entry, ARTIFACTS)
        for stream in work.snapshot.streams_of(run.key)
        if isinstance(stream.entry, File)
    )
    streams.extend(
        _moved(stream, stream.entry, folder_of(record))
        for record in notebooks
        for stream in work.snapshot.streams_of(record.key)
        if isinstance(stream.entry, File)
    )
    return extract(streams, folder)


def _moved(stream: Stream, file: File, below: str) -> Stream:
    """A file's stream under its path in the run's folder."""
    named = File(path=f"{below}/{file.path}", size=file.size, sha256=file.sha256)
    return Stream(owner=stream.owner, entry=named, open=stream.open, place=stream.place)


def _parent(work: Work, run: Run, experiment_id: str) -> str:
    """The parent's id if the export has it beside the run: the importer fails over others."""
    parent = run.native.also.get("parent", "")
    if not parent:
        return ""
    document = document_if_there(work.place.experiment(experiment_id))
    if document and parent in part(document).texts("runs"):
        return parent
    why = f"run {parent} is not in the export, and its importer fails over such a link"
    work.lose(f"run {run.native.id}", "parent", f"{why}; it is linked when that run is written too")
    return ""


def _list_losses(work: Work, run: Run) -> None:
    for model in run.model_inputs:
        why = "the layout has no place for logged models that went into a run"
        work.lose(f"run {run.native.id}", f"model input {model.model}", why)


def _state_digest(record: AnyRecord) -> str:
    blank = {key: "*" for _, key in references(record)} | {record.key: "*"}
    state = in_part(rekeyed(record, blank), "state")
    return hashlib.sha256(canonical.encode(state)).hexdigest()
