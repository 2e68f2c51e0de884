"""The units start what there is, and accept what it says."""

import configparser
import subprocess
import sys
from pathlib import Path

from tests.support.errors_document import tree

SYSTEMD = Path(__file__).resolve().parents[3] / "systemd"


def unit(name: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    parsed.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have case
    parsed.read_string((SYSTEMD / name).read_text(encoding="utf-8"))
    return parsed


def test_the_unit_runs_a_command_that_the_daemon_knows() -> None:
    program, *words = unit("mlarchived-once.service")["Service"]["ExecStart"].split()
    assert Path(program).name == "mlarchived"
    asked = subprocess.run(
        [Path(sys.executable).with_name("mlarchived"), *words, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    assert "once" in asked.stdout


def test_losses_do_not_count_as_a_failed_unit_and_failures_do() -> None:
    accepted = unit("mlarchived-once.service")["Service"]["SuccessExitStatus"].split()
    assert accepted == ["3"]
    assert 3 not in {kind.exit_status for kind in tree()}


def test_the_timer_is_the_services_own() -> None:
    assert unit("mlarchived-once.timer")["Timer"]["Persistent"] == "true"
    assert (SYSTEMD / "mlarchived-once.service").exists()
