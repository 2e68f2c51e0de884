"""A mirror to try things on: a source vault of small objects, a configuration, the command."""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlarchive.records import Address
from mlarchive.registries.directory import DirectoryRegistry, labelled
from mlarchive.vault import Kept, Vault
from mlarchived.cli import main

CONFIG = """\
[registries.src]
locator = "vault:source"
[registries.dr]
locator = "vault:target"
[registries.folder]
locator = "dir:folder"
[registries.down]
locator = "mlflow+http://127.0.0.1:9"

[[mirror]]
name = "m"
source = "src#folders/*"
targets = ["dr"]
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(slots=True)
class Workbench:
    """A folder with a source vault `source` and a `mirror.toml`."""

    folder: Path
    _packed_at: int = field(default=1_700_000_000_000)

    def configure(self, *changes: tuple[str, str], mirror: str = "") -> None:
        """Write the configuration, with some of its text replaced, and more for the mirror."""
        text = CONFIG
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        (self.folder / "mirror.toml").write_text(text + mirror, encoding="utf-8")

    def put(
        self,
        name: str,
        content: str,
        *,
        version: str = "1",
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> Kept:
        """Put an object with one file into the source, in place of its last version of the name."""
        files = self.folder / "files" / name
        files.mkdir(parents=True, exist_ok=True)
        (files / "weights.bin").write_text(content, encoding="utf-8")
        registry = DirectoryRegistry(files, origin="lab")
        (ref,) = registry.changes(_everything())
        snapshot = labelled(
            registry.read(ref.address),
            name=name,
            version=version,
            description=description,
            tags=dict(tags or {}),
        )
        self._packed_at += 1000
        with Vault.open(self.folder / "source") as vault:
            return vault.add(snapshot, packed_at=self._packed_at)

    def run(self, *arguments: str) -> Answer:
        """Run `mlarchived` in this process, on the configuration."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main(["--config", str(self.folder / "mirror.toml"), *arguments])
        assert "Traceback" not in err.getvalue()
        return Answer(status, out.getvalue(), err.getvalue())

    def held(self, folder: str = "target") -> dict[Address, tuple[str, str]]:
        """What a vault holds: the ids that count, by address."""
        with Vault.open(self.folder / folder) as vault:
            return {kept.address: (kept.content_id, kept.state_id) for kept in vault.counting()}

    def files(self) -> Iterator[tuple[str, int, int]]:
        """Every file but the ledger's, with size and time: to see that nothing was touched."""
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and "state" not in path.relative_to(self.folder).parts[:1]:
                facts = path.stat()
                yield str(path), facts.st_size, facts.st_mtime_ns


def _everything() -> Any:  # noqa: ANN401
    from mlarchive.registries.base import Selector

    return Selector()


def stocked(folder: Path) -> Workbench:
    """A configured bench whose source has the first version of an ale, a beer and a cider."""
    bench = Workbench(folder)
    bench.configure()
    for name in ("ale", "beer", "cider"):
        bench.put(name, f"{name} 1")
    return bench


def versions(bench: Workbench, folder: str = "target") -> list[str]:
    """The versions that a vault holds."""
    return sorted(address.version for address in bench.held(folder))


def lose(bench: Workbench, version: str, folder: str = "source") -> None:
    """Remove a version of `ale` from a vault's folder, as a person does."""
    for path in (bench.folder / folder).rglob(f"ale/{version}~*.mlpkg"):
        path.unlink()
