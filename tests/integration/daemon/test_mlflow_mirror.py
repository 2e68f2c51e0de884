"""`mlarchived` between two real MLflow servers: what arrives, what travels, what comes back."""

import json
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mlarchive.registries.mlflow import marks
from tests.support.command import within
from tests.support.mirroring import Answer, Workbench
from tests.support.mlflow_seed import Seeded, seed
from tests.support.mlflow_server import MlflowServer, running_server

pytestmark = pytest.mark.mlflow

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
    by_hand = within(
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
    bench: Workbench, source_server: MlflowServer, target_server: MlflowServer, model: Seeded
) -> None:
    from mlflow import MlflowClient

    def best() -> str:
        target = MlflowClient(target_server.uri, target_server.uri)
        return str(target.get_model_version_by_alias(model.name, "best").version)

    source = MlflowClient(source_server.uri, source_server.uri)
    source.set_registered_model_alias(model.name, "best", "3")
    assert bench.run("once", "--mirror", "there").status == 0
    run_id = source.create_run("0").info.run_id
    source.log_text(run_id, "half of it", "model/weights.txt")
    source.create_model_version(model.name, f"runs:/{run_id}/model", run_id)
    source.set_registered_model_alias(model.name, "best", "4")

    def standing() -> tuple[int, int]:
        lines = bench.run("status", "--json").events
        (line,) = (e for e in lines if e["event"] == "standing" and e["target"] == "dr")
        return line["behind"], line["objects"]

    waiting = bench.run("once", "--mirror", "there")
    assert waiting.status == 0
    assert "its run still logs" in waiting.out
    assert "it keeps the alias 'best' until version 4" in waiting.out
    assert best() == "3"
    assert standing() == (2, 4)

    source.log_text(run_id, "all of it", "model/weights.txt")
    source.set_terminated(run_id)
    # A copy into the source has begun, and is broken off.
    source.create_model_version(model.name, "s3://bucket/m", tags={marks.PLACEHOLDER: "true"})
    begun = bench.run("once", "--mirror", "there")
    assert begun.status == 0
    assert "a placeholder of a copy that goes on or was interrupted" in begun.out
    assert best() == "4"
    assert standing() == (1, 5)
    source.delete_model_version(model.name, "5")
    assert bench.run("once", "--mirror", "there").status == 0
    assert standing() == (0, 4)


