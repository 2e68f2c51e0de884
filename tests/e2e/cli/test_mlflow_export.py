"""Exports of mlflow-export-import at the command line."""

from pathlib import Path

import pytest

from tests.support.command import within
from tests.support.exports import ALL, FIRST, PARENT, SECOND


def test_an_export_is_listed(tmp_path: Path) -> None:
    done = within("ls", f"mlflow-export:{ALL}#models", cwd=tmp_path)
    assert done.status == 0
    assert [line.split()[0] for line in done.out.splitlines()] == ["models/wine/1", "models/wine/2"]


def test_a_whole_export_is_copied_once_and_its_lacks_make_the_status_3(tmp_path: Path) -> None:
    first = within("copy", f"mlflow-export:{ALL}", "mlflow-export:out", cwd=tmp_path)
    assert first.status == 3
    for run in (FIRST, SECOND, PARENT):
        assert f"loss: run {run}: dataset inputs: the export has no place for them" in first.err
    again = within("copy", f"mlflow-export:{ALL}", "mlflow-export:out", cwd=tmp_path)
    *lines, count = again.out.splitlines()
    assert lines == [
        f"mlflow-export:out#runs/{PARENT}: nothing to do",
        "mlflow-export:out#models/wine/1: nothing to do",
        "mlflow-export:out#models/wine/2: nothing to do",
    ]
    assert count.startswith("1/1 runs, 2/2 model versions in ")
    # What mlarchive wrote has a place for them, and lacks nothing.
    back = within("pack", "mlflow-export:out", "-o", "vault", cwd=tmp_path)
    assert (back.status, back.err) == (0, "")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--stage", "Archived"), ["models/wine/1"]),
        (("--alias", "champion"), ["models/wine/2"]),
        (
            ("--experiment", "wine", "--tag", "purpose=tests"),
            [f"runs/{PARENT}"],
        ),
        (("--until", "2020-01-01"), []),
    ],
)
def test_of_an_export_is_taken_what_is_asked_for(
    tmp_path: Path, options: tuple[str, ...], expected: list[str]
) -> None:
    words = ("copy", f"mlflow-export:{ALL}", "mlflow-export:out", "--dry-run", "--json")
    done = within(*words, *options, cwd=tmp_path)
    found = [one["address"].partition("#")[2] for one in done.documents if "plan" in one]
    assert (found, done.status == 11) == (expected, not expected)


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    words = ("copy", f"mlflow-export:{ALL}#models/wine/1", "mlflow-export:out", "--dry-run")
    done = within(*words, cwd=tmp_path)
    assert "would create models/wine/1" in done.out
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_export_is_one_sentence(tmp_path: Path) -> None:
    done = within("ls", "mlflow-export:.", cwd=tmp_path)
    assert done.status == 11
    assert "is no export of mlflow-export-import" in done.err
    assert "Traceback" not in done.err
