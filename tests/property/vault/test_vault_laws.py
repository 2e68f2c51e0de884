"""Whatever is done to a vault: what could be read of what stays can be read afterwards.

Packages come from sources and from elsewhere, so that several hold the same bytes; people copy
files beside each other; disks rot.
"""

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlarchive.errors import MlarchiveError
from mlarchive.records import Address
from mlarchive.snapshot import Snapshot
from mlarchive.vault import Kept, Rules, Vault
from tests.support import snapshots

NOW = 1_800_000_000_000
SHARED = {letter: random.Random(letter).randbytes(1 << 20) for letter in "ab"}  # noqa: S311
"""Weights that several versions have; from a mebibyte on one package leans on another."""

Meaning: TypeAlias = tuple[Address, str, str]
Step: TypeAlias = tuple[str, int, str]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "take", "copy", "rot", "prune", "delete", "anew"]),
        st.integers(1, 4),
        st.sampled_from("ab"),
    ),
    min_size=4,
    max_size=12,
)


def snapshot(version: int, weights: str) -> Snapshot:
    files = {"w": SHARED[weights], "u": f"of {version}".encode()}
    return snapshots.folder(files, name="wine", version=str(version))


def meaning(kept: Kept) -> Meaning:
    return kept.address, kept.content_id, kept.state_id


def sound(vault: Vault) -> set[Meaning]:
    """What can be read, every byte of it."""
    return {meaning(kept) for kept in vault.find() if vault.is_sound(kept)}


TWICE: list[Step] = [("add", 1, "a"), ("add", 2, "a"), ("copy", 1, "a"), ("prune", 1, "b")]
"""What is thin lies there twice when what it leans on goes."""


@given(STEPS)
@example(TWICE)
@settings(max_examples=12)
def test_what_stays_can_be_read(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        for number, step in enumerate(steps):
            with opened(top / "vault") as vault:
                before = sound(vault)
                going = done(vault, top, step, when=number + 1)
            with opened(top / "vault") as vault:
                assert sound(vault) >= before - going, (step, number)


@contextmanager
def opened(folder: Path) -> Iterator[Vault]:
    with Vault.open(folder) as vault:
        yield vault


def done(vault: Vault, top: Path, step: Step, *, when: int) -> set[Meaning]:
    """Do one thing; returns what may go by it."""
    what, number, weights = step
    there = sorted(vault.find(), key=lambda kept: kept.place)
    if what == "add":
        vault.add(snapshot(number, weights), packed_at=when)
    elif what == "take":
        with (
            tempfile.TemporaryDirectory(dir=top) as elsewhere,
            Vault.open(Path(elsewhere)) as other,
        ):
            vault.take(other.add(snapshot(number, weights), packed_at=when).path)
    elif what == "anew":
        (vault.folder / ".mlarchive-catalog.sqlite").unlink(missing_ok=True)
    elif what == "prune":
        return pruned(vault, Rules(last=number, states=1 if weights == "a" else 0))
    elif there:
        chosen = there[number % len(there)]
        return {"copy": copied, "rot": rotted, "delete": deleted}[what](vault, chosen)
    return set()


def pruned(vault: Vault, rules: Rules) -> set[Meaning]:
    try:
        decisions = vault.prune(rules, now=NOW)
    except MlarchiveError:
        return set()  # Nothing is removed then.
    stays = {meaning(one.package) for one in decisions if one.keeps}
    return {meaning(one.package) for one in decisions} - stays


def deleted(vault: Vault, chosen: Kept) -> set[Meaning]:
    going = {meaning(kept) for kept in vault.find(address=chosen.address)}
    try:
        vault.delete(chosen.address, now=NOW)
    except MlarchiveError:
        return set()
    return going


def copied(_: Vault, chosen: Kept) -> set[Meaning]:
    """As a person does who puts a backup beside what there is."""
    beside = chosen.path.with_name(f"{chosen.path.stem}~9.mlpkg")
    if not beside.exists():
        shutil.copy(chosen.path, beside)
    return set()


def rotted(vault: Vault, chosen: Kept) -> set[Meaning]:
    """Some bytes change; the size and the times stay. Whatever leans on it may be lost."""
    facts = chosen.path.stat()
    raw = bytearray(chosen.path.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 9] = bytes(byte ^ 1 for byte in raw[middle : middle + 9])
    before = sound(vault)
    chosen.path.write_bytes(raw)
    os.utime(chosen.path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    return before - sound(vault)
