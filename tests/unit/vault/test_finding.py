"""A vault is searched by tags, last values of metrics and times, from its catalog alone."""

from pathlib import Path

import pytest

from mlarchive.errors import UsageError
from mlarchive.vault import MetricCondition, Search, Vault
from tests.support import snapshots


def found(vault: Vault, search: Search) -> list[str]:
    return [kept.address.version for kept in vault.search(search)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Vault.open(tmp_path) as vault:
        vault.add(snapshots.model_version(version="1"), packed_at=5)
        vault.add(snapshots.model_version(version="2", files={"a": b"2"}), packed_at=6)
        # Its labels alone: the metrics are those of the package that it leans on.
        vault.add(snapshots.model_version(version="2", files={"a": b"2"}, aliases=()), packed_at=7)
    return tmp_path


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        ("rmse<0.6", True),
        ("rmse>0.6", False),
        ("rmse = 0.5", True),
        ("rmse=-0", True),
        ("rmse!=0.5", True),
        ("a/b: odd>0", False),
        ("a/b: odd!=0", False),
        ("none<1", False),
    ],
)
def test_last_values_are_compared_and_nan_fits_nothing(
    folder: Path, condition: str, *, fits: bool
) -> None:
    with Vault.open(folder) as vault:
        search = Search(metrics=(MetricCondition.parse(condition),))
        assert found(vault, search) == (["1", "2"] if fits else [])


def test_tags_fit_by_key_or_by_value(folder: Path) -> None:
    with Vault.open(folder) as vault:
        assert found(vault, Search(tags={"team": ""})) == ["1", "2"]
        assert found(vault, Search(tags={"team": "cellar"})) == ["1", "2"]
        assert found(vault, Search(tags={"team": "other"})) == []
        assert found(vault, Search(tags={"team": "cellar", "none": ""})) == []


def test_times_are_those_of_making_or_else_of_packing(folder: Path) -> None:
    with Vault.open(folder) as vault:
        assert found(vault, Search(since=7)) == ["2"]
        assert found(vault, Search(until=7)) == ["1"]


def test_the_catalog_that_is_made_again_finds_the_same(folder: Path) -> None:
    search = Search(metrics=(MetricCondition.parse("rmse<0.6"),), tags={"team": "cellar"})
    with Vault.open(folder) as vault:
        vault.rebuild()
        assert found(vault, search) == ["1", "2"]
        assert vault.find()[0].labels.aliases == ()
        assert vault.find()[1].labels.aliases == ("champion",)


@pytest.mark.parametrize("text", ["", "auc", "auc>", ">1", "auc>x", "auc~1"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        MetricCondition.parse(text)
