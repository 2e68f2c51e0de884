"""Files that the layout has no place for: they lie among a run's artifacts (clause 3.3)."""

import re
from typing import Any

from mlarchive.package import extract
from mlarchive.package.checkpoints import owner_name
from mlarchive.records import File, LoggedModel, ModelVersion, Run
from mlarchive.registries.base import Action, Verb
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.notebooks import FOLDER
from mlarchive.registries.mlflowexport.layout import ARTIFACTS
from mlarchive.registries.mlflowexport.work import Work

CARRIER = "carrier"
"""The key of a run that is made to hold the files of a version that no run has made."""

_PLAIN_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")


def choose_folders(work: Work, run: Run, mark: dict[str, Any]) -> None:
    """Choose a folder among a run's artifacts for each record whose files go there."""
    placed = dict(mark.get("placed", {}))
    files = {FOLDER, *(file.path.partition("/")[0].casefold() for file in run.files)}
    for record in work.snapshot.records:
        if not isinstance(record, LoggedModel | ModelVersion) or _host(record, work) != run.key:
            continue
        wanted = record.name if isinstance(record, LoggedModel) else "model"
        origin = marks.origin_of(record, work.snapshot)
        if origin not in placed:
            taken = files | {name.casefold() for name in placed.values()}
            placed[origin] = _free(wanted if _PLAIN_NAME.fullmatch(wanted) else "model", taken)
    if placed:
        mark["placed"] = placed


def plan_placed(work: Work, key: str, record: LoggedModel | ModelVersion) -> None:
    """Plan that files of another record lie among a run's artifacts, as MLflow 2 had them.

    Args:
        work: Gets the step.
        key: The run's record.
        record: Whose files they are.
    """
    mark, run_folder = work.marks[key], work.runs[key]
    origin = marks.origin_of(record, work.snapshot)
    name = mark["placed"][origin]
    streams = [s for s in work.snapshot.streams_of(record.key) if isinstance(s.entry, File)]
    target = run_folder / ARTIFACTS / name
    present = target.is_dir()

    def do() -> None:
        if not present:
            work.sent += extract(streams, target)

    if streams:
        verb: Verb = "keep" if present else "create"
        work.add(Action(verb=verb, what=f"{ARTIFACTS}/{name} of run {run_folder.name}"), do)
        why = f"its files lie among the artifacts of run {run_folder.name}, in {name}/"
        work.change(owner_name(record), "files", why)


def _host(record: LoggedModel | ModelVersion, work: Work) -> str:
    """The run whose artifacts take the files of a record; "" if it has none of its own."""
    if isinstance(record, ModelVersion):
        return (record.run or CARRIER) if record.files or not record.root else ""
    subject = work.snapshot.record(work.snapshot.subject)
    made_for = subject.run if isinstance(subject, ModelVersion) else ""
    return record.run or made_for or CARRIER


def _free(wanted: str, taken: set[str]) -> str:
    number, name = 1, wanted
    while name.casefold() in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name
