"""Over a gap with bad luck: the target ends equal to the source, or says what to bring."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from mlarchive.errors import UnsignedError
from mlarchive.transfer.inbox import Inbox
from mlarchive.transfer.outbox import Outbox
from mlarchive.trust.signing import sign_file
from mlarchive.vault import Vault
from tests.support import snapshots
from tests.support.gap import Gap, run
from tests.support.models import Weights, file_of, merged, tuned, weights
from tests.support.signing import LAB, NOW, decompressions, lab_trust

SEED = 8
ROUNDS = 16


@pytest.fixture
def gap(tmp_path: Path) -> Iterator[Gap]:
    made = Gap(tmp_path, SEED)
    yield made
    made.close()


def test_rounds_of_bad_luck_end_with_both_sides_equal(gap: Gap) -> None:
    """Fifty rounds, and other seeds: `python -m tests.crash.gap --rounds 50 --seeds 20`."""
    run(gap, ROUNDS)


Child = Callable[[Weights, int], Weights]


@pytest.mark.parametrize(("child", "share"), [(tuned, 0.27), (merged, 0.06)])
def test_a_descendant_is_carried_as_its_differences(
    tmp_path: Path, child: Child, share: float
) -> None:
    model = weights(1, tensors=8)
    with Arrived(tmp_path, model) as arrived:
        raw = file_of(child(model, 2))
        assert arrived.carried("2", raw) <= share * len(raw)


def test_a_moved_alias_is_carried_in_kilobytes(tmp_path: Path) -> None:
    model = weights(1, tensors=8)
    with Arrived(tmp_path, model) as arrived:
        assert arrived.carried("1", file_of(model), aliases=("best",)) <= (16 + 4) << 10


class Arrived:
    """An outbox of which one version has arrived."""

    def __init__(self, folder: Path, model: Weights) -> None:
        self.gap = Gap(folder, SEED)
        self.carried("1", file_of(model))
        self.gap.burn(luck=True)
        self.gap.carry(luck=True)
        self.gap.bring_back(luck=True)
        assert not self.gap.outbox.pending

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.gap.close()

    def carried(self, version: str, raw: bytes, aliases: tuple[str, ...] = ()) -> int:
        """Bytes to be carried for a version."""
        files = {"model.safetensors": raw, **snapshots.MODEL_FILES}
        snapshot = snapshots.model_version(
            version=version, ids=version, aliases=aliases, files=files
        )
        kept = self.gap.source.add(snapshot, packed_at=1)
        with self.gap.source.open_package(kept) as package:
            self.gap.outbox.send(package.snapshot(), made_at=1)
        carry = self.gap.folder / "out" / "carry"
        return sum(path.stat().st_size for path in carry.iterdir())


def test_without_a_way_back_a_loss_costs_no_more_than_up_to_the_next_full_one(
    tmp_path: Path,
) -> None:
    model = weights(1, tensors=2)
    with Vault.open(tmp_path / "v") as vault, Outbox.open(tmp_path / "o", full_every=3) as outbox:
        leaning = []
        for version in range(1, 8):
            files = {"m.safetensors": file_of(model)}
            snapshot = snapshots.model_version(version=str(version), ids=str(version), files=files)
            kept = vault.add(snapshot, packed_at=version)
            with vault.open_package(kept) as package:
                shipment, _ = outbox.send(package.snapshot(), made_at=version)
            assert shipment.package
            leaning.append(len(shipment.package.leans_on))
            model = tuned(model, version, step=0.002)
        assert leaning == [0, 1, 1, 0, 1, 1, 0]
        assert outbox.pending == []


def test_what_came_over_and_is_not_trusted_is_refused_before_anything_of_it_was_decompressed(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    with Vault.open(tmp_path / "v") as vault, Outbox.open(out) as outbox:
        kept = vault.add(snapshots.model_version(), packed_at=1)
        with vault.open_package(kept) as package:
            outbox.send(package.snapshot(), made_at=1)
    with Inbox.open(tmp_path / "in") as inbox:
        with decompressions() as calls:
            (taken,) = inbox.receive(out / "carry", trust=lab_trust(tmp_path), now=NOW)
        assert (taken.outcome, type(taken.error), calls) == ("refused", UnsignedError, [])
        (file,) = (out / "carry").glob("*.mlpkg")
        sign_file(file, [LAB])
        with decompressions() as calls:
            (taken,) = inbox.receive(out / "carry", trust=lab_trust(tmp_path), now=NOW)
        assert taken.outcome == "accepted"
        assert calls, "what counts decompressions counts none"
