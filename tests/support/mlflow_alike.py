"""What a server holds, said so that a faithful copy says the same: by names, without ids it gave.

Marks, times and ids that each server assigns itself are left out; ids that name other objects are
replaced by what those are called.
"""

import json
from collections.abc import Callable
from typing import Any

from mlflow import MlflowClient

from tests.support.mlflow_others import seen_others
from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_whole import differences, seen

_KEPT = ("user_id", "status", "start_time", "end_time", "lifecycle_stage")
"""What of a run's info a server lets be told."""

_OWN = ("mlarchive.", "mlflow.user", "mlflow.log-model.history", "mlflow.modelVersions")

_REFERENCES = ("mlflow.sourceRun", "mlflow.modelId", "mlflow.assessment.sourceRunId")

Naming = Callable[[str], str]


def by_names(server: MlflowServer) -> dict[str, Any]:
    """Everything of a server."""
    client = MlflowClient(server.uri, server.uri)
    everything = seen(client)
    names = _names(client, everything)

    def named(value: str) -> str:
        return names.get(value, value)

    found: dict[str, Any] = {}
    for what, fields in everything.items():
        kind = what.partition(" ")[0]
        if kind == "experiment" and "mlarchive.carrier" not in fields.get("tags", {}):
            labels = _labels(fields.get("tags", {}), named)
            found[f"experiment {fields['name']}"] = (fields["lifecycle_stage"], labels)
        elif kind == "run":
            found[f"run {fields['info']['run_name']}"] = _run(fields, named)
        elif kind == "version":
            found[what] = (
                fields.get("description"),
                sorted(fields.get("aliases") or []),
                fields["current_stage"],
                _labels(fields.get("tags", {}), named),
                named(fields.get("run_id") or ""),
            )
        elif kind == "model":
            found[what] = (fields.get("description"), _labels(fields.get("tags", {}), named))
    return found | {what: _other(what, one, named) for what, one in seen_others(client).items()}


def unlike(one: MlflowServer, other: MlflowServer) -> list[str]:
    """What two servers hold otherwise, field by field."""
    here, there = (
        {what: {"is": json.loads(json.dumps(said))} for what, said in by_names(server).items()}
        for server in (one, other)
    )
    return list(differences(here, there))


def _names(client: MlflowClient, everything: dict[str, Any]) -> dict[str, str]:
    names = {}
    for what, fields in everything.items():
        kind, _, identity = what.partition(" ")
        if kind == "run":
            names[identity] = f"run {fields['info']['run_name']}"
        elif kind == "experiment":
            names[identity] = f"experiment {fields['name']}"
    everywhere = [one for one, name in names.items() if name.startswith("experiment ")]
    models = client.search_logged_models(everywhere)
    return names | {model.model_id: f"logged model {model.name}" for model in models}


def _run(fields: dict[str, Any], named: Naming) -> object:
    return (
        {part: fields["info"].get(part) for part in _KEPT},
        fields["data"].get("params"),
        _labels(fields["data"].get("tags", {}), named),
        {key: sorted(map(_point, points)) for key, points in fields["histories"].items()},
    )


def _point(point: dict[str, Any]) -> tuple[Any, ...]:
    return point.get("step"), point.get("timestamp"), str(point.get("value"))


def _other(what: str, one: Any, named: Naming) -> Any:  # noqa: ANN401  (as a client sees it)
    kind = what.partition(" ")[0]
    if kind == "prompt":
        tags = _labels(one["tags"], named)
        # Each id between commas names an experiment.
        linked = tags.pop("_mlflow_experiment_ids", "").strip(",").split(",")
        return one["description"], one["aliases"], tags, sorted(map(named, linked))
    if kind == "dataset":
        records = [
            {
                name: record.get(name)
                for name in ("inputs", "outputs", "expectations", "tags", "source")
            }
            for record in one["records"].values()
        ]
        return (
            _labels(one["itself"]["tags"], named),
            sorted(map(named, one["experiments"])),
            sorted(json.dumps(record, sort_keys=True) for record in records),
        )
    if kind == "scorer":
        return [(number, text) for _, number, text, _ in one]
    if kind == "webhook":
        return one[1:-1]
    return _trace(one, named)


def _trace(one: dict[str, Any], named: Naming) -> dict[str, Any]:
    place = one["trace_location"]["mlflow_experiment"]["experiment_id"]
    said: dict[str, Any] = json.loads(json.dumps({**one, "trace_location": named(place)}))
    said["tags"] = _labels(said["tags"], named)
    said["trace_metadata"] = _references(said["trace_metadata"], named)
    for assessment in said["assessments"]:
        assessment["metadata"] = _references(assessment.get("metadata") or {}, named)
    # A trace without previews and one with empty ones are the same to a client.
    for preview in ("request_preview", "response_preview"):
        said[preview] = said.get(preview) or ""
    return said


def _references(texts: dict[str, str], named: Naming) -> dict[str, str]:
    return {name: named(text) if name in _REFERENCES else text for name, text in texts.items()}


def _labels(tags: dict[str, str], named: Naming) -> dict[str, str]:
    """Tags without our marks and what a server lists itself; parents by their names."""
    return {
        name: named(value) if name == "mlflow.parentRunId" else value
        for name, value in tags.items()
        if not name.startswith(_OWN)
    }
