"""`mlarchive copy` with several workers, from a live Neptune server."""

import os
from pathlib import Path

import pytest

from tests.support.command import Done, within
from tests.support.neptune.comparing import missing
from tests.support.neptune.filling import fill
from tests.support.neptune.running import PROJECT
from tests.support.neptune.server import Emulator
from tests.support.neptune.service import Asked
from tests.support.neptune.store import RefusedError

CLIENT = {
    "NEPTUNE_API_TOKEN",
    "NEPTUNE_PROJECT",
    "OAUTHLIB_INSECURE_TRANSPORT",
}
MODELS = ("neptune:#registered-models/*", "neptune:#models/*")


def copy(folder: Path, *arguments: str) -> Done:
    known = {name: value for name, value in os.environ.items() if name in CLIENT}
    return within("copy", *arguments, cwd=folder, env=known)


@pytest.fixture(autouse=True)
def filled(emulator: Emulator) -> None:
    fill(emulator.store, PROJECT, models=6, versions=1, size=12 << 20)


def test_twenty_workers_lose_nothing_and_a_second_time_writes_nothing(
    emulator: Emulator, tmp_path: Path
) -> None:
    ran = copy(tmp_path, "--workers", "20", *MODELS, "neptune:")
    assert (ran.status, ran.err) == (0, "")
    assert missing(emulator.store, PROJECT) == {}
    emulator.log.clear()
    again = copy(tmp_path, "--workers", "20", *MODELS, "neptune:")
    assert again.out.count("nothing to do") == 12
    assert "executeOperations" not in emulator.counts
    assert emulator.violations == []


def test_what_is_missing_would_be_found(emulator: Emulator, tmp_path: Path) -> None:
    assert missing(emulator.store, PROJECT) == {"no run": 12}
    copy(tmp_path, "neptune:#models/MOD-M0/1", "neptune:")
    assert missing(emulator.store, PROJECT) == {"no run": 11}
    (run,) = (one for one in emulator.store.objects.values() if one.type == "run")
    run.attributes["metrics/loss"].points.pop()
    del run.attributes["cfg/files"].files[".hidden"]
    run.attributes["samples"].points[3].step += 1
    del run.attributes["model/LICENSE"]
    assert missing(emulator.store, PROJECT) == {
        "no run": 11,
        "floatSeries: number of points": 1,
        "hidden files": 1,
        "imageSeries: steps": 1,
        "file not there": 1,
    }


def test_a_filter_chooses_what_is_copied(emulator: Emulator, tmp_path: Path) -> None:
    ran = copy(tmp_path, "--workers", "2", "neptune:#models/*-M3", "neptune:")
    assert ran.status == 0
    assert missing(emulator.store, PROJECT) == {"no run": 11}


def test_a_stage_is_a_tag_if_asked(emulator: Emulator, tmp_path: Path) -> None:
    ran = copy(tmp_path, "--stage-as", "tag", "neptune:#models/MOD-M1/1", "neptune:")
    assert ran.status == 0
    (run,) = (one for one in emulator.store.objects.values() if one.type == "run")
    assert run.attributes["sys/tags"].value == {"model_version", "production"}


def test_workers_fill_a_vault_too_one_after_another(tmp_path: Path) -> None:
    ran = copy(tmp_path, "--workers", "4", "neptune:#models/*", f"vault:{tmp_path / 'vault'}")
    assert ran.status == 0, ran.err
    assert len(list((tmp_path / "vault").rglob("*.mlpkg"))) == 6


def test_a_source_for_one_reader_refuses_workers(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_text("a")
    source = f"dir:{tmp_path / 'files'}"
    ran = copy(tmp_path, "--workers", "2", source, f"vault:{tmp_path / 'vault'}")
    assert ran.status == 19
    assert "one worker only" in ran.err


def test_no_workers_is_wrong_usage(tmp_path: Path) -> None:
    assert copy(tmp_path, "--workers", "0", *MODELS, "neptune:").status == 2
    assert copy(tmp_path, "--workers", "2", "--keep", "kept", *MODELS, "neptune:").status == 2


def test_an_object_for_which_the_server_always_fails_stands_in_no_others_way(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client reads NEPTUNE_RETRIES_TIMEOUT once, when it is imported.
    monkeypatch.setattr("neptune.common.backends.utils.retries_timeout", 1)
    bad = emulator.store.object(f"{PROJECT}/MOD-M2-1").id
    whole = emulator.service.answers["getExperimentAttributes"]

    def failing(asked: Asked) -> object:
        if asked["experimentId"] == bad:
            raise RefusedError(500, "out of order")
        return whole(asked)

    emulator.service.answers["getExperimentAttributes"] = failing
    ran = copy(tmp_path, "--workers", "3", *MODELS, "neptune:")
    assert ran.status == 21
    assert "#models/MOD-M2/1: " in ran.err
    assert "answers 500 Internal Server Error" in ran.err
    assert missing(emulator.store, PROJECT) == {"no run": 1}
