"""Labels change at a source while writes to a target are cut off: `python -m tests.crash.labels`.

Two databases in this process, so that many storms take little time. Nobody touches the target: when
all is written at last, it must be labelled as the source, and no label may count as a person's.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from mlarchive.pack import pack, pack_file
from mlarchive.package import Package
from mlarchive.records import Address
from mlarchive.registries.base import Receipt, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.unpack import unpack

NAME = "wine"
VERSIONS = ("1", "2")
MERGE = WritePolicy(labels="merge")
ACTS = ("alias", "alias", "other alias", "tag", "description", "tag of the run")
"""What people do at the source, each as likely as it is often here."""

_MODEL_WRITES = (
    "set_model_version_tag",
    "delete_model_version_tag",
    "update_model_version",
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "set_registered_model_tag",
)
_TRACKING_WRITES = ("log_batch", "set_tag", "delete_tag", "update_run_info", "set_experiment_tag")


class CutOffError(Exception):
    """A write ends here."""


@dataclass(slots=True)
class Cut:
    """Where a target's writes are cut off.

    Attributes:
        left: So many are still done; -1 for all.
    """

    left: int = -1

    def around(self, store: Any, names: tuple[str, ...]) -> None:  # noqa: ANN401
        """Let some methods of a store be cut off."""
        for name in names:
            setattr(store, name, self._around(getattr(store, name)))

    def _around(self, do: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            if self.left == 0:
                raise CutOffError
            self.left -= self.left > 0
            return do(*arguments, **named)

        return call


@dataclass(slots=True)
class Storm:
    """A source, a target and what was packed of the one for the other.

    Attributes:
        rng: Decides everything.
        folder: For packages.
        people: At the source.
        source: With two versions of a model.
        target: Whose writes are cut off.
        cut: Where.
    """

    rng: random.Random
    folder: Path
    people: MlflowClient
    source: MlflowRegistry
    target: MlflowRegistry
    cut: Cut

    def act(self) -> None:
        """People change a label at the source."""
        version, word = self.rng.choice(VERSIONS), f"{self.rng.random():.4f}"
        match self.rng.choice(ACTS):
            case "alias":
                self.people.set_registered_model_alias(NAME, "champion", version)
            case "other alias":
                self.people.set_registered_model_alias(NAME, "other", version)
            case "tag":
                self.people.set_model_version_tag(NAME, version, "word", word)
            case "description":
                self.people.update_model_version(NAME, version, word)
            case _:
                run = self.people.get_model_version(NAME, version).run_id
                self.people.set_tag(str(run), "word", word)

    def pack(self, version: str) -> None:
        """Pack a version as it is labelled now."""
        path = self.folder / f"{version}.mlpkg"
        path.unlink(missing_ok=True)
        pack_file(self.source.read(_address(version)), path, packed_at=0)

    def deliver(self, version: str) -> Receipt | None:
        """Write what was packed last, unless the target holds it."""
        with Package.open(self.folder / f"{version}.mlpkg") as package:
            held = self.target.holding(_address(version), MERGE)
            wanted = (package.content_id, package.state_id)
            if held and (held.content_id, held.state_id) == wanted:
                return None
            return unpack(package, self.target, MERGE)

    def round(self) -> None:
        """Some acts, and writes of both versions, of which some are cut off."""
        for _ in range(self.rng.randrange(4)):
            self.act()
        for version in self.rng.sample(VERSIONS, len(VERSIONS)):
            if self.rng.random() < 0.8:
                self.pack(version)
            if self.rng.random() < 0.3:
                self.act()
            self.cut.left = self.rng.randrange(14) if self.rng.random() < 0.6 else -1
            try:
                receipt = self.deliver(version)
                assert receipt is None or not receipt.losses, receipt.losses
            except CutOffError:
                pass
            finally:
                self.cut.left = -1

    def rest(self) -> None:
        """Write all without an interruption, and compare both sides."""
        for version in VERSIONS:
            self.pack(version)
        for _ in range(4):
            receipts = [self.deliver(version) for version in VERSIONS]
        assert receipts == [None, None], "it does not come to rest"
        for version in VERSIONS:
            there, here = _ids(self.source, version), _ids(self.target, version)
            assert there == here, f"version {version} is labelled otherwise at the target"


def storm(databases: tuple[Path, Path], folder: Path, seed: int) -> None:
    """One storm between copies of two databases, as `seeded` makes them."""
    uris = []
    for database in databases:
        shutil.copy(database, folder / database.name)
        uris.append(f"sqlite:///{folder / database.name}")
    rng = random.Random(seed)  # noqa: S311  (reproducible)
    with (
        MlflowRegistry.open(uris[0], origin="prod") as source,
        MlflowRegistry.open(uris[1], origin="dr") as target,
    ):
        trial = Storm(rng, folder, MlflowClient(uris[0], uris[0]), source, target, Cut())
        trial.cut.around(target._connection.models, _MODEL_WRITES)  # noqa: SLF001
        trial.cut.around(target._connection.tracking, _TRACKING_WRITES)  # noqa: SLF001
        for version in VERSIONS:
            trial.pack(version)
            trial.deliver(version)
        for _ in range(14):
            trial.round()
        trial.rest()


def seeded(folder: Path) -> tuple[Path, Path]:
    """Two databases: one with a model of two versions, one with the experiment it will come to."""
    source, target = folder / "source.db", folder / "target.db"
    client = MlflowClient(f"sqlite:///{source}", f"sqlite:///{source}")
    client.search_experiments()
    # As it is now: to make such a database takes seconds.
    shutil.copy(source, target)
    made = client.create_experiment("taste", (folder / "source").as_uri())
    client.create_registered_model(NAME)
    for version in VERSIONS:
        run = client.create_run(made, run_name=f"run {version}").info.run_id
        client.log_text(run, version, "model/weights.txt")
        client.set_terminated(run)
        client.create_model_version(NAME, f"runs:/{run}/model", run)
    there = MlflowClient(f"sqlite:///{target}", f"sqlite:///{target}")
    there.create_experiment("taste", (folder / "target").as_uri())
    return source, target


def _address(version: str) -> Address:
    return Address(origin="prod", kind="models", name=NAME, version=version)


def _ids(registry: MlflowRegistry, version: str) -> tuple[str, str]:
    """What a version is and how it is labelled, read back and packed anew."""
    with Path(os.devnull).open("wb") as nowhere:
        packed = pack(registry.read(_address(version)), nowhere, packed_at=0)
    return packed.content_id, packed.state_id


def main() -> int:
    """Storm after storm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storms", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first; then one more each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        databases = seeded(Path(place))
        for seed in range(options.seed, options.seed + options.storms):
            with tempfile.TemporaryDirectory(dir=place) as folder:
                print(f"seed {seed}", flush=True)  # noqa: T201  (a command)
                storm(databases, Path(folder), seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
