"""Versions of a model cost what changed; each is whole, whatever becomes of the others."""

import itertools
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlarchive.errors import SourceChangedError
from mlarchive.pack import pack_file
from mlarchive.package import Package
from mlarchive.snapshot import Snapshot
from mlarchive.vault import Kept, Rules, Vault
from mlarchive.vault.catalog import NAME, Catalog, Row
from mlarchive.vault.leaning import closure, leaning_first
from tests.support import snapshots
from tests.support.models import Weights, file_of, tuned, weights

NOW = 1_700_000_000_000
VERSIONS = 4


def line() -> list[Weights]:
    """Each a light fine-tune of the one before."""
    models = [weights(1, tensors=2)]
    for seed in range(2, VERSIONS + 1):
        models.append(tuned(models[-1], seed, step=0.003))
    return models


FILES = [file_of(model) for model in line()]


def snapshot(version: int, **fields: object) -> Snapshot:
    files = {"model.safetensors": FILES[version - 1], **snapshots.MODEL_FILES}
    return snapshots.model_version(version=str(version), ids=f"v{version}", files=files, **fields)  # type: ignore[arg-type]  # passed on


def filled(folder: Path) -> list[Kept]:
    with Vault.open(folder) as vault:
        return [vault.add(snapshot(v), packed_at=v) for v in range(1, VERSIONS + 1)]


def is_whole(vault: Vault, kept: Kept) -> bool:
    """Whether all of a package can be read, and says what it should."""
    with vault.open_package(kept) as package:
        weighed = next(s for s in package.snapshot().streams if "safetensors" in str(s.entry))
        with weighed.open() as stream:
            same = stream.read() == FILES[int(kept.address.version) - 1]
        return same and not package.missing() and package.verify().objects > 0


def counting(vault: Vault) -> list[str]:
    assert all(is_whole(vault, kept) for kept in vault.find())
    return [kept.address.version for kept in vault.counting()]


def test_a_version_costs_what_changed(tmp_path: Path) -> None:
    kept = filled(tmp_path)
    assert [one.thin for one in kept] == [False, True, True, True]
    # Much more than this is never needed: two packages are decoded for one, not three.
    assert {base for one in kept for base in one.bases} == {kept[0].package_id}
    assert sum(one.size for one in kept) < 2 * kept[0].size
    with Vault.open(tmp_path) as vault:
        assert counting(vault) == ["1", "2", "3", "4"]
        assert all(is_whole(vault, one) for one in kept)


def test_a_change_of_labels_costs_kilobytes_and_reads_nothing(tmp_path: Path) -> None:
    kept = filled(tmp_path)
    with Vault.open(tmp_path) as vault:
        moved = snapshot(3, aliases=("best", "champion"))
        state = vault.add(moved, reuse_content=kept[2].content_id, packed_at=9)
        assert state.size < (4 << 10) + (16 << 10)
        assert state.bases
        assert is_whole(vault, state)


def test_the_same_content_under_another_name_costs_kilobytes(tmp_path: Path) -> None:
    kept = filled(tmp_path)
    with Vault.open(tmp_path) as vault:
        other = vault.add(
            snapshots.model_version(name="vin", files=dict(_files(2)), ids="x"), packed_at=9
        )
        assert other.content_id == kept[1].content_id
        assert other.size < 32 << 10
        with vault.open_package(other) as package:
            assert not package.missing()


def _files(version: int) -> dict[str, bytes]:
    return {"model.safetensors": FILES[version - 1], **snapshots.MODEL_FILES}


