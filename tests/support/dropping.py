"""A mirror with a drop folder, and packages to drop into it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from mlarchive.pack import pack_file, pack_state
from mlarchive.package import Package
from mlarchive.vault import Vault
from mlarchived.ledger.ledger import FILE_NAME
from tests.support import snapshots
from tests.support.mirroring import Workbench

CONFIG = """\
[registries.dr]
locator = "vault:target"

[[mirror]]
name = "m"
vault = "vault"
targets = ["dr"]
every = "1h"
[mirror.drop]
folder = "inbox"
settle = "1s"
"""


def model_folder(folder: Path, content: str) -> None:
    """Make a model folder that says in its manifest that it is `stout`, version 1."""
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_text(content)
    (folder / "mlarchive.toml").write_text('name = "stout"\nversion = "1"\n')


class DropBench(Workbench):
    """A folder with a drop folder `inbox`, an `outside` to prepare things in, a `mirror.toml`."""

    def __init__(self, folder: Path, more: str = "") -> None:
        super().__init__(folder)
        self.inbox = folder / "inbox"
        self.outside = folder / "outside"
        self.inbox.mkdir()
        self.outside.mkdir()
        (folder / "mirror.toml").write_text(CONFIG + more)

    def package(self, name: str, content: bytes = b"x", **labels: str) -> Path:
        """A package of a folder with one file, outside the drop folder."""
        path = self.outside / f"{name}.mlpkg"
        snapshot = snapshots.folder({"weights.bin": content}, name=name, version="1", **labels)  # type: ignore[arg-type]
        pack_file(snapshot, path, packed_at=1_700_000_000_000)
        return path

    def thin(self, name: str, base: Path) -> Path:
        """A package that has the labels of a later state, and leans on another."""
        path = self.outside / f"{name}.mlpkg"
        with Package.open(base) as package:
            files = {"weights.bin": b"x" * 100_000}
            later = snapshots.folder(files, name="big", version="1", description="later")
            pack_state(later, package, path, packed_at=1_700_000_100_000)
        return path

    def standing(self) -> dict[str, Any]:
        """How the mirror stands at its vault, as `status` says it."""
        events = self.run("status", "--json").events
        (found,) = [e for e in events if e["event"] == "standing" and e["target"] == "vault:"]
        return found

    def lying(self, folder: str = "inbox") -> list[str]:
        """What lies in a folder, but for what is hidden."""
        place = self.folder / folder
        return sorted(p.name for p in place.iterdir() if not p.name.startswith("."))

    def claimed(self) -> list[str]:
        """The claims that are not done with, and what is left of those that are."""
        place = self.inbox / ".mlarchived"
        return sorted(p.name for p in place.glob("*") if p.name != "reserve")

    def reason(self, name: str) -> str:
        """Why something is in quarantine."""
        return (self.inbox / "quarantine" / f"{name}.reason.txt").read_text()

    def vaulted(self, folder: str = "vault") -> list[str]:
        """The names of the objects that a vault holds."""
        with Vault.open(self.folder / folder) as vault:
            return sorted(kept.address.name for kept in vault.counting())

    def noted(self) -> dict[str, list[str]]:
        """What the ledger says became of what was dropped: names by outcome."""
        import sqlite3

        connection = sqlite3.connect(self.folder / "state" / FILE_NAME)
        found: dict[str, list[str]] = {}
        for name, outcome in connection.execute("SELECT name, outcome FROM dropped ORDER BY name"):
            found.setdefault(outcome, []).append(name)
        connection.close()
        return found


def marker(path: Path, **changed: object) -> str:
    """The marker of a file, as a careful sender writes it."""
    raw = path.read_bytes()
    facts = {"size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    return json.dumps(facts | changed)
