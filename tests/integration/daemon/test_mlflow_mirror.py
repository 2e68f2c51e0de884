"""`mlarchived` between two real MLflow servers: what arrives, what travels, what comes back."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.command import mlarchive
from tests.support.mirroring import Answer, Workbench
from tests.support.mlflow_seed import Seeded, seed
from tests.support.mlflow_server import MlflowServer

pytestmark = [pytest.mark.mlflow, pytest.mark.xdist_group("mlflow")]

CONFIG = """\
[registries.prod]
locator = "{prod}"
[registries.dr]
locator = "{dr}"
[[mirror]]
name = "there"
source = "prod#models/{model}"
vault = "vault"
targets = ["dr"]
[[mirror]]
name = "back"
source = "dr#models/{model}"
targets = ["prod"]
"""


@pytest.fixture
def model(source_server: MlflowServer, tmp_path: Path) -> Seeded:
    return seed(source_server.uri, f"wine {tmp_path.name}", tmp_path / "seed" / "files")


@pytest.fixture
def bench(
    source_server: MlflowServer, target_server: MlflowServer, model: Seeded, tmp_path: Path
) -> Workbench:
    (tmp_path / "mirror.toml").write_text(
        CONFIG.format(prod=source_server.locator, dr=target_server.locator, model=quote(model.name))
    )
    return Workbench(tmp_path)


def ended(answer: Answer) -> list[dict[str, Any]]:
    return [event for event in answer.events if event["event"] == "ended"]


def test_a_mirror_carries_labels_without_bytes_and_never_echoes(
    bench: Workbench, source_server: MlflowServer, target_server: MlflowServer, model: Seeded
) -> None:
    from mlflow import MlflowClient

    first = bench.run("once", "--json")
    assert first.status == 0, first.out + first.err
    outcomes = [(e["mirror"], e["target"], e["outcome"]) for e in ended(first)]
    assert outcomes.count(("there", "vault:", "packed")) == 3
    assert outcomes.count(("there", "dr", "copied")) == 3
    assert first.events[-1]["outcomes"]["leave"] == 3
    plan = [
        (e["verb"], e["reason"])
        for e in bench.run("plan", "--json").events
        if e["mirror"] == "back"
    ]
    assert plan == [("leave", "echo: came from this target")] * 3

    source = MlflowClient(source_server.uri, source_server.uri)
    target = MlflowClient(target_server.uri, target_server.uri)
    source.set_registered_model_alias(model.name, "champion", "3")
    second = bench.run("once", "--json", "--mirror", "there")
    moved = [(e["target"], e["outcome"], e["bytes"]) for e in ended(second) if e["target"] == "dr"]
    assert moved == [("dr", "relabelled", 0)] * 2
    assert target.get_model_version_by_alias(model.name, "champion").version == "3"

    third = bench.run("once", "--json")
    assert third.events[-1]["outcomes"] == {"keep": 6, "leave": 3}


def test_a_lost_ledger_and_vault_copy_nothing_to_the_target(
    bench: Workbench, target_server: MlflowServer, model: Seeded
) -> None:
    """The mirror's folder is a new one, so it knows nothing of what the target got before."""
    bench.run("once", "--mirror", "there")
    (bench.folder / "elsewhere").mkdir()
    lost = Workbench(bench.folder / "elsewhere")
    (lost.folder / "mirror.toml").write_text((bench.folder / "mirror.toml").read_text())
    before = _versions(target_server, model)
    answer = lost.run("once", "--json", "--mirror", "there")
    at_target = [event for event in ended(answer) if event["target"] == "dr"]
    assert [(e["outcome"], e["bytes"]) for e in at_target] == [("there", 0)] * 3
    assert _versions(target_server, model) == before


def test_what_was_copied_by_hand_before_is_taken_over_and_not_called_copied(
    bench: Workbench, source_server: MlflowServer, target_server: MlflowServer, model: Seeded
) -> None:
    """By hand the source goes by its locator; the mirror calls it by the name in its file."""
    by_hand = mlarchive(
        "copy",
        f"{source_server.locator}#models/{quote(model.name)}/1",
        target_server.locator,
        cwd=bench.folder,
    )
    assert by_hand.status == 0, by_hand.err
    version = f"prod#models/{quote(model.name)}/1"
    planned = bench.run("plan", "--json").events
    assert [e["reason"] for e in planned if (e["object"], e["target"]) == (version, "dr")] == [
        "not mirrored there yet"
    ]
    done = ended(bench.run("once", "--json", "--mirror", "there"))
    (event,) = (e for e in done if (e["object"], e["target"]) == (version, "dr"))
    assert (event["outcome"], event["bytes"]) == ("relabelled", 0)
    assert event["reason"] == "the target had the content already"


def test_a_version_that_was_deleted_at_the_target_is_noticed(
    bench: Workbench, target_server: MlflowServer, model: Seeded
) -> None:
    from mlflow import MlflowClient

    bench.run("once", "--mirror", "there")
    MlflowClient(target_server.uri, target_server.uri).delete_model_version(model.name, "3")
    plan = bench.run("plan", "--json")
    verbs = {(e["object"], e["verb"]) for e in plan.events if e["target"] == "dr"}
    assert (f"prod#models/{quote(model.name)}/3", "copy") in verbs
    assert (f"prod#models/{quote(model.name)}/2", "keep") in verbs


def test_a_number_that_the_target_cannot_give_again_is_said_and_harms_nothing_else(
    bench: Workbench, target_server: MlflowServer, model: Seeded
) -> None:
    from mlflow import MlflowClient

    bench.run("once", "--mirror", "there")
    MlflowClient(target_server.uri, target_server.uri).delete_model_version(model.name, "3")
    before = _versions(target_server, model)
    answer = bench.run("once", "--mirror", "there")
    assert answer.status == 14
    assert "/3 -> dr: version 3 of" in answer.out
    assert "5 up to date, 1 failed" in answer.out
    assert _versions(target_server, model) == before


def _versions(server: MlflowServer, model: Seeded) -> str:
    """All that a server says of a model's versions, as text to compare."""
    from mlflow import MlflowClient

    found = MlflowClient(server.uri, server.uri).search_model_versions(f"name = '{model.name}'")
    return json.dumps(sorted(str(dict(version)) for version in found))


def test_a_version_whose_run_still_logs_is_counted_as_missing_and_comes_when_it_ends(
    bench: Workbench, source_server: MlflowServer, model: Seeded
) -> None:
    from mlflow import MlflowClient

    source = MlflowClient(source_server.uri, source_server.uri)
    assert bench.run("once", "--mirror", "there").status == 0
    run_id = source.create_run("0").info.run_id
    source.log_text(run_id, "half of it", "model/weights.txt")
    source.create_model_version(model.name, f"runs:/{run_id}/model", run_id)

    def standing() -> tuple[int, int]:
        lines = bench.run("status", "--json").events
        (line,) = (e for e in lines if e["event"] == "standing" and e["target"] == "dr")
        return line["behind"], line["objects"]

    waiting = bench.run("once", "--mirror", "there")
    assert waiting.status == 0
    assert "its run still logs" in waiting.out
    assert standing() == (1, 4)

    source.log_text(run_id, "all of it", "model/weights.txt")
    source.set_terminated(run_id)
    assert bench.run("once", "--mirror", "there").status == 0
    assert standing() == (0, 4)