def test_a_descendant_of_another_name_finds_its_base_too(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        vault.add(snapshot(1), packed_at=1)
        child = vault.add(snapshots.model_version(name="vin", files=_files(2)), packed_at=2)
        assert child.thin
        assert child.size < 0.3 * len(FILES[1])


@pytest.mark.parametrize("version", range(1, VERSIONS + 1))
def test_any_version_can_go_and_the_others_stay_whole(tmp_path: Path, version: int) -> None:
    kept = filled(tmp_path)
    ids = {(one.address, one.content_id, one.state_id, one.packed_at) for one in kept}
    gone = kept[version - 1]
    with Vault.open(tmp_path) as vault:
        assert bool(vault.dependents(gone)) == (version == 1)
        vault.release([gone])
        assert vault.dependents(gone) == []
        gone.path.unlink()
    (tmp_path / NAME).unlink()
    with Vault.open(tmp_path) as vault:
        left = [v for v in ("1", "2", "3", "4") if v != str(version)]
        assert counting(vault) == left
        found = {(o.address, o.content_id, o.state_id, o.packed_at) for o in vault.find()}
        assert found == {one for one in ids if one[0].version != str(version)}
        assert sum(one.size for one in vault.find()) < 2 * kept[0].size


def test_pruning_takes_what_others_lean_on(tmp_path: Path) -> None:
    first = filled(tmp_path)[0]
    with Vault.open(tmp_path) as vault:
        vault.add(snapshot(3, aliases=("best",)), packed_at=9)
        vault.prune(Rules(last=2), now=NOW)
        assert counting(vault) == ["3", "4"]
        assert not first.path.exists()
        assert len([one for one in vault.find() if not one.thin]) == 1


def test_what_leans_on_what_leans_is_released_with_it(tmp_path: Path) -> None:
    kept = filled(tmp_path)
    with Vault.open(tmp_path) as vault:
        state = vault.add(snapshot(2, aliases=("best",)), packed_at=9)
        assert state.path in [one.path for one in vault.dependents(kept[0])]
        vault.release([kept[0]])
        kept[0].path.unlink()
        assert not state.path.exists()
    with Vault.open(tmp_path) as vault:
        assert counting(vault) == ["2", "3", "4"]


@pytest.mark.parametrize("how", ["delete", "prune", "release"])
def test_what_is_released_leans_on_what_stays_though_what_goes_has_the_same(
    tmp_path: Path, how: str
) -> None:
    """Two full packages with the same weights: a dropped one, or one of two writers at once."""
    shared = {"w": bytes(range(256)) * 8192}
    first, second, third = (
        snapshots.folder({**shared, "u": name.encode()}, name="wine", version=str(number))
        for number, name in enumerate(("one", "two", "three"), 1)
    )
    with Vault.open(tmp_path / "other") as other, Vault.open(tmp_path / "v") as vault:
        brought = other.add(second, packed_at=2).path
        full = vault.add(first, packed_at=1)
        vault.take(brought)
        (going,) = vault.find(address=second.address)
        assert vault.add(third, packed_at=3).bases == (going.package_id,)
        if how == "delete":
            vault.delete(second.address, now=NOW)
        elif how == "prune":
            stays = {first.address: "it stays"}
            vault.prune(Rules(last=1), now=NOW, spare=lambda _: stays)
            assert not going.path.exists()
        else:
            vault.release([going])
            going.path.unlink()
        (leaning,) = vault.find(address=third.address)
        assert leaning.bases == (full.package_id,)
        vault.delete(first.address, now=NOW)
        (whole,) = vault.find(address=third.address)
        assert (whole.bases, vault.is_sound(whole)) == ((), True)


def test_the_catalog_finds_again_on_what_packages_lean(tmp_path: Path) -> None:
    kept = filled(tmp_path)
    before = {one.path: one.bases for one in kept}
    (tmp_path / NAME).unlink()
    with Vault.open(tmp_path) as vault:
        assert {one.path: one.bases for one in vault.find()} == before
        kept[0].path.rename(tmp_path / "elsewhere")
    with Vault.open(tmp_path) as vault:
        assert [one.complete for one in vault.find()] == [False] * (VERSIONS - 1)
    (tmp_path / "elsewhere").rename(tmp_path / "anywhere.mlpkg")
    with Vault.open(tmp_path) as vault:
        assert counting(vault) == ["1", "2", "3", "4"]


def _crash(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("how", ["anew", "replaced"])
def test_a_crash_before_it_is_known_who_leans_on_whom_hides_no_base(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = filled(tmp_path)
    (tmp_path / "copy").write_bytes(kept[0].path.read_bytes())
    with monkeypatch.context() as patched:
        patched.setattr("mlarchive.vault.listing.lean", _crash)
        if how == "replaced":
            with Vault.open(tmp_path) as vault, pytest.raises(KeyboardInterrupt):
                vault.replace(kept[0], tmp_path / "copy")
        else:
            (tmp_path / NAME).unlink()
            with pytest.raises(KeyboardInterrupt):
                Vault.open(tmp_path)
    with Vault.open(tmp_path) as vault:
        assert counting(vault) == ["1", "2", "3", "4"]


def test_a_package_whose_base_went_meanwhile_never_lies_among_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    monkeypatch.setattr(Vault, "completes", lambda *_: False)
    with Vault.open(tmp_path) as vault, pytest.raises(SourceChangedError):
        vault.add(snapshot(4, description="new"), packed_at=9)
    assert len(list(tmp_path.rglob("*.mlpkg"))) == VERSIONS


def test_a_thin_package_that_is_brought_in_finds_its_base(tmp_path: Path) -> None:
    kept = filled(tmp_path / "a")
    with Vault.open(tmp_path / "b") as vault:
        vault.add(snapshot(1), packed_at=1)
    brought = tmp_path / "b" / "new.mlpkg"
    brought.write_bytes(kept[1].path.read_bytes())
    with Vault.open(tmp_path / "b") as vault:
        assert counting(vault) == ["1", "2"]


def test_rot_in_a_base_makes_the_next_version_stand_on_its_own(tmp_path: Path) -> None:
    with Vault.open(tmp_path) as vault:
        base = vault.add(snapshot(1), packed_at=1)
        raw = bytearray(base.path.read_bytes())
        raw[len(raw) // 2] ^= 1
        base.path.write_bytes(raw)
        child = vault.add(snapshot(2), packed_at=2)
        assert not child.thin
        assert is_whole(vault, child)


def test_last_values_of_metrics_are_known_of_thin_packages_too(tmp_path: Path) -> None:
    kept = filled(tmp_path)
    assert kept[1].labels.metrics == kept[0].labels.metrics
    assert kept[0].labels.metrics
    (tmp_path / NAME).unlink()
    with Vault.open(tmp_path) as vault:
        assert {str(one.labels.metrics) for one in vault.find()} == {str(kept[0].labels.metrics)}


def test_a_folded_version_is_what_it_was(tmp_path: Path) -> None:
    kept = filled(tmp_path)[1]
    with Vault.open(tmp_path) as vault, vault.open_package(kept) as package:
        made = pack_file(package.snapshot(), tmp_path / "full.mlpkg", packed_at=kept.packed_at)
        assert (made.content_id, made.state_id, made.thin) == (
            kept.content_id,
            kept.state_id,
            False,
        )
    with Package.open(tmp_path / "full.mlpkg") as full:
        assert full.verify().missing == 0


def test_what_leans_stands_before_what_it_leans_on() -> None:
    one = Kept(
        folder=Path(),
        place="1",
        address=snapshot(1).address,
        content_id="",
        state_id="",
        package_id="1",
        size=0,
        packed_at=0,
    )
    two = replace(one, place="2", package_id="2", bases=("1",), thin=True)
    three = replace(one, place="3", package_id="3", bases=("2", "1"), thin=True)
    for given in itertools.permutations((one, two, three)):
        assert leaning_first(given) == [three, two, one]


def test_what_a_package_leans_on_comes_as_it_is_noted_the_nearest_first() -> None:
    catalog = Catalog.in_memory()
    far = Row(path="far", bytes=1, mtime_ns=1, package_id="far")
    a, b = (
        Row(path=name, bytes=1, mtime_ns=1, package_id=name, thin=True, leans_on=on)
        for name, on in (("a", "far"), ("b", ""))
    )
    catalog.put([far, a, b])
    leaning = Row(path="x", bytes=1, mtime_ns=1, thin=True, leans_on="a b")
    assert [row.path for row in closure(leaning, catalog)] == ["a", "b", "far"]
