"""A token that expires in the middle of a copy: one sentence, its own exit status, and go on."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlarchive.registries.mlflow import marks
from tests.support.command import within
from tests.support.cutting_proxy import Cut, cutting_proxy
from tests.support.mlflow_seed import Seeded
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

ACCESS = 13
OLD = "old"


@pytest.mark.parametrize(("side", "at"), [("source", 40), ("target", 60)])
def test_a_token_that_expires_in_the_middle_ends_a_copy_and_a_new_one_finishes_it(  # noqa: PLR0913, PLR0917  (fixtures)
    side: str,
    at: int,
    source_server: MlflowServer,
    target_server: MlflowServer,
    wine: Seeded,
    tmp_path: Path,
) -> None:
    server = source_server if side == "source" else target_server
    cut = Cut(token=OLD)
    name = f"expired at the {side} {at}"
    with cutting_proxy(server.uri, cut) as uri:
        cut.seen, cut.expires = 0, at
        doors = {"source": source_server.uri, "target": target_server.uri, side: uri}
        source, target = (f"mlflow+{doors[one]}" for one in ("source", "target"))
        copied = ("copy", f"{source}#models/{wine.name}", target)
        told = (*copied, "--rename", name, "--to-experiment", name)
        first = within(*told, cwd=tmp_path, env={"MLFLOW_TRACKING_TOKEN": OLD})
        assert first.status == ACCESS, first.err
        (error,) = [one for one in first.err.splitlines() if one.startswith("error: ")]
        assert f"{uri} answers 401: " in error
        assert "<" not in error
        assert "hint: set MLFLOW_TRACKING_TOKEN, or " in first.err
        cut.expires = 0

        again = within(*told, cwd=tmp_path, env={"MLFLOW_TRACKING_TOKEN": cut.token})
    assert again.status == 0, again.err
    client = MlflowClient(target_server.uri, target_server.uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 2
    assert len(client.search_logged_models([experiment.experiment_id])) == 2
    versions = client.search_model_versions(f"name = '{name}'")
    assert [version.version for version in versions] == ["3", "2", "1"]
    assert all(marks.CONTENT_ID in version.tags for version in versions), "all of each is there"
