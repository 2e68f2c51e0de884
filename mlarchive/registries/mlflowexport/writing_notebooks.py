"""Writes notebooks of runs as the tool has them: among the artifacts of their run (clause 3.8)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlarchive.package import extract
from mlarchive.records import File, Notebook, Run
from mlarchive.registries.mlflow.notebooks import FOLDER
from mlarchive.registries.mlflow.notebooks import mark_of as told_of
from mlarchive.registries.mlflow.work import called
from mlarchive.registries.mlflowexport.layout import ARTIFACTS
from mlarchive.registries.mlflowexport.work import Work

MEMBER = "notebooks"
"""What the mark of a run says of them: by their digits, what they are."""


def choose_notebooks(work: Work, run: Run, mark: dict[str, Any]) -> list[Notebook]:
    """Add the notebooks of a run to its mark.

    Args:
        work: Gets what they become, and what cannot be kept.
        run: The run.
        mark: Of the run, with what it said before.

    Returns:
        Those that are to be written.
    """
    told: dict[str, str] = dict(mark.get(MEMBER, {}))
    wanted = []
    for record in work.snapshot.records:
        if not isinstance(record, Notebook) or record.record != run.key:
            continue
        one = told_of(record)
        if FOLDER in mark.get("placed", {}).values():
            work.lose(called(record), "all of it", f"a logged model of its run lies in {FOLDER}/")
            continue
        work.change(called(record), "files", f"they are artifacts of its run, in {one.folder}")
        if one.name not in told:
            told[one.name] = one.text
            wanted.append(record)
        elif told[one.name] != one.text:
            why = "the export got this revision before, with other bytes, which stay"
            work.change(called(record), "bytes", why)
    if told:
        mark[MEMBER] = told
    return wanted


def list_alone(work: Work) -> None:
    """List the notebooks that no run which is written has made."""
    for record in work.snapshot.records:
        if isinstance(record, Notebook) and record.record not in work.runs:
            why = "the layout keeps notebooks with runs, and none is carried that it made"
            work.lose(called(record), "all of it", why)


def folder_of(record: Notebook) -> str:
    """Where a notebook's files are in the folder of its run."""
    return f"{ARTIFACTS}/{told_of(record).folder}"


def add_notebooks(work: Work, folder: Path, wanted: Sequence[Notebook]) -> None:
    """Put notebooks into the folder of a run that is there; each comes whole or not at all."""
    for record in wanted:
        target = folder / folder_of(record)
        if not target.is_dir():
            streams = work.snapshot.streams_of(record.key)
            work.sent += extract([one for one in streams if isinstance(one.entry, File)], target)
