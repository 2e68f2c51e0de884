"""What a server holds beside runs and models: prompts, datasets, scorers, webhooks, traces."""

import json
from typing import TYPE_CHECKING, Any, cast

from tests.support.mlflow_seed import tracking
from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_traces import seed_traces
from tests.support.mlflow_whole import PLACES

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.model_registry.rest_store import RestStore as ModelStore
    from mlflow.store.tracking.rest_store import RestStore

RECORDS: list[dict[str, Any]] = [
    {"inputs": {"q": "plain"}},
    {"inputs": {"q": "ü", "n": [1, 1.5, None, {"deep": True}]}, "expectations": {"a": "b"}},
    {"inputs": {"q": "out"}, "outputs": ["not", "an object"], "tags": {"mlflow.user": "ada"}},
    {
        "inputs": {"q": "from a trace"},
        "source": {"source_type": "TRACE", "source_data": {"trace_id": "tr-1"}},
    },
]


def seed_others(server: MlflowServer) -> None:
    """Add some of each kind, and a trace of an experiment that is deleted."""
    from mlflow import MlflowClient

    client = MlflowClient(server.uri, server.uri)
    experiment = client.create_experiment("what others hang on")
    _seed_prompts(client, experiment)
    store = cast("RestStore", client._tracking_client.store)  # noqa: SLF001  (it says more than the client)
    dataset = store.create_dataset("golden", tags={"team": "ü"}, experiment_ids=[experiment])
    store.upsert_dataset_records(dataset.dataset_id, RECORDS)
    store.create_dataset("empty")
    for text in ("first", "second"):
        store.register_scorer(experiment, "judge", json.dumps({"instructions": text, "ü": 1}))
    _seed_webhooks(client)
    traced = seed_traces(server.uri, "whole")
    greeting = client.get_prompt_version("greeting", "1")
    with tracking(server.uri):
        client.link_prompt_versions_to_trace([greeting], traced.alone)
    seed_traces(server.uri, "deleted")
    client.delete_experiment(_experiment(client, "deleted traces"))


def _experiment(client: "MlflowClient", name: str) -> str:
    found = client.get_experiment_by_name(name)
    assert found is not None
    return str(found.experiment_id)


def _seed_prompts(client: "MlflowClient", experiment: str) -> None:
    tags = {"author": "ada", "_mlflow_experiment_ids": f",{experiment},"}
    client.create_prompt("greeting", description="Greets.", tags=tags)
    store = _registry(client)
    store.create_prompt_version("greeting", "Hello {{name}}\r\n", description="first")
    store.create_prompt_version(
        "greeting",
        [{"role": "user", "content": "{{q}}"}],
        tags={"team": "ü"},
        response_format={"type": "object"},
        model_config={"model_name": "small", "temperature": 0.5},
    )
    client.set_prompt_alias("greeting", "live", 1)
    client.create_prompt("without a version")


def _seed_webhooks(client: "MlflowClient") -> None:
    from mlflow.entities.webhook import WebhookEvent, WebhookStatus

    events = [WebhookEvent.from_str(name) for name in ("prompt.created", "model_version_tag.set")]
    store = _registry(client)
    store.create_webhook("hook", "https://127.0.0.1:9/hook", events, secret="not to be seen")  # noqa: S106
    store.create_webhook(
        *("idle", "https://127.0.0.1:9/idle", events[:1]),
        description="ü",
        status=WebhookStatus.DISABLED,
    )


def seen_others(client: "MlflowClient") -> dict[str, Any]:
    """All that a client can see of what is neither a run nor a model, by what it is called."""
    from mlflow.entities import ViewType

    from mlarchive.registries.mlflow.natives import plain

    store = cast("RestStore", client._tracking_client.store)  # noqa: SLF001
    registry = _registry(client)
    found: dict[str, Any] = {}
    for prompt in client.search_prompts():
        found[f"prompt {prompt.name}"] = plain(registry.get_registered_model(prompt.name))
        for one in client.search_prompt_versions(prompt.name):
            found[f"prompt {prompt.name} {one.version}"] = plain(
                registry.get_model_version(prompt.name, str(one.version))
            )
    for dataset in store.search_datasets():
        records, _ = store._load_dataset_records(dataset.dataset_id)  # noqa: SLF001
        found[f"dataset {dataset.name}"] = {
            "itself": _dataset(dataset),
            "experiments": store.get_dataset_experiment_ids(dataset.dataset_id),
            "records": {one.dataset_record_id: one.to_dict() for one in records},
        }
    experiments = [e.experiment_id for e in client.search_experiments(view_type=ViewType.ALL)]
    active = [e.experiment_id for e in client.search_experiments()]
    for experiment in active:
        for scorer in store.list_scorers(experiment):
            versions = store.list_scorer_versions(experiment, scorer.scorer_name)
            found[f"scorer {scorer.scorer_name}"] = [
                (one.scorer_id, one.scorer_version, one._serialized_scorer, one.creation_time)  # noqa: SLF001
                for one in versions
            ]
    # Read directly, the secrets could not be without the server's key.
    for hook in registry.list_webhooks() if client.tracking_uri.startswith("http") else ():
        times = (hook.creation_timestamp, hook.last_updated_timestamp)
        found[f"webhook {hook.name}"] = (
            *(hook.webhook_id, hook.url, sorted(map(str, hook.events))),
            *(hook.description, str(hook.status), times),
        )
    for trace in store.search_traces(locations=experiments, max_results=500)[0]:
        found[f"trace {trace.trace_id}"] = _trace(client, trace.trace_id, trace.to_dict())
    return found


def _dataset(dataset: Any) -> dict[str, Any]:  # noqa: ANN401  (mlflow's)
    # Its other members ask the default server.
    names = ("dataset_id", "name", "tags", "schema", "profile", "digest", "created_time")
    return {
        name: getattr(dataset, name)
        for name in (*names, "last_update_time", "created_by", "last_updated_by")
    }


def _trace(client: "MlflowClient", trace_id: str, info: dict[str, Any]) -> dict[str, Any]:
    """A trace without the tags that say where its server keeps what.

    JSON in attributes of spans is what it says, and of a trace they say nothing.
    """
    tags = {name: value for name, value in info["tags"].items() if name not in PLACES}
    with tracking(client.tracking_uri):
        spans = client.get_trace(trace_id).data.spans if info["state"] != "IN_PROGRESS" else []
    said = [span.to_dict() for span in spans]
    for one in said:
        one.pop("trace_id")
        one["attributes"] = {name: json.loads(text) for name, text in one["attributes"].items()}
    assessed = sorted(info.get("assessments", []), key=lambda one: str(one["assessment_id"]))
    spans_text = json.dumps(said, sort_keys=True)
    return {**info, "tags": tags, "assessments": assessed, "spans": spans_text}


def _registry(client: "MlflowClient") -> "ModelStore":
    return cast("ModelStore", client._get_registry_client().store)  # noqa: SLF001
