"""Writes the notebooks of runs: files first, then the mark that says what they are (clause 13)."""

from dataclasses import replace

import msgspec
from mlflow.entities import RunTag
from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

from mlarchive.records import File, Notebook, Run
from mlarchive.registries.mlflow.folders import artifact_folder
from mlarchive.registries.mlflow.notebooks import mark_of
from mlarchive.registries.mlflow.selecting import run_of
from mlarchive.registries.mlflow.uploading import fill
from mlarchive.registries.mlflow.work import Work, called
from mlarchive.registries.mlflow.writing_run import plan_revival
from mlarchive.snapshot import Stream


def plan_notebooks(work: Work) -> None:
    """Plan the notebooks of all runs that are written, where they are not there yet."""
    for record in work.snapshot.records:
        if isinstance(record, Notebook):
            owner = work.snapshot.by_key.get(record.record)
            if isinstance(owner, Run):
                _plan(work, owner, record)
            else:
                why = "MLflow keeps notebooks with runs, and none is carried that it made"
                work.lose(called(record), "all of it", why)


def _plan(work: Work, owner: Run, record: Notebook) -> None:
    what = called(record)
    mark = mark_of(record)
    text = mark.text
    if len(text) > MAX_TAG_VAL_LENGTH:
        work.lose(what, "all of it", f"what is told of it is longer than {MAX_TAG_VAL_LENGTH}")
        return
    work.change(what, "files", f"they are artifacts of its run, in {mark.folder}")
    run_id = work.ids.get(owner.key, "")
    there = run_of(work.connection, run_id) if run_id else None
    held = there.data.tags.get(mark.tag, "") if there else ""
    if held:
        if held != text:
            why = "the target got this revision before, with other bytes, which stay"
            work.change(what, "bytes", why)
        work.step("keep", what, "the same revision")
        return
    asleep = there is not None and there.info.lifecycle_stage == "deleted"
    if asleep and owner.key not in work.revived:
        plan_revival(work, owner, run_id)

    def do() -> None:
        run = run_of(work.connection, work.ids[owner.key])
        streams = [_placed(stream, mark.folder) for stream in work.snapshot.streams_of(record.key)]
        target = artifact_folder(work.connection, run.info.artifact_uri)
        fill(work, what, target, streams, settled=False)
        tag = RunTag(mark.tag, text)
        work.connection.tracking.set_tag(run.info.run_id, tag)

    work.step("update", what, f"of {called(owner)}", do)


def _placed(stream: Stream, folder: str) -> Stream:
    entry = stream.entry
    if not isinstance(entry, File):
        return stream
    return replace(stream, entry=msgspec.structs.replace(entry, path=f"{folder}/{entry.path}"))
