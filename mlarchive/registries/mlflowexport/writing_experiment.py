"""Writes experiments into an export, and the lists that the importer follows (clause 3.1)."""

from collections.abc import Mapping
from typing import Any

from mlarchive.records import Experiment
from mlarchive.registries.base import Action, Verb
from mlarchive.registries.jsondocuments import Table, read_document
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflowexport.layout import EXPERIMENTS, part
from mlarchive.registries.mlflowexport.placing import document_if_there, origin_in, plain_id
from mlarchive.registries.mlflowexport.work import Work
from mlarchive.registries.mlflowexport.written import envelope, mark_of, save


def plan_experiment(work: Work, experiment: Experiment) -> str:
    """Plan an experiment's document; returns the id that it has in the export."""
    origin = marks.origin_of(experiment, work.snapshot)
    experiment_id = plain_id(experiment.native.id, origin)
    if origin_in(work.place.experiment(experiment_id)) not in {"", origin}:
        experiment_id = plain_id("", origin)
    if experiment_id != experiment.native.id:
        work.change(f"experiment {experiment.name}", "id", f"it is {experiment_id} in the export")
    path = work.place.experiment(experiment_id)
    stated = {
        "experiment_id": experiment_id,
        "name": experiment.name,
        "artifact_location": experiment.native.location,
        "lifecycle_stage": experiment.lifecycle,
        "tags": dict(sorted(experiment.tags.items())),
        "creation_time": experiment.native.created,
        "last_update_time": experiment.native.updated,
    }
    present = document_if_there(path)
    runs = part(present).texts("runs") if present else []
    mark = mark_of(present) if present else None
    waiting = mark.tags("waiting") if mark else {}
    before = alone_in(mark) if mark else {}
    alone = before
    if work.snapshot.subject == experiment.key:
        alone = {"address": marks.origin_mark(work.snapshot.address), **work.ids}
    listed = experiment_id in work.place.experiment_ids()
    stays = present and part(present).table("experiment").members == stated
    same = stays and listed and alone == before
    verb: Verb = "keep" if same else "update" if present else "create"
    what = f"experiment {experiment.name}"

    def do() -> None:
        _save_experiment(work, stated, runs, {"origin": origin, "waiting": waiting, **alone})
        _list_experiments(work)

    work.add(Action(verb=verb, what=what), do)
    work.experiments[experiment.key] = stated
    return experiment_id


def alone_in(mark: Table) -> Mapping[str, str]:
    """What is remembered of an experiment that came by itself; of others nothing."""
    said = {name: mark.text(name) for name in ("address", "content_id", "state_id")}
    return said if said["address"] else {}


def list_run(work: Work, experiment: Mapping[str, Any], run_id: str, *, parent: str = "") -> None:
    """Add a run to its experiment's list.

    Args:
        work: Says where.
        experiment: What the document states of it.
        run_id: The run.
        parent: The parent that the run waits for; "" if for none.
    """
    present = read_document(work.place.experiment(experiment["experiment_id"]))
    mark = mark_of(present)
    waiting = {run: of for run, of in mark.tags("waiting").items() if run != run_id}
    if parent:
        waiting[run_id] = parent
    runs = list(dict.fromkeys([*part(present).texts("runs"), run_id]))
    new = {
        "origin": mark.text("origin"),
        "waiting": dict(sorted(waiting.items())),
        **alone_in(mark),
    }
    _save_experiment(work, experiment, runs, new)
    _list_experiments(work)


def is_listed(work: Work, experiment_id: str, run_id: str) -> bool:
    """Whether a run is in its experiment's list."""
    present = document_if_there(work.place.experiment(experiment_id))
    return present is not None and run_id in part(present).texts("runs")


def children_waiting(work: Work, experiment_id: str, parent: str) -> list[str]:
    """Runs of an experiment that wait for their parent."""
    present = document_if_there(work.place.experiment(experiment_id))
    waiting = mark_of(present).tags("waiting") if present else {}
    return [run for run, of in waiting.items() if of == parent]


def _save_experiment(
    work: Work, stated: Mapping[str, Any], runs: list[str], mark: Mapping[str, Any]
) -> None:
    document = envelope(
        "export_experiment.py",
        {"experiment": stated, "runs": runs},
        info={
            "num_total_runs": len(runs),
            "num_ok_runs": len(runs),
            "num_failed_runs": 0,
            "failed_runs": [],
        },
        mark=mark,
    )
    save(work.place.experiment(stated["experiment_id"]), document)


def _list_experiments(work: Work) -> None:
    """Write the list of experiments that the importer follows."""
    found: list[dict[str, Any]] = []
    for path in sorted(work.place.experiments.glob("*/experiment.json")):
        stated = part(read_document(path))
        runs = stated.texts("runs")
        found.append(
            {
                "id": path.parent.name,
                "name": stated.table("experiment").text("name"),
                "ok_runs": len(runs),
                "failed_runs": 0,
            }
        )
    total = sum(item["ok_runs"] for item in found)
    info = {"experiments": len(found), "total_runs": total, "ok_runs": total, "failed_runs": 0}
    document = envelope("export_experiments.py", {"experiments": found}, info=info)
    save(work.place.experiments / EXPERIMENTS, document)
