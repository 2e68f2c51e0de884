"""Two machines and discs between them: a source that changes, an outbox, an inbox, and bad luck."""

import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from mlarchive.errors import MlarchiveError
from mlarchive.records import Address
from mlarchive.transfer.inbox import Inbox
from mlarchive.transfer.media import Taken
from mlarchive.transfer.outbox import Outbox
from mlarchive.vault import Vault
from tests.support import snapshots
from tests.support.models import Weights, file_of, merged, tuned, weights

Ids = tuple[str, str]

STRETCH = re.compile("shipments? ([0-9]+)(?: to ([0-9]+))? of")


class Gap:
    """A stream over a gap, with discs that are lost, come late or again, and are damaged."""

    def __init__(self, folder: Path, seed: int, *, full_every: int | None = None) -> None:
        self.seed = seed
        self.rng = random.Random(seed)  # noqa: S311  (reproducible)
        self.folder = folder
        self.source = Vault.open(folder / "source")
        self.outbox = Outbox.open(folder / "out", full_every=full_every)
        self.inbox = Inbox.open(folder / "in")
        self.living: dict[Address, Ids] = {}
        self._models: dict[str, Weights] = {}
        self._versions: dict[Address, tuple[str, str, bytes]] = {}
        self._discs: list[Path] = []
        self._now = 0

    def close(self) -> None:
        for opened in (self.source, self.outbox, self.inbox):
            opened.close()

    # --- the source

    def change(self) -> None:
        """Something happens at the source, and is sent."""
        choices = [self._new_version]
        if self._versions:
            choices += [self._new_version, self._move_alias, self._edit, self._delete]
        self.rng.choice(choices)()

    def _new_version(self) -> None:
        name = self.rng.choice(["wine", "beer"])
        before = self._models.get(name)
        seed = self.rng.randrange(1 << 30)
        if before is None:
            model = weights(seed, tensors=2)
        else:
            model = self.rng.choice([tuned, merged])(before, seed)
        self._models[name] = model
        self._now += 1
        self._put(name, str(self._now), file_of(model), alias="")

    def _move_alias(self) -> None:
        name, version, raw = self._versions[self._some()]
        self._put(name, version, raw, alias=f"a{self.rng.randrange(1000)}")

    def _edit(self) -> None:
        name, version, raw = self._versions[self._some()]
        self._put(name, version, raw[:-1] + self.rng.randbytes(1), alias="edited")

    def _delete(self) -> None:
        address = self._some()
        del self._versions[address], self.living[address]
        self._now += 1
        self.outbox.bury(address, made_at=self._now)

    def _some(self) -> Address:
        return self.rng.choice(sorted(self._versions, key=str))

    def _put(self, name: str, version: str, raw: bytes, *, alias: str) -> None:
        self._now += 1
        snapshot = snapshots.model_version(
            name=name,
            version=version,
            ids=f"{name}-{version}",
            aliases=(alias,) if alias else (),
            files={"model.safetensors": raw, **snapshots.MODEL_FILES},
        )
        kept = self.source.add(snapshot, packed_at=self._now)
        with self.source.open_package(kept) as package:
            self.outbox.send(package.snapshot(), made_at=self._now)
        self._versions[kept.address] = (name, version, raw)
        self.living[kept.address] = (kept.content_id, kept.state_id)

    # --- the way

    def burn(self, *, luck: bool = False) -> None:
        """What is to be carried goes onto a disc: all of it, or what bad luck leaves of it."""
        disc = self.folder / f"disc-{len(self._discs)}"
        disc.mkdir()
        for path in sorted((self.folder / "out" / "carry").iterdir()):
            if path.is_file() and (luck or self.rng.random() > 0.25):
                shutil.copy(path, disc)
                if not luck and self.rng.random() < 0.15:
                    self._damage(disc / path.name)
        self._discs.append(disc)

    def _damage(self, path: Path) -> None:
        raw = bytearray(path.read_bytes())
        at = self.rng.randrange(len(raw))
        if self.rng.random() < 0.5:
            raw[at] ^= 1 << self.rng.randrange(8)
        else:
            del raw[at:]
        path.write_bytes(raw)

    def carry(self, *, luck: bool = False) -> list[Taken]:
        """A disc arrives: the last one, or any that was burnt before, or none."""
        if not luck and self.rng.random() < 0.2:
            return []
        disc = self._discs[-1] if luck else self.rng.choice(self._discs[-6:])
        return self.inbox.receive(disc, now=self._now)

    def bring_back(self, *, luck: bool = False) -> None:
        """Receipts come back, or do not, or are damaged."""
        for path in sorted((self.folder / "in" / "receipts").glob("*.receipt.json")):
            if not luck and self.rng.random() < 0.4:
                continue
            copy = self.folder / path.name
            shutil.copy(path, copy)
            if not luck and self.rng.random() < 0.2:
                self._damage(copy)
            try:
                self.outbox.take_receipt(copy)
            except MlarchiveError:
                if luck:
                    raise

    # --- what is so

    def arrived(self) -> dict[Address, Ids]:
        """What is at the target, whole."""
        found = {}
        for kept in self.inbox.living():
            with self.inbox.vault.open_package(kept) as package:
                assert not package.missing(), f"seed {self.seed}: {kept.path} is not whole"
            found[kept.address] = (kept.content_id, kept.state_id)
        return found

    def told(self, taken: list[Taken]) -> Iterator[str]:
        """What the target says must be brought."""
        yield from (one.why for one in taken if one.outcome in {"waits", "damaged"})
        for stream in self.inbox.streams:
            yield from self.inbox.missing(stream)


def run(gap: Gap, rounds: int) -> None:
    """So many rounds of changes and bad luck, then two of good luck: both sides are equal then."""
    for _ in range(rounds):
        gap.change()
        gap.burn()
        taken = gap.carry()
        gap.bring_back()
        if gap.arrived() != gap.living:
            # Whatever is lacking is known to the sender, or is said by the receiver.
            assert gap.outbox.pending or any(gap.told(taken)), f"seed {gap.seed}"
        _check_what_is_said(gap)
    for _ in range(2):
        gap.burn(luck=True)
        gap.carry(luck=True)
        gap.bring_back(luck=True)
    assert not gap.outbox.pending, f"seed {gap.seed}"
    assert not list(gap.told([])), f"seed {gap.seed}"
    assert gap.arrived() == gap.living, f"seed {gap.seed}"
    for kept in gap.inbox.living():
        with gap.inbox.vault.open_package(kept) as package:
            assert package.verify().missing == 0, f"seed {gap.seed}"
    assert not list((gap.folder / "out" / "carry").iterdir()), f"seed {gap.seed}"


def _check_what_is_said(gap: Gap) -> None:
    """The receiver names just the numbers below its last that it has not."""
    for stream in gap.inbox.streams:
        numbers = {number for _, number in gap.inbox.accepted(stream)}
        missed = [n for n in range(1, max(numbers)) if n not in numbers]
        said = [
            number
            for text in gap.inbox.missing(stream)
            for first, last in [STRETCH.match(text).groups()]  # type: ignore[union-attr]
            for number in range(int(first), int(last or first) + 1)
        ]
        assert said == missed
