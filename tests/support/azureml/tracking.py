"""The MLflow endpoint of a workspace: a real MLflow server behind it, with what Azure ML has of it.

Azure ML knows experiments, runs, metrics, parameters and tags; what MLflow 3 added is 404. A run is
a job too. Who made it, where its files are and which run is its root says the service.
"""

import io
import json
import re
from urllib.parse import urlsplit

from tests.support.azureml import jobs
from tests.support.azureml.answers import RefusedError, invalid
from tests.support.azureml.calls import Call
from tests.support.azureml.forwarding import Forwarded, Upstream
from tests.support.azureml.management import place_at
from tests.support.azureml.tokens import Tokens
from tests.support.azureml.world import Json, Place, World

ROOT = "/mlflow/v"

_PATH = re.compile(r"/mlflow/v[12]\.0(/subscriptions/.+?)(/api/2\.0/mlflow/(\w+/[\w-]+))")
_EXPERIMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_MADE, _EXPERIMENT_MADE = "runs/create", "experiments/create"
_KNOWN = {
    *("experiments/get", "experiments/get-by-name", "experiments/search", _EXPERIMENT_MADE),
    *("experiments/delete", "experiments/restore", "experiments/set-experiment-tag"),
    *("runs/get", "runs/search", "runs/update", "runs/delete", "runs/restore", _MADE),
    *("runs/log-metric", "runs/log-parameter", "runs/log-batch", "runs/set-tag", "runs/delete-tag"),
    *("metrics/get-history", "artifacts/list"),
}


def answer(call: Call, target: str, world: World, tokens: Tokens) -> Forwarded:
    """Hand a request to the server behind a workspace.

    Args:
        call: The request.
        target: Its path and query as they were sent.
        world: Where the workspace is.
        tokens: Who may.

    Raises:
        RefusedError: The token is not good, or Azure ML has no such endpoint.
    """
    match = _PATH.fullmatch(call.path)
    if not match or match[3] not in _KNOWN:
        raise RefusedError(404, "NotFound", f"{call.path} is not there.")
    with world.lock:
        bearer = tokens.bearer(call.headers, call.cloud, "management")
        place = place_at(match[1], call, world, bearer)
    if not place.tracking:
        raise RefusedError(404, "NotFound", f"{place.name} has no MLflow server in this test.")
    name = str(call.body.get("name", ""))
    if match[3] == _EXPERIMENT_MADE and not _EXPERIMENT.fullmatch(name):
        raise invalid(f"The experiment name '{name}' does not match {_EXPERIMENT.pattern}.")
    status, headers, raw = _upstream(call, target, match[2], place)
    who = bearer.principal.client_id
    body = _json(raw)
    with world.lock:
        for run in _runs(body):
            job = run["info"]["run_id"]
            if match[3] == _MADE:
                place.jobs[job] = jobs.logged(place, job, who)
            _as_the_service_says(run, place, who)
    raw = raw if body is None else json.dumps(body).encode()
    return Forwarded(status=status, headers=headers, length=len(raw), pieces=iter((raw,)))


def _upstream(
    call: Call, target: str, path: str, place: Place
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of the answer of the server behind a workspace."""
    query = urlsplit(target).query
    server = urlsplit(place.tracking)
    upstream = Upstream(server.port or 0, None)
    kept = {"authorization", "host", "accept-encoding"}
    headers = {name: value for name, value in call.headers.items() if name.lower() not in kept}
    answer = upstream.forward(
        call.method,
        path + (f"?{query}" if query else ""),
        {**headers, "Host": server.netloc},
        io.BytesIO(call.raw),
        len(call.raw),
    )
    raw = b"".join(answer.pieces)
    upstream.close()
    return answer.status, answer.headers, raw


def _as_the_service_says(run: Json, place: Place, who: str) -> None:
    """Put in what Azure ML says of a run by itself."""
    info, data = run["info"], run.setdefault("data", {})
    info["user_id"] = who
    info["artifact_uri"] = place.uri_of("workspaceartifactstore", f"dcid.{info['run_id']}")
    own = {"mlflow.rootRunId": info["run_id"], "mlflow.user": who}
    tags = [tag for tag in data.get("tags", []) if tag["key"] not in own]
    data["tags"] = [*tags, *({"key": key, "value": value} for key, value in own.items())]


def _json(raw: bytes) -> Json | None:
    """A body that is a JSON object; None if it is anything else."""
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _runs(body: Json | None) -> list[Json]:
    """The runs in an answer."""
    body = body or {}
    return [*([body["run"]] if "run" in body else []), *body.get("runs", [])]
