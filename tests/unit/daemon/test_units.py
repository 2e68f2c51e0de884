"""The units start what there is, accept what it says, and leave it nothing that is not needed."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlarchived.installing import install
from tests.support.errors_document import tree
from tests.support.mirroring import Workbench

ROOT = Path(__file__).resolve().parents[3]
SYSTEMD = ROOT / "systemd"
SERVICES = sorted(path.name for path in SYSTEMD.glob("*.service"))
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and not os.environ.get("CI"),
    reason="systemd is not installed",
)


def unit(name: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    parsed.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have case
    parsed.read_string((SYSTEMD / name).read_text(encoding="utf-8"))
    return parsed


def installed(root: Path, *, air_gap: bool = False) -> Path:
    """The folder of units below a root, with a program that is there."""
    program = Path("/bin/true")
    list(install(root, program, air_gap=air_gap, dry_run=False))
    return root / "etc" / "systemd" / "system"


def exposure(unit_file: Path) -> float:
    """How much systemd says that a unit is exposed, from 0 to 10."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", str(unit_file)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


@pytest.mark.parametrize("name", SERVICES)
def test_each_unit_runs_a_command_that_the_daemon_knows(name: str) -> None:
    program, *words = unit(name)["Service"]["ExecStart"].split()
    assert Path(program).name == "mlarchived"
    asked = subprocess.run(
        [Path(sys.executable).with_name("mlarchived"), *words, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    assert words[-1] in asked.stdout


def test_losses_do_not_count_as_a_failed_unit_and_failures_do() -> None:
    accepted = unit("mlarchived-once.service")["Service"]["SuccessExitStatus"].split()
    assert accepted == ["3"]
    assert 3 not in {kind.exit_status for kind in tree()}


def test_what_no_restart_mends_is_not_restarted() -> None:
    service = unit("mlarchived.service")["Service"]
    prevented = {int(word) for word in service["RestartPreventExitStatus"].split()}
    statuses = {kind.code: kind.exit_status for kind in tree()}
    assert prevented == {statuses["usage"], statuses["config"]}
    assert service["Restart"] == "on-failure"


@pytest.mark.parametrize("name", sorted(path.name for path in SYSTEMD.glob("*.timer")))
def test_each_timer_has_its_service_and_makes_up_for_missed_times(name: str) -> None:
    assert unit(name)["Timer"]["Persistent"] == "true"
    assert (SYSTEMD / name).with_suffix(".service").exists()


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_units_are_hardened(tmp_path: Path, name: str) -> None:
    assert exposure(installed(tmp_path) / name) <= 1.2


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_behind_an_air_gap_they_are_hardened_further(tmp_path: Path, name: str) -> None:
    assert exposure(installed(tmp_path, air_gap=True) / name) <= 0.5


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_systemd_finds_nothing_wrong_with_them(tmp_path: Path, name: str) -> None:
    folder = installed(tmp_path)
    name = name.replace("@", "@lab")
    if not (folder / name).exists():
        shutil.copy(folder / "mlarchived@.service", folder / name)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(folder / name)],
        capture_output=True,
        text=True,
        check=False,
        env={"SYSTEMD_UNIT_PATH": f"{folder}:"},
    )
    assert "mlarchived" not in done.stderr, done.stderr


def test_installing_again_changes_nothing_and_an_update_changes_what_is_ours(
    tmp_path: Path,
) -> None:
    bench = Workbench(tmp_path)
    words = ("install-units", "--root", str(tmp_path / "root"), "--program")
    first = bench.run(*words, "/opt/a/mlarchived")
    assert "new: " in first.out
    assert bench.run(*words, "/opt/a/mlarchived").out.count("same: ") == first.out.count("new: ")
    assert "changed: " in bench.run(*words, "/opt/b/mlarchived").out
    text = (tmp_path / "root/etc/systemd/system/mlarchived.service").read_text()
    assert "ExecStart=/opt/b/mlarchived --config /etc/mlarchived/mirror.toml run" in text
    assert (tmp_path / "root/etc/sysusers.d/mlarchived.conf").exists()
    assert not list(tmp_path.rglob("air-gap.conf"))


def test_behind_an_air_gap_each_service_has_no_network_and_that_is_not_taken_back_in_silence(
    tmp_path: Path,
) -> None:
    bench = Workbench(tmp_path)
    words = ("install-units", "--root", str(tmp_path / "root"), "--program", "/opt/a/mlarchived")
    assert "left" not in bench.run(*words).out
    bench.run(*words, "--air-gap")
    drop_ins = {path.parent.name for path in tmp_path.rglob("air-gap.conf")}
    assert drop_ins == {f"{name}.d" for name in SERVICES}
    assert bench.run(*words).out.count("left, and in force until you remove it: ") == len(SERVICES)
    left = [e for e in bench.run(*words, "--json").events if e["outcome"] == "left"]
    assert len(left) == len(SERVICES)
    assert "left" not in bench.run(*words, "--air-gap").out


def test_alert_rules_are_put_where_prometheus_may_read_them(tmp_path: Path) -> None:
    words = ("--root", str(tmp_path), "--program", "/opt/a/mlarchived")
    assert (
        "usr/local/share/mlarchived/alerts.yml"
        in Workbench(tmp_path).run("install-units", *words).out
    )
    spec = (ROOT / "spec" / "monitoring.md").read_text()
    (place,) = re.findall(r'rule_files: \["/(\S+)"\]', spec)
    rules = (tmp_path / place).read_text()
    jobs = re.findall(r'job="(\w+)"', rules)
    assert jobs == re.findall(r"job_name: (\w+)", spec)
    assert (tmp_path / place).stat().st_mode & 0o004


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    words = ("--root", str(tmp_path / "root"), "--program", "/opt/a/mlarchived", "--dry-run")
    assert "would be new: " in Workbench(tmp_path).run("install-units", *words).out
    assert not (tmp_path / "root").exists()


def test_files_of_others_are_not_replaced_nor_is_any_file_then(tmp_path: Path) -> None:
    theirs = tmp_path / "etc" / "systemd" / "system" / "mlarchived.service"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("[Service]\nExecStart=/bin/mine\n")
    words = ("--root", str(tmp_path), "--program", "/opt/a/mlarchived")
    answer = Workbench(tmp_path).run("install-units", *words)
    assert answer.status == 14
    assert theirs.read_text().endswith("/bin/mine\n")
    assert list(theirs.parent.iterdir()) == [theirs]


def test_a_program_that_the_units_would_hide_is_refused(tmp_path: Path) -> None:
    words = ("--root", str(tmp_path), "--program", "/home/me/venv/bin/mlarchived")
    answer = Workbench(tmp_path).run("install-units", *words)
    assert answer.status == 2
    assert "hide from the service" in answer.err
