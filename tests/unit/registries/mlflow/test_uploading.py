"""Which names a target will not hold is said of where its files will really be."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from mlflow.exceptions import MlflowException

from mlarchive.registries.mlflow.uploading import list_refused_names
from tests.support.snapshots import file

if TYPE_CHECKING:
    from mlarchive.registries.mlflow.work import Work

STREAMS = (file("run", "a%20b", b"x"), file("run", "a", b"x"))


class _Work:
    """What is asked of a target whose own experiment is somewhere."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.losses: list[tuple[str, str, str]] = []
        self.connection = SimpleNamespace(
            uri="http://127.0.0.1:1",
            served=True,
            folder="",
            creds=lambda uri: SimpleNamespace(host=uri),
        )

    def experiment(self, experiment_id: str) -> SimpleNamespace:
        if not self.location:
            raise MlflowException("there is none")
        assert experiment_id == "0"
        return SimpleNamespace(artifact_location=self.location)

    def lose(self, what: str, field: str, why: str) -> None:
        self.losses.append((what, field, why))


@pytest.mark.parametrize(
    ("location", "lost"), [("mlflow-artifacts:/0", ["a%20b"]), ("here", []), ("", [])]
)
def test_names_for_a_new_experiment_are_judged_by_where_the_server_puts_files(
    location: str, lost: list[str], tmp_path: Path
) -> None:
    work = _Work(str(tmp_path / "0") if location == "here" else location)
    list_refused_names(cast("Work", work), "run", "", STREAMS)
    assert [field for _, field, _ in work.losses] == lost
