"""`mlarchived check` names each thing that cannot be used, and only those."""

import socket
from pathlib import Path

import pytest

from tests.support.mirroring import Workbench

WITHOUT_DOWN = ('[registries.down]\nlocator = "mlflow+http://127.0.0.1:9"\n', "")


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path)
    bench.put("ale", "ale 1")
    return bench


def test_what_can_be_used_is_said_to_be_and_nothing_is_created(bench: Workbench) -> None:
    bench.configure(WITHOUT_DOWN)
    before = sorted(bench.folder.rglob("*"))
    answer = bench.run("check")
    assert answer.status == 0
    assert "all can be used" in answer.out
    assert sorted(bench.folder.rglob("*")) == before


def test_a_folder_that_is_to_hold_more_than_one_object_is_warned_of(bench: Workbench) -> None:
    one = ('"vault:target"', '"dir:target"')
    bench.configure(WITHOUT_DOWN, one)
    answer = bench.run("check")
    assert answer.status == 0
    assert "it holds one object" in answer.out
    bench.configure(WITHOUT_DOWN, one, ("src#folders/*", "src#folders/ale/1"))
    assert "it holds one object" not in bench.run("check").out


def test_a_vault_that_is_not_there_is_said_to_be_made(bench: Workbench) -> None:
    bench.configure(WITHOUT_DOWN, mirror='vault = "vault"\n')
    assert "it is not there and will be made" in bench.run("check").out
    (bench.folder / "vault").mkdir()
    assert "will be made" not in bench.run("check").out


def test_the_registry_that_does_not_answer_is_named(bench: Workbench) -> None:
    bench.configure(('targets = ["dr"]', 'targets = ["dr", "down"]'))
    answer = bench.run("check", "--json")
    assert answer.status == 12
    wrong = {event["name"]: event for event in answer.events if event["error"]}
    assert set(wrong) == {"down"}
    assert "127.0.0.1:9" in wrong["down"]["error"]


def test_a_source_without_the_object_is_named(bench: Workbench) -> None:
    bench.configure(WITHOUT_DOWN, ("src#folders/*", "src#folders/nothing"))
    answer = bench.run("check")
    assert answer.status == 11
    assert "source   src (" in answer.out


def test_a_folder_that_cannot_be_is_named(bench: Workbench) -> None:
    (bench.folder / "file").write_text("in the way")
    bench.configure(WITHOUT_DOWN, mirror='vault = "file/vault"\n')
    answer = bench.run("check")
    assert answer.status == 15
    assert f"{bench.folder / 'file'} is not a folder" in answer.out


def test_different_faults_have_an_exit_status_of_their_own(bench: Workbench) -> None:
    bench.configure(
        ("src#folders/*", "src#folders/nothing"), ('targets = ["dr"]', 'targets = ["down"]')
    )
    assert bench.run("check").status == 22


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('listen = "127.0.0.1:99999"', "monitoring.listen"),
        ('heartbeat = "ftp://x/T0K3N"', "monitoring.heartbeat"),
        ('webhooks = ["https://x/y", "T0K3N"]', "monitoring.webhooks[2]"),
        ('webhooks = ["file:hook"]', "monitoring.webhooks[1]"),
        ('webhooks = ["http://x:99999/T0K3N"]', "monitoring.webhooks[1]"),
    ],
)
def test_what_can_be_no_address_is_refused_by_every_command(
    bench: Workbench, line: str, key: str
) -> None:
    bench.configure(WITHOUT_DOWN, mirror=f"[monitoring]\n{line}\n")
    for verb in ("check", "status"):
        answer = bench.run(verb)
        assert answer.status == 10
        assert f"mirror.toml, line 13: {key}: " in answer.err
        assert "T0K3N" not in answer.err


def test_addresses_of_monitoring_are_looked_for(bench: Workbench) -> None:
    hook = bench.folder / "hook"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        text = f'[monitoring]\nlisten = "{listen}"\nwebhooks = ["file:{hook}"]\n'
        bench.configure(WITHOUT_DOWN, mirror=f'{text}heartbeat = "credential:x"\n')
        wrong = {e["thing"]: e for e in bench.run("check", "--json").events if e["error"]}
        assert wrong.keys() == {"listen", "webhook"}
        assert wrong["listen"]["exit_status"] == 15
        assert f"cannot listen on {listen}" in wrong["listen"]["error"]
        assert wrong["webhook"]["exit_status"] == 10
        assert "line 14: monitoring.webhooks[1]: cannot read" in wrong["webhook"]["error"]
    hook.write_text("https://chat.example/T0K3N\n")
    answer = bench.run("check")
    assert answer.status == 0
    assert "systemd gives it to the service alone" in answer.out
    assert "T0K3N" not in answer.out
