"""Exports of Neptune on the command line, where neither neptune nor setuptools can be imported."""

from pathlib import Path

import pytest

from tests.support.command import Done, within
from tests.support.neptune_exports import NEW_YORK_EXPORT, UTC_EXPORT
from tests.support.neptune_offline import LOGS, STORE

OBJECT = "#models/MOD-CHURN/1"
NEVER = "raise AssertionError('{} was imported')\n"


@pytest.fixture
def without_neptune(tmp_path: Path) -> dict[str, str]:
    """A path on which whatever Neptune's client needs fails at once."""
    folder = tmp_path / "never"
    folder.mkdir()
    for name in ("neptune", "neptune_scale", "setuptools", "pkg_resources", "bravado"):
        (folder / f"{name}.py").write_text(NEVER.format(name))
    return {"PYTHONPATH": str(folder)}


def test_an_export_is_packed_without_neptune_and_says_what_is_lost(
    tmp_path: Path, without_neptune: dict[str, str]
) -> None:
    done = within(
        "pack", f"neptune-export:{UTC_EXPORT}", "-o", "vault", cwd=tmp_path, env=without_neptune
    )
    assert done.status == 3, done.err
    assert len(done.out.splitlines()) == 5
    assert "loss: run MOD-1: sys/state: the exporter never writes it" in done.err
    again = within(
        "pack", f"neptune-export:{UTC_EXPORT}", "-o", "vault", cwd=tmp_path, env=without_neptune
    )
    assert again.out.count("nothing to do") == 5


def test_what_clients_left_is_packed_without_neptune(
    tmp_path: Path, without_neptune: dict[str, str]
) -> None:
    for place, option, status in ((LOGS, LOGS, 3), (STORE, STORE, 0)):
        done = within(
            "pack",
            f"neptune-offline:{place}",
            "-o",
            f"{place.name}.mlpkg",
            "--files-root",
            option,
            cwd=tmp_path,
            env=without_neptune,
        )
        assert done.status == status, done.err
        listed = within("ls", f"{place.name}.mlpkg", "--files", cwd=tmp_path)
        assert "w.bin" in listed.out
    untold = within("pack", f"neptune-offline:{STORE}", "-o", "untold.mlpkg", cwd=tmp_path)
    assert untold.status == 3
    assert "say with --files-root" in untold.err


def packed(cwd: Path, export: Path, *options: str) -> Done:
    name = f"{export.name}.mlpkg"
    done = within("pack", f"neptune-export:{export}{OBJECT}", "-o", name, *options, cwd=cwd)
    assert done.status == 3, done.err
    return done


def test_the_zone_of_the_export_is_an_option_or_a_variable(tmp_path: Path) -> None:
    zone = "America/New_York"
    packed(tmp_path, UTC_EXPORT)
    packed(tmp_path, NEW_YORK_EXPORT, "--export-timezone", zone)
    shown = [
        within("metrics", f"{one.name}.mlpkg", "--csv", "-", cwd=tmp_path)
        for one in (UTC_EXPORT, NEW_YORK_EXPORT)
    ]
    assert shown[0].out == shown[1].out
    assert "metrics/frac,,0.5,1700000000373,1.0\n" in shown[0].out
    env = {"MLARCHIVE_EXPORT_TIMEZONE": zone}
    told = within(
        "metrics", f"neptune-export:{NEW_YORK_EXPORT}{OBJECT}", "--csv", "-", cwd=tmp_path, env=env
    )
    assert (
        told.out.splitlines()[1:][0].split(",")[2:] == shown[0].out.splitlines()[1].split(",")[2:]
    )


def test_a_zone_that_there_is_not_is_refused(tmp_path: Path) -> None:
    done = within(
        "pack", f"neptune-export:{UTC_EXPORT}", "-o", "v", "--export-timezone", "Mars", cwd=tmp_path
    )
    assert (done.status, done.out) == (2, "")
    assert "'Mars' is no time zone" in done.err


def test_an_export_cannot_be_written_to(tmp_path: Path) -> None:
    done = within("copy", f"dir:{tmp_path}", "neptune-export:x", cwd=tmp_path)
    assert done.status == 19
    assert "can only be read" in done.err
