"""A whole server is one source: all that it has arrives, each once, and the second copy is idle."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow import MlflowRegistry
from tests.support.command import Done, mlarchive
from tests.support.mlflow_server import MlflowServer, running_server
from tests.support.mlflow_whole import seed_whole, seen

pytestmark = pytest.mark.mlflow

KEPT = ("user_id", "status", "start_time", "end_time", "lifecycle_stage")
"""What of a run's info a server lets be told."""


def test_all_of_a_server_arrives_at_another_once_and_from_a_vault_too(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("lab", "clinic", "branch", "files")]
    for place in places:
        place.mkdir()
    with (
        running_server(places[0]) as lab,
        running_server(places[1]) as clinic,
        running_server(places[2]) as branch,
    ):
        seed_whole(lab, places[3])
        _add_a_prompt(lab)

        first = mlarchive("copy", lab.locator, clinic.locator, "--json", cwd=tmp_path)
        assert first.status == 3, first.err
        assert _plain(lab) == _plain(clinic)
        _refuse_doubles(lab, first)
        again = mlarchive("copy", lab.locator, clinic.locator, "--json", cwd=tmp_path)
        assert _verbs(again) <= {"keep", "skip"}

        kept = mlarchive("pack", lab.locator, "-o", "vault", cwd=tmp_path)
        assert kept.status == 3, kept.err
        unpacked = mlarchive("copy", "vault:vault", branch.locator, "--json", cwd=tmp_path)
        assert unpacked.status == 3, unpacked.err
        assert _plain(lab) == _plain(branch)

        with MlflowRegistry.open(lab.uri) as registry:
            refs = sorted(str(ref.address) for ref in registry.changes(Selector()))
            whole = sorted(map(str, registry.everything()))
        asked = [one for one in whole if one.rpartition("/")[2] in {"accounts", "label-schemas"}]
        assert refs == whole, "a mirror takes what a copy takes"
        assert len(asked) == 2, "what is not asked for is said"


def _add_a_prompt(server: MlflowServer) -> None:
    client = MlflowClient(server.uri, server.uri)
    client.create_registered_model("alone")
    client.create_prompt("greeting")
    client.create_prompt_version("greeting", "Hello {{name}}")


def _verbs(done: Done) -> set[str]:
    actions = [action for one in done.receipts for action in one.get("actions", [])]
    assert len(done.receipts) > 10
    return {action["verb"] for action in actions}


def _refuse_doubles(lab: MlflowServer, done: Done) -> None:
    """Runs come by themselves only where no version brings them, or another run names them."""
    named = Counter(one["source"]["name"] for one in done.receipts)
    client = MlflowClient(lab.uri, lab.uri)
    versions = client.search_model_versions()
    assert versions
    assert not named.keys() & {version.run_id for version in versions}


def _plain(server: MlflowServer) -> dict[str, Any]:
    """What a server holds, by names that it does not give itself."""
    everything = seen(MlflowClient(server.uri, server.uri))
    runs = {k: v for k, v in everything.items() if k.startswith("run ")}
    names = {run["info"]["run_id"]: run["info"]["run_name"] for run in runs.values()}
    found: dict[str, Any] = {}
    for what, fields in everything.items():
        if what.startswith("experiment "):
            if "mlarchive.carrier" not in fields.get("tags", {}):
                found[f"experiment {fields['name']}"] = (
                    fields["lifecycle_stage"],
                    _labels(fields.get("tags", {}), {}),
                )
        elif what.startswith("run "):
            found[f"run {fields['info']['run_name']}"] = (
                {part: fields["info"].get(part) for part in KEPT},
                fields["data"].get("params"),
                _labels(fields["data"].get("tags", {}), names),
                {key: len(points) for key, points in fields["histories"].items()},
            )
        elif what.startswith("version "):
            found[what] = (
                fields.get("description"),
                sorted(fields.get("aliases") or []),
                fields["current_stage"],
                _labels(fields.get("tags", {}), {}),
                names.get(fields.get("run_id") or ""),
            )
        elif what.startswith("model "):
            found[what] = (fields.get("description"), _labels(fields.get("tags", {}), {}))
    return found


def _labels(tags: dict[str, str], names: dict[str, str]) -> dict[str, str]:
    """Tags without our marks and what a server lists itself; parents by their names."""
    ours = ("mlarchive.", "mlflow.user", "mlflow.log-model.history", "mlflow.modelVersions")
    return {
        name: names.get(value, value) if name == "mlflow.parentRunId" else value
        for name, value in tags.items()
        if not name.startswith(ours)
    }
