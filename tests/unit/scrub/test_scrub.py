"""A scrub finds every rotten byte, mends what it can, and goes on where it was stopped."""

import contextlib
import dataclasses
import errno
import gzip
import io
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from mlarchive.checking import verify_vault
from mlarchive.errors import Interrupted
from mlarchive.pack import pack_file
from mlarchive.package import Package, encrypted
from mlarchive.package.layout import RecordType, encode_preamble
from mlarchive.records import Address
from mlarchive.registries.base import Holding, WritePolicy
from mlarchive.registries.vaultregistry import VaultRegistry
from mlarchive.scrub import (
    Care,
    Donor,
    Pace,
    PackageDonor,
    RegistryDonor,
    Scrubbed,
    VaultDonor,
    scrub,
)
from mlarchive.scrub.mending import LEANS
from mlarchive.scrub.pace import PacedFile
from mlarchive.snapshot import Snapshot
from mlarchive.vault import Kept, Vault
from mlarchive.vault.journal import Journal
from tests.compat.flips import flipped
from tests.compat.samples import signed as signed_area
from tests.support import snapshots

SEED = 20_261_128
NOW = 1_800_000_000_000


def wine(version: str, *, aliases: tuple[str, ...] = ("champion",)) -> Snapshot:
    rng = random.Random(version)  # noqa: S311  (no secret)
    files = {f"weights-{number}": rng.randbytes(400_000) for number in range(4)}
    return snapshots.model_version(version=version, files=files, aliases=aliases)


def run(vault: Vault, *donors: Donor, care: Care | None = None, now: int = NOW) -> list[Scrubbed]:
    return list(scrub(vault, care or Care(before=now), donors, pace=Pace(), clock=lambda: now))


def rot(path: Path, *, at: int | None = None, count: int = 1) -> None:
    """Change bytes as a disk does: neither size nor time tell."""
    facts, raw = path.stat(), bytearray(path.read_bytes())
    rng = random.Random(SEED)  # noqa: S311  (a reproducible test)
    for _ in range(count):
        raw[rng.randrange(len(raw)) if at is None else at] ^= 1
    path.write_bytes(raw)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with Vault.open(tmp_path / "vault") as vault:
        yield vault


@pytest.fixture
def kept(vault: Vault) -> Kept:
    return vault.add(wine("1"), packed_at=5)


def everything_is_well(vault: Vault) -> bool:
    return all(checked.ok for checked in verify_vault(vault))


def test_sound_packages_are_called_sound_thin_ones_too(vault: Vault, kept: Kept) -> None:
    vault.add(wine("1", aliases=("next",)), packed_at=6)
    done = run(vault)
    assert [one.status for one in done] == ["sound", "sound"]
    assert {one.address for one in done} == {str(kept.address)}


