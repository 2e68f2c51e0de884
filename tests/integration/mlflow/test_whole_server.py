"""A whole server is one source: all that it has arrives, each once, and the second copy is idle."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow import MlflowRegistry
from tests.support.command import Done, within
from tests.support.mlflow_alike import unlike
from tests.support.mlflow_server import MlflowServer, running_server

pytestmark = pytest.mark.mlflow


def test_all_of_a_server_arrives_at_another_once_and_from_a_vault_too(
    filled: Path, tmp_path: Path
) -> None:
    places = [tmp_path / name for name in ("lab", "clinic", "branch")]
    shutil.copytree(filled, places[0])
    with (
        running_server(places[0]) as lab,
        running_server(places[1]) as clinic,
        running_server(places[2]) as branch,
    ):
        MlflowClient(lab.uri, lab.uri).create_registered_model("alone")

        first = within("copy", lab.locator, clinic.locator, "--json", cwd=tmp_path)
        assert first.status == 3, first.err
        assert unlike(lab, clinic) == []
        _refuse_doubles(lab, first)
        again = within("copy", lab.locator, clinic.locator, "--json", cwd=tmp_path)
        assert _verbs(again) <= {"keep", "skip"}

        kept = within("pack", lab.locator, "-o", "vault", cwd=tmp_path)
        assert kept.status == 3, kept.err
        unpacked = within("copy", "vault:vault", branch.locator, "--json", cwd=tmp_path)
        assert unpacked.status == 3, unpacked.err
        assert unlike(lab, branch) == []

        with MlflowRegistry.open(lab.uri) as registry:
            refs = sorted(str(ref.address) for ref in registry.changes(Selector()))
            whole = sorted(map(str, registry.everything()))
        asked = [one for one in whole if one.rpartition("/")[2] in {"accounts", "label-schemas"}]
        assert refs == whole, "a mirror takes what a copy takes"
        assert len(asked) == 2, "what is not asked for is said"


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
