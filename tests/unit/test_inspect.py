"""What is said of a snapshot is what is in it: packed, thin, or still at its source."""

import dataclasses
import io
from pathlib import Path

import pytest

from mlarchive.checking import verify_file, verify_vault
from mlarchive.errors import NotFoundError
from mlarchive.footprint import footprint
from mlarchive.inspect import chosen, describe, leaves, package_view
from mlarchive.pack import pack_file, pack_state
from mlarchive.package import Package
from mlarchive.vault import Vault
from tests.support import snapshots


def test_a_source_is_described_without_packing_it() -> None:
    description = describe(snapshots.model_version())
    kinds = [record.kind for record in description.records]
    assert kinds[0] == "model-version"
    assert sorted(kinds[1:]) == [
        "environment",
        "experiment",
        "logged-model",
        "registered-model",
        "run",
    ]
    run = next(record for record in description.records if record.kind == "run")
    assert [(m.key, m.points, m.step, m.value) for m in run.metrics] == [
        ("rmse", 3, 2, "0.5"),
        ("rmse", 1, 0, "-0.0"),
        ("a/b: odd", 1, 0, "nan"),
    ]
    assert run.facts["inputs"] == "iris@1f2e"
    assert description.package is None


def test_a_series_that_cannot_be_sought_and_an_empty_one_are_described() -> None:
    class Forward(io.BytesIO):
        def seekable(self) -> bool:
            return False

    raw = snapshots.columns([(0, 1, 2.0), (7, 1, 3.0)])
    forward = dataclasses.replace(
        snapshots.series("run-a", "x", [(0, 1, 2.0), (7, 1, 3.0)]), open=lambda: Forward(raw)
    )
    empty = snapshots.series("run-a", "none", [])
    snapshot = snapshots.with_streams(snapshots.model_version(), (forward, empty))
    run = next(record for record in describe(snapshot).records if record.kind == "run")
    assert [(m.points, m.step, m.value) for m in run.metrics] == [(2, 7, "3.0"), (0, None, "")]


def test_a_thin_package_is_described_with_what_it_lacks(tmp_path: Path) -> None:
    pack_file(snapshots.model_version(), tmp_path / "full.mlpkg", packed_at=1)
    with Package.open(tmp_path / "full.mlpkg") as full:
        thin = snapshots.model_version(aliases=())
        pack_state(thin, full, tmp_path / "thin.mlpkg", packed_at=2)
        assert package_view(full, footprint(full)).missing == 0
    with Package.open(tmp_path / "thin.mlpkg") as package:
        description = describe(package.snapshot(), package)
    assert description.package is not None
    assert description.package.missing > 0
    run = next(record for record in description.records if record.kind == "run")
    assert {(m.points, m.value) for m in run.metrics} == {(3, ""), (1, "")}


def test_paths_choose_files_and_what_is_below_folders() -> None:
    found = leaves(snapshots.model_version(), alone=False)
    assert len(chosen(found, [])) == len(found)
    assert [leaf.path for leaf in chosen(found, ["run-a/files/"])] == ["run-a/files/plots/roc.svg"]
    assert len(chosen(found, ["m-a", "m-a/files/MLmodel"])) == 3
    with pytest.raises(NotFoundError, match="'run' in it"):
        chosen(found, ["run"])


def test_damage_is_an_answer_and_a_missing_file_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.mlpkg"
    pack_file(snapshots.model_version(), path, packed_at=1)
    assert verify_file(path).ok
    path.write_bytes(path.read_bytes()[:-1])
    checked = verify_file(path)
    assert not checked.ok
    assert checked.damage.startswith("E0")
    with pytest.raises(NotFoundError):
        verify_file(tmp_path / "none.mlpkg")


def test_a_vault_is_verified_with_what_is_superseded(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        vault.add(snapshots.model_version(), packed_at=1)
        vault.add(snapshots.model_version(aliases=()), packed_at=2)
        assert [(checked.ok, checked.missing) for checked in verify_vault(vault)] == [
            (True, 0),
            (True, 0),
        ]


def test_a_thin_package_whose_base_the_vault_lost_is_damage(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        full = vault.add(snapshots.model_version(), packed_at=5)
        vault.add(snapshots.model_version(aliases=()), packed_at=6)
        assert all(checked.ok for checked in verify_vault(vault))
    full.path.unlink()
    with Vault.open(tmp_path) as vault:
        (checked,) = verify_vault(vault)
    assert not checked.ok
    assert "are in no package of the vault" in checked.damage
