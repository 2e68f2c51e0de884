"""A server is asked for little: full batches, nothing twice, and everything is read back once."""

import time
from collections import Counter
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as ModelStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from mlarchive.pack import pack_file
from mlarchive.records import Address
from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow import MlflowRegistry
from tests.support.command import within
from tests.support.mlflow_server import MlflowServer, running_server
from tests.support.mlflow_server import asked as lines_of

pytestmark = pytest.mark.mlflow

KEYS, POINTS, FILES = 3, 1000, 4
DAY = 86_400_000


def asked(server: MlflowServer, after: int) -> Counter[str]:
    """The requests that a server got since its log had so many; files count as one kind."""
    found: Counter[str] = Counter()
    for line in lines_of(server)[after:]:
        method, _, path = line.partition(" ")
        kind = "a file" if "artifacts/artifacts/" in path else path.partition("?")[0]
        found[f"{method} {kind.rpartition('mlflow/')[2]}"] += 1
    return found


def logged(client: MlflowClient, experiment: str, folder: Path) -> str:
    """A run with histories and files."""
    run: str = client.create_run(experiment).info.run_id
    for key in range(KEYS):
        points = [Metric(f"m{key}", step / 7, 1_700_000_000_000, step) for step in range(POINTS)]
        client.log_batch(run, points, [Param(f"p{key}", "0.1")], [])
    client.log_artifacts(run, str(folder))
    client.set_terminated(run)
    return run


@pytest.fixture(scope="module")
def runs(source_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two runs alike in one experiment."""
    folder = tmp_path_factory.mktemp("files")
    for number in range(FILES):
        (folder / f"{number}.txt").write_text(f"{number}\n" * 40)
    client = MlflowClient(source_server.uri, source_server.uri)
    experiment = client.create_experiment("few requests")
    return [logged(client, experiment, folder) for _ in range(2)]


def test_a_run_takes_full_batches_and_each_of_its_parts_is_read_back_once(
    source_server: MlflowServer, target_server: MlflowServer, runs: list[str], tmp_path: Path
) -> None:
    first, second = runs
    copied = ("copy", f"{source_server.locator}#runs/{first}", target_server.locator)
    assert within(*copied, cwd=tmp_path).status == 0

    before = len(lines_of(target_server))
    copied = ("copy", f"{source_server.locator}#runs/{second}", target_server.locator)
    assert within(*copied, cwd=tmp_path).status == 0
    found = asked(target_server, before)

    assert found["PUT a file"] == found["GET a file"] == FILES
    assert found["GET metrics/get-history"] == KEYS
    full = KEYS * POINTS // 1000
    # Params and tags, and the marks: of the run when it is whole, of the copy at the very end.
    assert found["POST runs/log-batch"] <= full + 3
    assert found.total() <= full + 3 + KEYS + 2 * FILES + 11, found


def test_a_run_that_is_read_costs_five_requests_beside_its_histories_and_files(
    source_server: MlflowServer, runs: list[str], tmp_path: Path
) -> None:
    with MlflowRegistry.open(source_server.uri) as registry:
        before = len(lines_of(source_server))
        snapshot = registry.read(Address(origin=registry.origin, kind="runs", name=runs[0]))
        pack_file(snapshot, tmp_path / "run.mlpkg", packed_at=0)
        found = asked(source_server, before)
    assert (found["GET metrics/get-history"], found["GET a file"]) == (KEYS, FILES)
    assert found.total() == KEYS + FILES + 5, found


def test_a_copy_again_asks_for_no_history_and_no_file(
    source_server: MlflowServer, target_server: MlflowServer, runs: list[str], tmp_path: Path
) -> None:
    copied = ("copy", f"{source_server.locator}#runs/{runs[0]}", target_server.locator)
    assert within(*copied, cwd=tmp_path).status == 0
    before = len(lines_of(target_server))
    assert within(*copied, cwd=tmp_path).status == 0
    found = asked(target_server, before)
    assert not found["GET metrics/get-history"]
    assert not found["GET a file"]
    assert not found["POST runs/log-batch"]


def test_long_params_and_tags_in_other_letters_fit_into_the_batches(
    source_server: MlflowServer, target_server: MlflowServer, tmp_path: Path
) -> None:
    client = MlflowClient(source_server.uri, source_server.uri)
    run = client.create_run(client.create_experiment("long words")).info.run_id
    for number in range(100):
        client.log_batch(
            run,
            params=[Param(f"p{number}", f"{number}" + "ü" * 5900)],
            tags=[RunTag(f"t{number}", f"{number}" + "ü" * 7900)],
        )
    client.set_terminated(run)
    copied = ("copy", f"{source_server.locator}#runs/{run}", target_server.locator)
    done = within(*copied, cwd=tmp_path)
    assert done.status == 0, done.err
    there = MlflowClient(target_server.uri, target_server.uri)
    (experiment,) = there.search_experiments(filter_string="name = 'long words'")
    (found,) = there.search_runs([experiment.experiment_id])
    assert found.data.params == client.get_run(run).data.params
    assert {name: value for name, value in found.data.tags.items() if name.startswith("t")} == {
        f"t{number}": f"{number}" + "ü" * 7900 for number in range(100)
    }


def fill(server: MlflowServer, first: int, count: int, ended: int) -> None:
    """Ended runs and models with one version each, straight into a server's database."""
    tracking = SqlAlchemyStore(server.database, "mlflow-artifacts:/")
    models = ModelStore(server.database)
    experiment = tracking.create_experiment(f"looked at {first}")
    for number in range(first, first + count):
        run = tracking.create_run(experiment, "", number, [], f"run {number}").info
        tracking.update_run_info(run.run_id, RunStatus.FINISHED, ended, None)
        models.create_registered_model(f"model {number}")
        source = f"{run.artifact_uri}/model"
        models.create_model_version(f"model {number}", source, run.run_id)


def test_a_look_costs_pages_of_searches_and_one_listing_of_each_run_that_ended_lately(
    tmp_path: Path,
) -> None:
    now = time.time_ns() // 1_000_000
    with running_server(tmp_path / "server") as server:
        found = []
        for first, count, ended in ((0, 5, now), (5, 30, now - 8 * DAY)):
            fill(server, first, count, ended)
            before = len(lines_of(server))
            with MlflowRegistry.open(server.uri) as registry:
                seen = [ref.address.kind for ref in registry.changes(Selector())]
            assert seen.count("models") == first + count
            found.append(asked(server, before))
        few, more = found
        listings = "GET /api/2.0/mlflow-artifacts/artifacts"
        assert (few.pop(listings), more.pop(listings)) == (5, 5)
        # The second experiment is searched too, for traces, scorers, datasets and queues.
        assert more.total() <= few.total() + 6, more - few
        assert few.total() <= 45, few

        client = MlflowClient(server.uri, server.uri)
        client.create_registered_model("logged")
        for _ in range(3):
            made = client.create_logged_model("1", "model")
            client.create_model_version(
                "logged",
                f"models:/{made.model_id}",
                model_id=made.model_id,
                await_creation_for=0,
            )
        before = len(lines_of(server))
        with MlflowRegistry.open(server.uri) as registry:
            assert any(ref.address.name == "logged" for ref in registry.changes(Selector()))
        logged = {what for what in asked(server, before) if "logged-models" in what}
        assert logged == {"POST logged-models/search"}