@pytest.mark.parametrize("part", range(12))
def test_rot_anywhere_is_found_and_mended_from_another_vault(
    vault: Vault, kept: Kept, tmp_path: Path, part: int
) -> None:
    before = kept.path.read_bytes()
    with Vault.open(tmp_path / "copy") as copy:
        copy.add(wine("1"), packed_at=5)
        rot(kept.path, at=part * (len(before) - 1) // 11)
        (done,) = run(vault, VaultDonor(copy))
    assert done.status == "mended"
    # Some of it can be made anew from the rest.
    assert done.mended_from in {f"vault:{tmp_path / 'copy'}", str(kept.path)}
    assert kept.path.read_bytes() == before
    assert [one.status for one in run(vault, now=NOW + 1)] == ["sound"]


def test_what_was_cut_off_or_emptied_is_mended_once_it_was_checked(
    vault: Vault, kept: Kept, tmp_path: Path
) -> None:
    pack_file(wine("1"), tmp_path / "copy.mlpkg", packed_at=5)
    run(vault)
    for length in (100, 0):
        os.truncate(kept.path, length)
        with Vault.open(vault.folder) as again:
            (done,) = run(again, PackageDonor(tmp_path / "copy.mlpkg"))
            assert (done.status, done.address) == ("mended", str(kept.address))
            assert everything_is_well(again)


def test_the_source_gives_the_bytes_even_if_its_labels_have_changed(
    vault: Vault, kept: Kept, tmp_path: Path
) -> None:
    """The chunks are the source's, labels and documents those of the package."""
    with Vault.open(tmp_path / "source") as source:
        source.add(wine("1", aliases=("other",)), packed_at=9)
        registry = VaultRegistry(source, origin="prod")
        donor = RegistryDonor("prod", lambda: contextlib.nullcontext(registry), packed_at=9)
        rot(kept.path, at=len(kept.path.read_bytes()) // 2)
        (done,) = run(vault, donor)
    assert (done.status, done.mended_from) == ("mended", "prod")
    (mended,) = vault.find()
    assert (mended.content_id, mended.state_id) == (kept.content_id, kept.state_id)
    assert everything_is_well(vault)


def test_a_target_where_it_has_another_name_gives_the_bytes(
    vault: Vault, kept: Kept, tmp_path: Path
) -> None:
    class Server(VaultRegistry):
        """Knows an object by the name that it was written under."""

        def holding(self, source: Address, policy: WritePolicy) -> Holding | None:
            there = structs.replace(source, name=policy.rename or source.name)
            found = super().holding(there, policy)
            return structs.replace(found, address=there) if found else None

    with Vault.open(tmp_path / "target") as target:
        made = wine("1")
        address = structs.replace(made.address, name="vin")
        target.add(dataclasses.replace(made, address=address), packed_at=9)
        server = Server(target, origin="dr")
        donor = RegistryDonor(
            "dr",
            lambda: contextlib.nullcontext(server),
            packed_at=9,
            policy_of=lambda _: WritePolicy(rename="vin"),
        )
        rot(kept.path, at=len(kept.path.read_bytes()) // 2)
        (done,) = run(vault, donor)
    assert (done.status, done.mended_from) == ("mended", "dr")
    assert everything_is_well(vault)


def test_signatures_stay_whatever_a_copy_that_mends_has_of_them(
    vault: Vault, kept: Kept, tmp_path: Path
) -> None:
    plain = kept.path.read_bytes()
    copy = tmp_path / "copy.mlpkg"
    copy.write_bytes(plain)
    signed = plain[:-4288] + signed_area(b"one") + plain[-192:]
    kept.path.write_bytes(signed)
    rot(kept.path, at=600)
    (done,) = run(vault, PackageDonor(copy))
    assert (done.status, done.dropped) == ("mended", ())
    assert kept.path.read_bytes() == signed
    rot(kept.path, at=len(signed) - 4288 + 17)
    (done,) = run(vault, PackageDonor(copy), now=NOW + 1)
    assert (done.status, done.dropped) == ("mended", ("signatures",))


def test_two_rotten_copies_mend_each_other(vault: Vault, kept: Kept, tmp_path: Path) -> None:
    with Vault.open(tmp_path / "copy") as copy:
        other = copy.add(wine("1"), packed_at=5)
        size = kept.path.stat().st_size
        rot(kept.path, at=size // 3)
        rot(other.path, at=2 * size // 3)
        run(vault, VaultDonor(copy))
    assert everything_is_well(vault)


def test_what_nobody_has_is_reported_and_left_as_it_is(vault: Vault, kept: Kept) -> None:
    rot(kept.path, at=kept.path.stat().st_size // 2)
    rotten = kept.path.read_bytes()
    (done,) = run(vault)
    assert (done.status, done.mended_from) == ("damaged", "")
    assert "E0" in done.damage
    assert kept.path.read_bytes() == rotten
    # It is looked at again although it was checked just now.
    assert [one.status for one in run(vault, care=Care(before=0))] == ["damaged"]


@pytest.mark.parametrize("is_signed", ["", "signed"])
def test_what_lost_its_trailer_and_a_chunk_is_no_thin_package(
    vault: Vault, kept: Kept, is_signed: str
) -> None:
    data = kept.path.read_bytes()
    data = data[:-4288] + signed_area(b"one") + data[-192:] if is_signed else data
    damaged = flipped(data, len(data) // 2, 1)[:-100]
    kept.path.write_bytes(damaged)
    with Vault.open(vault.folder) as again:
        (done,) = run(again)
    assert (done.status, kept.path.read_bytes()) == ("damaged", damaged)


def test_other_content_under_the_same_name_mends_nothing(
    vault: Vault, kept: Kept, tmp_path: Path
) -> None:
    changed = snapshots.model_version(version="1", files={"weights": b"other"})
    pack_file(changed, tmp_path / "other.mlpkg", packed_at=5)
    rot(kept.path, at=kept.path.stat().st_size // 2)
    (done,) = run(vault, PackageDonor(tmp_path / "other.mlpkg"))
    assert done.status == "damaged"


@pytest.mark.parametrize("how", ["a bit of the trailer", "a byte of a document", "a cut"])
def test_a_new_package_under_an_old_name_is_never_mended_to_the_old_one(
    vault: Vault, tmp_path: Path, how: str
) -> None:
    old, new = tmp_path / "old.mlpkg", tmp_path / "new.mlpkg"
    pack_file(wine("1"), old, packed_at=5)
    pack_file(wine("1", aliases=("next",)), new, packed_at=6)
    laid = vault.folder / "model.mlpkg"
    laid.parent.mkdir(exist_ok=True)
    laid.write_bytes(old.read_bytes())
    with Vault.open(vault.folder) as again:
        run(again)
    data = new.read_bytes()
    (vault.folder / "aside.mlpkg").write_bytes(old.read_bytes())
    with Package.open(new) as package:
        (number,) = (package.storage.index.rows["type"] == RecordType.EVIDENCE).nonzero()[0]
        evidence = package.storage.index.row(int(number)).offset
    damaged = {
        "a bit of the trailer": flipped(data, len(data) - 150, 1),
        "a byte of a document": flipped(data, evidence + 100, 1),
        "a cut": data[:evidence],
    }[how]
    laid.write_bytes(damaged)
    with Vault.open(vault.folder) as again:
        done = {Path(one.path): one for one in run(again, PackageDonor(old), now=NOW + 1)}[laid]
    if how == "a bit of the trailer":
        assert (done.status, laid.read_bytes()) == ("mended", data)
    else:
        assert (done.status, laid.read_bytes()) == ("damaged", damaged)


@pytest.mark.parametrize("zeros", [0, 1000])
@pytest.mark.parametrize("length", [0, 60, 100, 2000])
def test_of_what_lost_all_but_its_beginning_the_vault_knows_what_it_was(
    vault: Vault, kept: Kept, tmp_path: Path, length: int, zeros: int
) -> None:
    before = kept.path.read_bytes()
    (tmp_path / "copy.mlpkg").write_bytes(before)
    kept.path.write_bytes(before[:length] + bytes(zeros))
    with Vault.open(vault.folder) as again:
        (done,) = run(again, PackageDonor(tmp_path / "copy.mlpkg"))
    assert (done.status, kept.path.read_bytes()) == ("mended", before)


@pytest.mark.parametrize(
    "laid",
    [
        b"age-encryption.org/v1\n-> X25519 abc\n" + bytes(9000) + b"secret",
        gzip.compress(b"another model" * 999),
        b"moved to /big/model.mlpkg\n",
        bytes(9000) + b"something",
        encode_preamble() + bytes(4000) + b"something",
    ],
    ids=["age", "gzip", "text", "behind zeros", "behind a preamble"],
)
def test_what_is_no_package_and_was_laid_under_an_old_name_stays(
    vault: Vault, kept: Kept, tmp_path: Path, laid: bytes
) -> None:
    (tmp_path / "copy.mlpkg").write_bytes(kept.path.read_bytes())
    kept.path.write_bytes(laid)
    with Vault.open(vault.folder) as again:
        (done,) = run(again, PackageDonor(tmp_path / "copy.mlpkg"))
    assert (done.status, kept.path.read_bytes()) == ("damaged", laid)
    assert "for certain what it was" in done.damage or "decrypt it" in done.damage


def test_nobody_who_holds_the_key_has_an_encrypted_package_written_in_the_clear(
    vault: Vault, kept: Kept
) -> None:
    plain = kept.path.read_bytes()
    laid = b"age-encryption.org/v1\n" + plain
    kept.path.write_bytes(laid)
    encrypted.decrypt_with(lambda file, _: io.BytesIO(file.read()[22:]))
    try:
        with Vault.open(vault.folder) as again:
            (done,) = run(again)
    finally:
        encrypted.decrypt_with(None)
    assert (done.status, kept.path.read_bytes()) == ("damaged", laid)
    assert "decrypt it" in done.damage


@pytest.mark.parametrize("cut", [0, 192])
def test_that_bytes_behind_a_package_are_lost_is_told_though_a_copy_is_at_hand(
    vault: Vault, kept: Kept, tmp_path: Path, cut: int
) -> None:
    before, copy = kept.path.read_bytes(), tmp_path / "copy.mlpkg"
    copy.write_bytes(before)
    kept.path.write_bytes(before[: len(before) - cut] + b"note" * 30)
    with Vault.open(vault.folder) as again:
        (done,) = run(again, PackageDonor(copy))
    assert (done.status, done.dropped) == ("mended", ("further bytes",))
    assert kept.path.read_bytes() == before
    with Vault.open(vault.folder) as again:
        # What only a copy mends.
        half = len(before) // 2
        kept.path.write_bytes(before[:half] + bytes(99_000) + before[half + 99_000 :] + b"note" * 9)
        (done,) = run(again, PackageDonor(copy), now=NOW + 1)
    assert (done.status, done.dropped) == ("mended", ("further bytes",))


@pytest.mark.parametrize("length", [2000, 0.5, 0])
def test_no_stranger_takes_the_place_of_what_nobody_knows(
    vault: Vault, tmp_path: Path, length: float
) -> None:
    ours, theirs = tmp_path / "ours.mlpkg", tmp_path / "theirs.mlpkg"
    pack_file(wine("1"), ours, packed_at=5)
    pack_file(wine("2"), theirs, packed_at=5)
    data = ours.read_bytes()
    cut = data[: int(length * len(data)) if length < 1 else int(length)]
    vault.folder.mkdir(exist_ok=True)
    laid = vault.folder / "from-bob.mlpkg"
    laid.write_bytes(cut)
    with Vault.open(vault.folder) as again:
        (done,) = run(again, PackageDonor(theirs), PackageDonor(tmp_path / "gone.mlpkg"))
    assert (done.status, laid.read_bytes()) == ("damaged", cut)
    assert "for certain what it was" in done.damage
    assert "gone.mlpkg could not be read" in done.damage


def test_a_base_that_rotted_is_mended_and_its_thin_packages_stay(
    vault: Vault, kept: Kept, tmp_path: Path
) -> None:
    thin = vault.add(wine("1", aliases=("next",)), packed_at=6)
    pack_file(wine("1"), tmp_path / "copy.mlpkg", packed_at=5)
    kept.path.unlink()
    with Vault.open(vault.folder) as again:
        (done,) = run(again, PackageDonor(tmp_path / "copy.mlpkg"))
        assert done.path == str(thin.path)
        assert done.damage.endswith("are in no package of the vault")
        assert done.status == "mended"
        assert everything_is_well(again)


def test_a_signed_thin_package_stays_as_it_is_while_its_base_is_gone(
    vault: Vault, kept: Kept, tmp_path: Path
) -> None:
    """A full one in its place would say the same, and would be signed by nobody."""
    thin = vault.add(wine("1", aliases=("next",)), packed_at=6)
    raw = thin.path.read_bytes()
    signed = raw[:-4288] + signed_area(b"one") + raw[-192:]
    thin.path.write_bytes(signed)
    pack_file(wine("1", aliases=("next",)), tmp_path / "full.mlpkg", packed_at=6)
    base = kept.path.read_bytes()
    kept.path.unlink()
    with Vault.open(vault.folder) as again:
        (done,) = run(again, PackageDonor(tmp_path / "full.mlpkg"))
    assert (done.status, done.notes) == ("damaged", (LEANS,))
    assert thin.path.read_bytes() == signed
    kept.path.write_bytes(base)
    with Vault.open(vault.folder) as again:
        assert {one.status for one in run(again, now=NOW + 1)} == {"sound"}


def test_a_thin_package_is_not_called_mended_while_its_base_is_gone(
    vault: Vault, kept: Kept
) -> None:
    thin = vault.add(wine("1", aliases=("next",)), packed_at=6)
    rot(kept.path, count=20_000)
    done = {one.path: one.status for one in run(vault)}
    assert done[str(kept.path)] == "damaged"
    assert done.get(str(thin.path)) != "mended"


def test_what_is_mended_itself_and_lacks_what_it_leans_on_is_damaged(
    vault: Vault, kept: Kept
) -> None:
    thin = vault.add(wine("1", aliases=("next",)), packed_at=6)
    raw = thin.path.read_bytes()
    thin.path.write_bytes(raw[:-40] + bytes(40))
    kept.path.unlink()
    with Vault.open(vault.folder) as again:
        (done,) = run(again)
        assert (done.status, done.mended_from) == ("damaged", str(thin.path))
        assert "it is mended itself, and 6 of its chunks are in no package" in done.damage
        (after,) = run(again, now=NOW + 1)
    assert after.status == "damaged"
    assert thin.path.read_bytes() == raw


def test_a_bad_sector_is_damage_of_one_package_and_the_others_are_read(
    vault: Vault, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = vault.add(wine("2"), packed_at=6)
    pack_file(wine("1"), tmp_path / "copy.mlpkg", packed_at=5)
    real = PacedFile.readinto

    def readinto(self: PacedFile, buffer: memoryview) -> int | None:
        if self.name == str(kept.path) and self.tell() > 1000:
            raise OSError(errno.EIO, "Input/output error")
        return real(self, buffer)

    monkeypatch.setattr(PacedFile, "readinto", readinto)
    done = {one.path: one for one in run(vault)}
    assert "Input/output error" in done[str(kept.path)].damage
    assert done[str(other.path)].status == "sound"


def test_what_leans_on_a_base_that_was_just_mended_is_sound_and_stays(
    vault: Vault, kept: Kept, tmp_path: Path
) -> None:
    thin = vault.add(wine("1", aliases=("next",)), packed_at=6)
    before = thin.path.read_bytes()
    pack_file(wine("1", aliases=("third",)), tmp_path / "other.mlpkg", packed_at=7)
    data = kept.path.read_bytes()
    kept.path.write_bytes(flipped(data, len(data) - 150, 1))
    with Vault.open(vault.folder) as again:
        done = {one.path: one for one in run(again, PackageDonor(tmp_path / "other.mlpkg"))}
        assert everything_is_well(again)
    assert (done[str(kept.path)].status, kept.path.read_bytes()) == ("mended", data)
    assert (done[str(thin.path)].status, thin.path.read_bytes()) == ("sound", before)


def test_a_thin_package_that_rots_while_its_base_is_damaged_stops_no_scrub(
    vault: Vault, kept: Kept
) -> None:
    thin = vault.add(wine("1", aliases=("next",)), packed_at=6)
    before = [one.path.read_bytes() for one in (kept, thin)]
    with Package.open(thin.path) as package:
        index = package.storage.trailer.index_offset
    rot(thin.path, at=index + 16)
    kept.path.write_bytes(flipped(before[0], len(before[0]) - 150, 1))
    for now in (NOW, NOW + 1):
        with Vault.open(vault.folder) as again:
            run(again, now=now)
    assert [one.path.read_bytes() for one in (kept, thin)] == before


def test_what_is_laid_under_a_name_during_a_scrub_is_not_taken_for_what_was_there(
    vault: Vault, kept: Kept, tmp_path: Path
) -> None:
    pack_file(wine("1"), tmp_path / "old.mlpkg", packed_at=5)
    pack_file(wine("1", aliases=("next",)), tmp_path / "new.mlpkg", packed_at=6)
    cut = (tmp_path / "new.mlpkg").read_bytes()[:-9000]
    kept.path.write_bytes(cut)
    (done,) = run(vault, PackageDonor(tmp_path / "old.mlpkg"))
    assert (done.status, kept.path.read_bytes()) == ("damaged", cut)


def test_a_version_that_leans_on_another_is_mended_as_it_was(vault: Vault, tmp_path: Path) -> None:
    """A fine-tune: most of its bytes are those of the version before."""
    files = {f"w{number}": random.Random(number).randbytes(700_000) for number in range(3)}  # noqa: S311
    first = snapshots.model_version(version="1", files=files)
    second = snapshots.model_version(version="2", ids="b", files={**files, "w2": b"tuned" * 9_000})
    vault.add(first, packed_at=5)
    thin = vault.add(second, packed_at=6)
    assert thin.thin
    whole = thin.path.read_bytes()
    (tmp_path / "copy.mlpkg").write_bytes(whole)
    rot(thin.path, at=len(whole) // 2)
    (done,) = (one for one in run(vault, PackageDonor(tmp_path / "copy.mlpkg")) if one.damage)
    assert done.status == "mended"
    assert thin.path.read_bytes() == whole
    assert everything_is_well(vault)


def test_whoever_was_checked_longest_ago_comes_first_and_a_stop_loses_nothing(
    vault: Vault,
) -> None:
    for version in ("1", "2", "3"):
        vault.add(wine(version), packed_at=5)
    order = [one.path for one in run(vault, now=NOW)]

    def stop() -> None:
        raise Interrupted("stopped when asked to")

    pace = Pace(most=1)
    first = list(scrub(vault, Care(before=NOW + 2), pace=pace, clock=lambda: NOW + 1))
    assert [one.path for one in first] == order[:1]
    with pytest.raises(Interrupted):
        list(scrub(vault, Care(before=NOW + 2), pace=Pace(check=stop), clock=lambda: NOW + 1))
    rest = [one.path for one in run(vault, care=Care(before=NOW + 1), now=NOW + 1)]
    assert rest == order[1:]


def test_only_what_is_due_is_read(vault: Vault, kept: Kept) -> None:
    assert len(run(vault)) == 1
    assert run(vault, care=Care(before=NOW)) == []
    kept.path.unlink()
    with Vault.open(vault.folder) as again:
        # New bytes under an old name were never checked.
        again.add(snapshots.model_version(version="1", files={"a": b"other"}), packed_at=7)
        assert len(run(again, care=Care(before=NOW))) == 1


def test_a_scrub_keeps_its_pace(vault: Vault, kept: Kept) -> None:
    """The bytes that are read are those of the file, and they take their time."""
    size = kept.path.stat().st_size
    began = time.monotonic()
    pace = Pace(rate=size)
    list(scrub(vault, Care(before=NOW), pace=pace, clock=lambda: NOW))
    assert size <= pace.read <= 2 * size + (1 << 20)
    assert time.monotonic() - began >= 0.9 * pace.read / size


def test_trials_unpack_those_first_that_were_never_unpacked(vault: Vault) -> None:
    for version in ("1", "2", "3"):
        vault.add(wine(version), packed_at=5)
    tried = [
        one.path
        for round_ in range(3)
        for one in run(vault, care=Care(before=NOW + round_ + 1, trials=1), now=NOW + round_)
        if one.trial.outcome == "restored"
    ]
    assert len(set(tried)) == 3
    with Journal.look(vault.folder) as journal:
        assert sorted(check.restored_at - NOW for check in journal.checks().values()) == [0, 1, 2]
    assert not list(vault.folder.rglob("*restored*"))
