"""Writes a registered model with its versions into an export (clauses 3.3 to 3.5)."""

from collections.abc import Mapping
from typing import Any

from mlarchive.records import (
    ModelVersion,
    RegisteredModel,
)
from mlarchive.registries.base import Action, Verb
from mlarchive.registries.jsondocuments import Table
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflowexport.carrying import plan_carrier
from mlarchive.registries.mlflowexport.layout import ARTIFACTS, MODELS, part
from mlarchive.registries.mlflowexport.numbering import Numbered, versions_in
from mlarchive.registries.mlflowexport.placing import (
    copy_run,
    document_if_there,
    is_copied,
)
from mlarchive.registries.mlflowexport.work import Work
from mlarchive.registries.mlflowexport.written import MEMBER, envelope, save

_STAGES = {"", "Staging", "Production", "Archived"}


def plan_version(work: Work, version: ModelVersion, at: Numbered) -> None:
    """Plan the version's files, the copy of its run beside the model, and its entry."""
    run_key = version.run or plan_carrier(work, version, at)
    folder = work.runs[run_key]
    path = _path(work, version, run_key)
    entry = _entry(work, version, at, run_key, path)
    copy = work.place.model(at.name).parent / folder.name
    what = f"models/{at.name}/{at.number}"

    def do() -> None:
        copy_run(folder, copy)
        _save_model(work, version, at, entry)

    present = versions_in(work, at.name).get(at.number)
    model = _model(work, version, at.name)
    document = document_if_there(work.place.model(at.name))
    stated = part(document).table("registered_model").members if document else {}
    aliases = _aliases(work, version, at)
    labels = {**model, "aliases": aliases}
    same = (
        present is not None
        and at.name in work.place.model_names()
        and present.members == entry
        and is_copied(folder, copy)
        and all(stated.get(name) == value for name, value in labels.items())
    )
    verb: Verb = "keep" if same else "update" if present else "create"
    work.add(Action(verb=verb, what=what), do)
    _list_losses(work, version, what)


def _path(work: Work, version: ModelVersion, run_key: str) -> str:
    """The folder among the run's artifacts that holds the version's files."""
    root = version.root
    if root and root.record == run_key:
        return root.path
    record = work.snapshot.record(root.record) if root else version
    name = str(
        work.marks[run_key].get("placed", {}).get(marks.origin_of(record, work.snapshot), "")
    )
    return f"{name}/{root.path}".rstrip("/") if root else name


def _entry(
    work: Work, version: ModelVersion, at: Numbered, run_key: str, path: str
) -> dict[str, Any]:
    folder = work.runs[run_key]
    stage = version.stage if version.stage in _STAGES else ""
    # The importer takes what follows the first "artifacts", so nothing before it may hold the word.
    return {
        "aliases": sorted(version.aliases),
        "creation_timestamp": version.native.created,
        "current_stage": stage or "None",
        "description": version.description,
        "last_updated_timestamp": version.native.updated,
        "name": at.name,
        "run_id": folder.name,
        "run_link": "",
        "source": f"{folder.name}/{ARTIFACTS}/{path}".rstrip("/"),
        "status": version.status or "READY",
        "status_message": None,
        "tags": dict(sorted(version.tags.items())),
        "user_id": version.native.user,
        "version": at.number,
        "_run_artifact_uri": f"{folder.name}/{ARTIFACTS}",
        "_experiment_name": _experiment_name(work, run_key),
        MEMBER: {"origin": marks.origin_mark(work.snapshot.address), **work.ids},
    }


def _experiment_name(work: Work, run_key: str) -> str:
    folder = work.runs[run_key].parent.name
    stated = [e for e in work.experiments.values() if e["experiment_id"] == folder]
    return str(stated[0]["name"])


def _model(work: Work, version: ModelVersion, name: str) -> dict[str, Any]:
    """What a model's document says of the model itself."""
    model = work.snapshot.by_key.get(version.registered_model)
    known = model if isinstance(model, RegisteredModel) else RegisteredModel(key="")
    return {
        "name": name,
        "creation_timestamp": known.native.created,
        "last_updated_timestamp": known.native.updated,
        "description": known.description,
        "tags": [{"key": key, "value": value} for key, value in sorted(known.tags.items())],
    }


def _aliases(work: Work, version: ModelVersion, at: Numbered) -> list[dict[str, str]]:
    """All aliases of the model, those of this version as its source has them."""
    document = document_if_there(work.place.model(at.name))
    model = part(document).table("registered_model") if document else Table({}, "")
    found = {
        item.text("alias"): item.text("version")
        for item in model.tables("aliases")
        if item.text("version") != at.number
    }
    found |= dict.fromkeys(version.aliases, at.number)
    return [{"alias": alias, "version": number} for alias, number in sorted(found.items())]


def _save_model(work: Work, version: ModelVersion, at: Numbered, entry: Mapping[str, Any]) -> None:
    moved = set(version.aliases)
    others = [
        {**table.members, "aliases": [a for a in table.texts("aliases") if a not in moved]}
        for number, table in versions_in(work, at.name).items()
        if number != at.number
    ]
    versions = sorted([*others, entry], key=_by_number)
    model = {
        **_model(work, version, at.name),
        "aliases": _aliases(work, version, at),
        "versions": versions,
    }
    info = {
        "num_target_stages": 0,
        "num_target_versions": 0,
        "num_src_versions": len(versions),
        "num_dst_versions": len(versions),
        "failed_versions": [],
    }
    save(
        work.place.model(at.name),
        envelope("export_model.py", {"registered_model": model}, info=info),
    )
    names = sorted({*work.place.model_names(), at.name})
    save_models(work, names)


def save_models(work: Work, names: list[str]) -> None:
    """Write the list of models that the importer follows."""
    info = {
        "model_names": names,
        "num_total_models": len(names),
        "num_ok_models": len(names),
        "num_failed_models": 0,
        "failed_models": [],
    }
    save(work.place.models / MODELS, envelope("export_models.py", {"models": names}, info=info))


def _by_number(entry: Mapping[str, Any]) -> tuple[int, str]:
    number = str(entry["version"])
    return (int(number) if number.isdecimal() else 0, number)


def _list_losses(work: Work, version: ModelVersion, what: str) -> None:
    if version.stage not in _STAGES:
        work.lose(what, "stage", f"the importer does not know the stage {version.stage!r}")
    if version.native.also.get("run_link"):
        work.change(what, "run link", "it leads to the source, and is left out")
