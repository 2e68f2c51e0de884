"""A prune that is killed at any moment leaves nothing that cannot be read, and is finished."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from mlarchive.checking import verify_vault
from mlarchive.vault import Rules, Vault
from tests.support import snapshots

SEED = 20261128
VERSIONS = 20
RULES = Rules(last=3)


def fill(folder: Path) -> None:
    with Vault.open(folder) as vault:
        for number in range(1, VERSIONS + 1):
            files = {"weights": str(number).encode() * 300}
            for state, alias in enumerate(("", "a", "b")):
                snapshot = snapshots.model_version(
                    version=str(number), ids=str(number), files=files, aliases=(alias,)
                )
                vault.add(snapshot, packed_at=state)


def packages(folder: Path) -> int:
    return sum(1 for _ in folder.rglob("*.mlpkg"))


def test_every_package_that_is_left_has_what_it_leans_on(tmp_path: Path) -> None:
    rng = random.Random(SEED)  # noqa: S311  (a reproducible test)
    fill(tmp_path)
    before, kills = packages(tmp_path), 0
    while packages(tmp_path) > 9 and kills < 10:
        goal = packages(tmp_path) - rng.randint(1, 12)
        command = [sys.executable, "-m", "mlarchive", "prune", f"vault:{tmp_path}", "--keep-last=3"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as prune:
            deadline = time.monotonic() + 60
            while packages(tmp_path) > goal and prune.poll() is None:
                assert time.monotonic() < deadline
                os.sched_yield()
            kills += prune.poll() is None
            prune.kill()
        with Vault.open(tmp_path) as vault:
            assert all(checked.ok for checked in verify_vault(vault)), f"seed {SEED}"
    assert kills >= 2, f"of {before} packages, seed {SEED}"
    with Vault.open(tmp_path) as vault:
        vault.prune(RULES, now=0)
        assert {kept.address.version for kept in vault.find()} == {"18", "19", "20"}
        assert len(vault.find()) == 9