def test_a_run_that_still_logs_is_taken_as_it_is_and_grows_if_so_told(
    source_server: MlflowServer, target_server: MlflowServer, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    source = MlflowClient(source_server.uri, source_server.uri)
    target = MlflowClient(target_server.uri, target_server.uri)
    run_id = source.create_run("0").info.run_id
    config = CONFIG.partition('[[mirror]]\nname = "back"')[0]
    config = config.replace("models/{model}", run := f"runs/{run_id}")
    config = config.format(prod=source_server.locator, dr=target_server.locator)
    (tmp_path / "mirror.toml").write_text(f'{config}logging = "snapshot"\n')
    bench = Workbench(tmp_path)

    def there() -> tuple[str, int]:
        where = f"tags.`{marks.ORIGIN}` = 'prod#{run}'"
        (found,) = target.search_runs(["0"], where)
        return found.info.status, len(target.get_metric_history(found.info.run_id, "loss"))

    def best() -> str:
        where = f"tags.`{marks.ORIGIN}` = 'prod#{run}'"
        (found,) = target.search_runs(["0"], where)
        kept = target.download_artifacts(found.info.run_id, "best.ckpt", str(tmp_path))
        return Path(kept).read_text()

    source.log_metric(run_id, "loss", 1.0, step=0)
    source.log_text(run_id, "first", "best.ckpt")
    assert bench.run("once").status in {0, 3}
    assert there() == ("RUNNING", 1)
    assert bench.run("once", "--json").events[-1]["outcomes"] == {"keep": 2}
    source.log_metric(run_id, "loss", 0.5, step=1)
    source.log_text(run_id, "half", "notes.txt")
    source.log_text(run_id, "better", "best.ckpt")
    assert bench.run("once").status in {0, 3}
    assert there() == ("RUNNING", 2)
    assert best() == "better"
    source.log_metric(run_id, "loss", 0.25, step=2)
    source.log_text(run_id, "the best", "best.ckpt")
    source.set_terminated(run_id)
    assert bench.run("once").status in {0, 3}
    assert there() == ("FINISHED", 3)
    assert best() == "the best"
    assert bench.run("once", "--json").events[-1]["outcomes"] == {"keep": 2}


def test_only_what_an_alias_names_goes_there_under_another_name(
    bench: Workbench, source_server: MlflowServer, target_server: MlflowServer, model: Seeded
) -> None:
    from mlflow import MlflowClient

    config = CONFIG.format(
        prod=source_server.locator, dr=target_server.locator, model=quote(model.name)
    ).partition('[[mirror]]\nname = "back"')[0]
    where = '[mirror.where]\naliases = ["clin*"]\n[mirror.rename]\n"wine *" = "vin {1}"\n'
    (bench.folder / "mirror.toml").write_text(config + where)
    source = MlflowClient(source_server.uri, source_server.uri)
    target = MlflowClient(target_server.uri, target_server.uri)
    called = f"vin {model.name.removeprefix('wine ')}"

    source.set_registered_model_alias(model.name, "clinic", "2")
    assert bench.run("once").status in {0, 3}
    assert [v.version for v in target.search_model_versions(f"name='{called}'")] == ["2"]
    assert target.search_model_versions(f"name='{model.name}'") == []

    source.set_registered_model_alias(model.name, "clinic", "3")
    assert bench.run("once").status in {0, 3}
    there = target.search_model_versions(f"name='{called}'")
    assert sorted(v.version for v in there) == ["2", "3"]
    assert target.get_model_version_by_alias(called, "clinic").version == "3"
    assert bench.run("once", "--json").events[-1]["outcomes"] == {"keep": 2, "leave": 4}

    source.set_registered_model_alias(model.name, "clinic", "2")
    assert bench.run("once").status in {0, 3}
    assert target.get_model_version_by_alias(called, "clinic").version == "2"
    assert bench.run("once", "--json").events[-1]["outcomes"] == {"keep": 2, "leave": 4}


def test_a_version_that_is_gone_is_marked_and_then_deleted_if_so_told(
    bench: Workbench, source_server: MlflowServer, target_server: MlflowServer, model: Seeded
) -> None:
    from mlflow import MlflowClient

    config = (bench.folder / "mirror.toml").read_text().partition('[[mirror]]\nname = "back"')[0]
    source = MlflowClient(source_server.uri, source_server.uri)
    target = MlflowClient(target_server.uri, target_server.uri)
    assert bench.run("once").status in {0, 3}
    source.delete_model_version(model.name, "2")
    told = '[mirror.deletions]\npolicy = "tombstone"\ngrace = "1s"\n'
    (bench.folder / "mirror.toml").write_text(config + told)

    assert bench.run("once").status in {0, 3}
    time.sleep(1.1)
    outcomes = [(e["outcome"], e["object"]) for e in ended(bench.run("once", "--json"))]
    assert [outcome for outcome, _ in outcomes] == ["marked"]
    assert outcomes[0][1].endswith("/2")
    assert "mlarchive.gone" in target.get_model_version(model.name, "2").tags
    assert bench.run("once", "--json").events[-1]["outcomes"] == {"keep": 6}

    (bench.folder / "mirror.toml").write_text(config + told.replace("tombstone", "delete"))
    target.set_registered_model_alias(model.name, "in-use", "2")
    spared = bench.run("once", "--json")
    assert spared.status == 23
    (event,) = ended(spared)
    assert (event["outcome"], event["object"]) == ("set-aside", outcomes[0][1])
    assert event["reason"].endswith("but people gave it labels at the target: alias 'in-use'")
    target.delete_registered_model_alias(model.name, "in-use")
    assert [e["outcome"] for e in ended(bench.run("once", "--json"))] == ["deleted"]
    there = target.search_model_versions(f"name='{model.name}'")
    assert sorted(version.version for version in there) == ["1", "3"]
    assert bench.run("once", "--json").events[-1]["outcomes"] == {"keep": 6}


def test_a_target_that_another_tool_filled_is_taken_over_and_nothing_is_copied(
    source_server: MlflowServer, model: Seeded, tmp_path: Path
) -> None:
    """Here the tool is the copy of a database and its files, taken before mlarchive came."""
    from mlflow import MlflowClient

    twin = tmp_path / "twin"
    twin.mkdir()
    with (
        sqlite3.connect(source_server.folder / "mlflow.db") as database,
        sqlite3.connect(twin / "mlflow.db") as copy,
    ):
        database.backup(copy)
    shutil.copytree(source_server.folder / "artifacts", twin / "artifacts", symlinks=True)
    with running_server(twin) as server:
        (tmp_path / "mirror.toml").write_text(
            CONFIG.format(prod=source_server.locator, dr=server.locator, model=quote(model.name))
        )
        bench = Workbench(tmp_path)
        client = MlflowClient(server.uri, server.uri)
        runs = {v.run_id for v in client.search_model_versions(f"name='{model.name}'")}
        first = bench.run("once", "--json", "--mirror", "there")
        assert first.status == 0, first.out + first.err
        arrived = [(e["outcome"], e["bytes"]) for e in ended(first) if e["target"] == "dr"]
        assert arrived == [("relabelled", 0)] * 3
        there = client.search_model_versions(f"name='{model.name}'")
        assert sorted(v.version for v in there) == ["1", "2", "3"]
        assert {v.run_id for v in there} == runs
        assert all(v.tags["mlarchive.origin"].startswith("prod#models/") for v in there)
        # Nothing goes back, and nothing is left to do.
        assert bench.run("once", "--json").events[-1]["outcomes"] == {"keep": 6, "leave": 3}
        before = (server.folder / "mlflow.db").read_bytes()
        shutil.rmtree(tmp_path / "state")
        again = bench.run("once", "--json", "--mirror", "there")
        at_target = [(e["outcome"], e["bytes"]) for e in ended(again) if e["target"] == "dr"]
        assert at_target == [("there", 0)] * 3
        assert (server.folder / "mlflow.db").read_bytes() == before


TWO_VAULTS = """\
[registries.new]
locator = "vault:new"
[registries.old]
locator = "vault:old"
[registries.dr]
locator = "{dr}"
[[mirror]]
name = "first"
source = "{first}#models/*"
targets = ["dr"]
[[mirror]]
name = "second"
source = "{second}#models/*"
targets = ["dr"]
"""


@pytest.mark.parametrize("first", ["old", "new"])
def test_of_two_vaults_of_one_server_the_first_has_its_way_and_nothing_flips(
    source_server: MlflowServer,
    target_server: MlflowServer,
    model: Seeded,
    tmp_path: Path,
    first: str,
) -> None:
    from mlflow import MlflowClient

    source = MlflowClient(source_server.uri, source_server.uri)
    target = MlflowClient(target_server.uri, target_server.uri)
    named = f"{source_server.locator}#models/{quote(model.name)}"
    source.set_registered_model_alias(model.name, "best", "1")
    source.set_model_version_tag(model.name, "1", "checked", "no")
    assert within("copy", named, "vault:old", cwd=tmp_path).status == 0
    source.set_registered_model_alias(model.name, "best", "2")
    source.set_model_version_tag(model.name, "1", "checked", "yes")
    assert within("copy", named, "vault:new", cwd=tmp_path).status == 0
    second = "new" if first == "old" else "old"
    config = TWO_VAULTS.format(dr=target_server.locator, first=first, second=second)
    (tmp_path / "mirror.toml").write_text(config)
    bench = Workbench(tmp_path)

    def held() -> tuple[str, str]:
        alias = target.get_model_version_by_alias(model.name, "best").version
        return str(alias), target.get_model_version(model.name, "1").tags["checked"]

    bench.run("once")
    bench.run("once")
    assert held() == (("1", "no") if first == "old" else ("2", "yes"))
    last = bench.run("once", "--json")
    assert last.status == 23
    outcomes = [(e["mirror"], e["outcome"]) for e in ended(last)]
    assert ("second", "set-aside") in outcomes
    assert not {"copied", "relabelled"} & {outcome for _, outcome in outcomes}
    assert "the mirror 'first', which comes first in the configuration, brings it" in last.out
