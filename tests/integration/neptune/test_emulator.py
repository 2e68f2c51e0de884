"""The real client and the emulator of its server understand each other."""

import time
from pathlib import Path

import neptune
import pytest
from neptune.exceptions import ProjectNotFound
from neptune.metadata_containers import Run

from tests.support.neptune.running import PROJECT, QUIET_RUN
from tests.support.neptune.seeding import IMAGES, STEPS, seed
from tests.support.neptune.server import Emulator, Fault


def test_what_the_client_logs_it_reads_again(emulator: Emulator, tmp_path: Path) -> None:
    seeded = seed(tmp_path)
    with neptune.init_model_version(with_id=seeded.version, mode="read-only") as version:
        assert version["params"].fetch() == {
            "lr": 0.1,
            "n": 3,
            "name": "gbm",
            "flag": True,
            "none": 1.5e-300,
        }
        assert version["sys/stage"].fetch() == "staging"
        assert version["classes"].fetch() == {"red", "white"}
        loss = version["metrics/loss"].fetch_values(progress_bar=False)
        assert list(loss.step) == [step * 0.5 for step in range(STEPS)]
        version["model/weights"].download(str(tmp_path / "out.bin"), progress_bar=False)
        assert (tmp_path / "out.bin").read_bytes() == seeded.weights
        (tmp_path / "images").mkdir()
        version["samples"].download(str(tmp_path / "images"), progress_bar=False)
        assert len(list((tmp_path / "images").iterdir())) == IMAGES
        assert {Path(one.file_path).name for one in version["data"].fetch_files_list()} == {
            "a.yml",
            "b.yml",
            ".hidden",
        }
    stored = emulator.store.object(f"{PROJECT}/{seeded.version}")
    assert stored.attributes["config"].files == seeded.members
    assert emulator.counts["fileAtomMultipartUploadPart"] == 2
    assert emulator.violations == []


def test_tables_are_queried_as_the_client_does(emulator: Emulator, tmp_path: Path) -> None:
    seeded = seed(tmp_path, weights=100)
    with neptune.init_project(mode="read-only") as project:
        models = project.fetch_models_table(columns=["sys/name"], progress_bar=False).to_pandas()
        assert list(models["sys/name"]) == ["the CHURN model"]
        found = project.fetch_runs_table(
            query='(`params/depth`:int > 6) AND (`sys/tags`:stringSet CONTAINS "nightly")',
            progress_bar=False,
        ).to_pandas()
        assert list(found["sys/id"]) == [seeded.run]
    with neptune.init_model(with_id=seeded.model, mode="read-only") as model:
        versions = model.fetch_model_versions_table(columns=["sys/stage"], progress_bar=False)
        assert list(versions.to_pandas()["sys/stage"]) == ["staging"]
    assert emulator.violations == []


def test_long_series_are_paged(emulator: Emulator) -> None:
    run = _run("long")
    with run:
        stored = emulator.store.object(f"{PROJECT}/{run['sys/id'].fetch()}")
        run["x"].extend([float(n) for n in range(5000)], timestamps=[1.7e9] * 5000)
        run.wait()
        values = run["x"].fetch_values(progress_bar=False)
    assert list(values.value) == [float(n) for n in range(5000)]
    assert len(stored.attributes["x"].points) == 5000
    assert emulator.counts["getFloatSeriesValues"] >= 5


def test_a_run_of_a_custom_id_is_resumed(emulator: Emulator) -> None:
    with _run("twice") as run:
        first = run["sys/id"].fetch()
    with _run("twice") as run:
        assert run["sys/id"].fetch() == first
    assert len([one for one in emulator.store.objects.values() if one.type == "run"]) == 1


def test_a_step_that_goes_back_is_refused(emulator: Emulator) -> None:
    with _run("steps") as run:
        run["x"].append(1.0, step=5)
        run["x"].append(2.0, step=5)
        run.wait()
        stored = emulator.store.object(f"{PROJECT}/{run['sys/id'].fetch()}")
    assert [point.step for point in stored.attributes["x"].points] == [5.0]


def test_faults_are_outlasted_by_the_client(emulator: Emulator) -> None:
    emulator.faults += [
        Fault(at=2, operation="executeOperations"),
        Fault(operation="getExperiment"),
    ]
    with _run("faults") as run:
        run["x"] = 1
        run.wait()
        number = run["sys/id"].fetch()
    with neptune.init_run(with_id=number, mode="read-only") as again:
        assert again["x"].fetch() == 1
    assert {request.status for request in emulator.log} >= {200, 503}
    assert emulator.faults == []


def test_an_expired_token_is_renewed_by_the_client(emulator: Emulator) -> None:
    emulator.token_seconds = 31
    with _run("token") as run:
        run["x"] = 1
        time.sleep(1.5)
        emulator.token_seconds = 3600
        run["y"] = 2
        run.wait()
        assert run["y"].fetch() == 2


def test_each_request_takes_as_long_as_it_is_told(emulator: Emulator) -> None:
    emulator.latency = 0.05
    begun = time.monotonic()
    with neptune.init_project(mode="read-only"):
        pass
    assert time.monotonic() - begun >= 0.05 * len(emulator.log)


def test_a_project_that_is_not_there_is_said(emulator: Emulator) -> None:
    with pytest.raises(ProjectNotFound):
        neptune.init_project("lab/none", mode="read-only")
    assert emulator.counts["listProjects"] >= 1


def _run(custom: str) -> Run:
    return neptune.init_run(custom_run_id=custom, **QUIET_RUN)
