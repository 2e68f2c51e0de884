"""The command as a person and a program meet it: help, errors, exit statuses, no tracebacks."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlarchived.cli import main
from mlarchived.cli.command import VERBS
from tests.support.mirroring import Workbench

COMMAND = [sys.executable, "-m", "mlarchived.cli"]
CONFIGURED = [verb for verb in VERBS if verb != "install-units"]
"""The verbs that read a configuration."""


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path)
    bench.configure()
    bench.put("ale", "ale 1")
    return bench


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    example = capsys.readouterr().out.partition("example:")[2]
    assert f"mlarchived {verb}" in example
    assert "\nexit status: " in example


@pytest.mark.parametrize("arguments", [["--help"], ["config", "--schema"], ["status"]])
def test_light_verbs_do_not_import_registries_or_numpy(
    bench: Workbench, arguments: list[str]
) -> None:
    program = (
        "import sys, mlarchived.cli\n"
        "try:\n    mlarchived.cli.main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'mlflow', 'numpy', 'zstandard', 'azure', 'neptune'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=bench.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("verb", CONFIGURED)
def test_a_missing_configuration_is_one_sentence_and_a_hint(tmp_path: Path, verb: str) -> None:
    answer = Workbench(tmp_path).run(verb)
    assert answer.status == 10
    assert answer.err.startswith("error: there is no configuration file ")
    assert answer.err.splitlines()[1].startswith("hint: ")


@pytest.mark.parametrize("verb", CONFIGURED)
def test_an_unknown_key_is_named_with_file_line_and_nearest_key(
    bench: Workbench, verb: str
) -> None:
    bench.configure(("targets", "target"))
    answer = bench.run(verb)
    path = bench.folder / "mirror.toml"
    assert answer.status == 10
    assert answer.err.splitlines()[0] == (
        f"error: {path}, line 13: mirror[1].target: unknown key `target`; "
        "the nearest known key is `targets`"
    )


def test_a_program_gets_the_error_as_json_too(bench: Workbench) -> None:
    bench.configure(("targets", "target"))
    (event,) = bench.run("once", "--json").events
    assert event["event"] == "error"
    assert (event["error"]["code"], event["error"]["exit_status"]) == ("config", 10)
    assert event["error"]["retryable"] is False


def test_common_options_may_stand_before_or_after_the_verb(bench: Workbench) -> None:
    config = str(bench.folder / "mirror.toml")
    assert main(["config", "--config", config]) == 0
    assert bench.run("--json", "status").events == bench.run("status", "--json").events


@pytest.mark.parametrize(
    ("words", "says", "see"),
    [
        ([], "arguments are required: VERB", "mlarchived"),
        (["frobnicate"], "invalid choice: 'frobnicate'", "mlarchived"),
        (["once", "--mirror"], "argument --mirror: expected one argument", "mlarchived once"),
    ],
)
def test_wrong_usage_is_one_sentence_and_a_hint(
    words: list[str], says: str, see: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert says in error
    assert hint == f"hint: see `{see} --help`"
    assert main([*words, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_names_from_a_server_cannot_play_tricks_on_a_terminal(bench: Workbench) -> None:
    bench.put("evil\x1b[31m\nname", "x")
    bench.configure(('targets = ["dr"]', 'targets = ["folder"]'))
    answer = bench.run("once")
    assert "\x1b" not in answer.out + answer.err
    assert "evil" in answer.out


def test_a_reader_that_leaves_does_not_stop_the_work(bench: Workbench) -> None:
    with subprocess.Popen(
        [*COMMAND, "once"], cwd=bench.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""
    assert bench.held() == bench.held("source")


def test_a_full_disk_is_one_sentence_and_nothing_half_written(bench: Workbench) -> None:
    bench.put("big", os.urandom(200_000).hex())
    bench.run("status")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    done = subprocess.run(
        [*COMMAND, "once"],
        cwd=bench.folder,
        # Python puts a half-written .pyc in its place where files may not grow.
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 15
    assert "Traceback" not in done.stdout + done.stderr
    assert "no space left" in done.stdout
    assert {address.name for address in bench.held()} == {"ale"}
    assert not list(bench.folder.rglob("*.mlarchive-tmp-*"))


def test_a_second_process_is_told_that_the_mirror_is_busy(bench: Workbench) -> None:
    hold = (
        "import sys, time; from pathlib import Path; from mlarchived.ledger import Ledger\n"
        "with Ledger.open(Path('state')) as ledger, ledger.record('m'):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], cwd=bench.folder, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        holder.stdout.readline()
        answer = bench.run("once")
        holder.kill()
    assert answer.status == 20
    assert f"process {holder.pid}" in answer.err
    assert bench.run("once").status == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_finishes_its_step_and_goes_on_next_time(
    bench: Workbench, number: signal.Signals
) -> None:
    for name in ("beer", "cider", "gin", "port", "rum"):
        bench.put(name, name * 300_000)
    with subprocess.Popen(
        [*COMMAND, "once", "--json"], cwd=bench.folder, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(number)
        out = process.stdout.read()
        status = process.wait(60)
    assert status == 130
    assert '"code":"interrupted"' in out
    assert 0 < len(bench.held("source")) - len(bench.held()) <= 6
    assert not list(bench.folder.rglob("*.mlarchive-tmp-*"))
    assert bench.run("once").status == 0
    assert bench.held() == bench.held("source")
