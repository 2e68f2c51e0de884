"""Sweeping takes what dead writers left, and nothing of anybody else."""

import os
from pathlib import Path

from mlarchive import fsops
from mlarchive.fsops import TEMPORARY_MARK


def test_a_temporary_of_another_machine_stays_for_a_week(tmp_path: Path) -> None:
    path = tmp_path / f".x{TEMPORARY_MARK}1-1-abcd-0123abcd"
    path.touch()
    assert fsops.remove_stale_temporaries(tmp_path) == []
    os.utime(path, (0, 0))
    assert fsops.remove_stale_temporaries(tmp_path) == [path]


def test_a_shallow_sweep_leaves_what_is_below(tmp_path: Path) -> None:
    here = tmp_path / f".x{TEMPORARY_MARK}999999999-1-abcd"
    below = tmp_path / "below" / here.name
    below.mkdir(parents=True)
    here.touch()
    assert fsops.remove_stale_temporaries(tmp_path, deep=False) == [here]
    assert below.exists()


def test_a_persons_file_with_the_mark_in_its_name_stays(tmp_path: Path) -> None:
    own = [tmp_path / f"x{TEMPORARY_MARK}1-1-abcd", tmp_path / f".x{TEMPORARY_MARK}keep"]
    for path in own:
        path.write_bytes(b"mine")
    assert fsops.remove_stale_temporaries(tmp_path) == []
    assert all(path.exists() for path in own)
