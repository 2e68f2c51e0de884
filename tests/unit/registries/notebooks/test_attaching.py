"""Attaching a notebook by hand: to the run behind a version, and each once."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mlarchive.errors import NotFoundError, UsageError
from mlarchive.records import ModelVersion, Notebook, Run
from mlarchive.registries.notebooks.attaching import attached
from mlarchive.snapshot import Snapshot
from tests.support import snapshots


@pytest.fixture
def train(tmp_path: Path) -> Path:
    path = tmp_path / "train.ipynb"
    path.write_bytes(b"{}")
    return path


def notebooks(snapshot: Snapshot) -> list[Notebook]:
    return [record for record in snapshot.records if isinstance(record, Notebook)]


def test_a_notebook_of_a_version_is_one_of_its_run(train: Path) -> None:
    (found,) = notebooks(attached(snapshots.model_version(), [train]))
    runs = [one.key for one in snapshots.model_version().records if isinstance(one, Run)]
    assert [found.record] == runs


def test_a_version_without_a_run_has_its_notebook_itself(train: Path) -> None:
    snapshot = snapshots.model_version()
    subject = snapshot.record(snapshot.subject)
    assert isinstance(subject, ModelVersion)
    alone = msgspec.structs.replace(subject, run="")
    others = tuple(one for one in snapshot.records if one.key != subject.key)
    (found,) = notebooks(attached(replace(snapshot, records=(alone, *others)), [train]))
    assert found.record == subject.key


def test_a_notebook_is_attached_once_however_often_it_is_named(train: Path, tmp_path: Path) -> None:
    once = attached(snapshots.model_version(), [train, train])
    assert len(notebooks(once)) == 1
    assert attached(once, [train]) is once
    other = tmp_path / "other" / "train.ipynb"
    other.parent.mkdir()
    other.write_bytes(b"[]")
    assert len(notebooks(attached(once, [other]))) == 2


def test_what_is_no_notebook_and_what_is_not_there_is_said(tmp_path: Path) -> None:
    for name in ("weights.bin", "con.py", "train"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(UsageError, match="no notebook"):
            attached(snapshots.model_version(), [tmp_path / name])
    with pytest.raises(NotFoundError):
        attached(snapshots.model_version(), [tmp_path / "gone.py"])
