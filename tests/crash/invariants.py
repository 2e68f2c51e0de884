"""The invariants of `spec/mlarchived.md`, clause 1, asked of the world after each crash."""

import contextlib
import io
import json
import os
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlarchive.records import Address
from mlarchive.registries.base import Selector, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.vault import Vault
from mlarchived.cli import main
from mlarchived.ledger.ledger import FILE_NAME


@dataclass(slots=True, kw_only=True)
class World:
    """Two servers and a mirror between them.

    Attributes:
        source: URI of the one.
        target: URI of the other.
        folder: Of the mirror's configuration, state and vault.
        contents: What the target was seen to hold, for good.
    """

    source: str
    target: str
    folder: Path
    contents: dict[Address, str] = field(default_factory=dict)
    _verified: set[tuple[str, int, int]] = field(default_factory=set)

    def check(self) -> None:
        """Invariants (a) to (d)."""
        self.check_packages()
        self.check_deliveries()
        self.check_plan()

    def check_packages(self) -> int:
        """(a): what has a package's final name verifies, with what it leans on."""
        if not (self.folder / "vault").is_dir():
            return 0
        with Vault.open(self.folder / "vault") as vault:
            assert vault.damaged() == []
            for kept in vault.find():
                facts = kept.path.stat()
                seen = (str(kept.path), facts.st_size, facts.st_mtime_ns)
                if seen not in self._verified:
                    with vault.open_package(kept) as package:
                        package.verify(full=True)
                        assert not package.missing()
                    self._verified.add(seen)
        return len(self._verified)

    def check_deliveries(self) -> int:
        """(b) and (d): what the ledger calls done is there, and is what it always was."""
        done = self._delivered()
        with MlflowRegistry.open(self.target, origin="dr") as target:
            for address, content_id in done.items():
                held = target.holding(address, WritePolicy())
                assert held is not None, f"the ledger says that {address} is at the target"
                assert held.content_id == content_id, f"{address} is other content"
                before = self.contents.setdefault(address, content_id)
                assert before == content_id, f"{address} was replaced by other content"
        return len(done)

    def check_plan(self) -> None:
        """(c): each version at the source is done, queued, excluded with a reason, or set aside."""
        shown = self.shown()
        planned = {
            event["object"] for event in self.mirrored("plan") if event["event"] == "planned"
        }
        assert shown <= planned

    def check_idle(self) -> None:
        """(e): another round does nothing."""
        *_, summary = self.mirrored("once")
        assert summary["event"] == "summary"
        assert set(summary["outcomes"]) <= {"keep", "unsettled", "wait"}, summary

    def left(self) -> list[str]:
        """What is to be done now, or never, and why; not what waits for a run that still logs."""
        return [
            f"{event['object']} -> {event['target']}: {event['verb']}, {event['reason']}"
            for event in self.mirrored("plan")
            if event["event"] == "planned" and event["verb"] not in {"keep", "unsettled"}
            if event["verb"] != "wait" or "comes first" not in event["reason"]
        ]

    def check_equal(self) -> int:
        """Both sides hold the same, once; how many versions that are."""
        theirs, ours = self._ids(self.source), self._ids(self.target)
        unlike = {key: (theirs.get(key), ours.get(key)) for key in theirs.keys() | ours.keys()}
        unlike = {key: sides for key, sides in unlike.items() if sides[0] != sides[1]}
        assert not unlike, f"these are not the same at the source and at the target: {unlike}"
        assert _runs(self.source) == _runs(self.target)
        return len(ours)

    def shown(self) -> set[str]:
        """What the source shows."""
        with MlflowRegistry.open(self.source, origin="prod") as registry:
            return {str(ref.address) for ref in registry.changes(Selector(kind="models"))}

    def mirrored(self, verb: str) -> list[dict[str, Any]]:
        """What a verb of `mlarchived` says."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
            status = main(["--config", str(self.folder / "mirror.toml"), verb, "--json"])
        events = [json.loads(line) for line in out.getvalue().splitlines()]
        assert status in {0, 3, 20}, (status, err.getvalue(), events[-3:])
        return events

    def _delivered(self) -> dict[Address, str]:
        path = self.folder / "state" / FILE_NAME
        if not path.exists():
            return {}
        connection = sqlite3.connect(path)
        if connection.execute("PRAGMA user_version").fetchone() == (0,):
            return {}  # Whoever made the file was killed before anything stood in it.
        rows = connection.execute(
            "SELECT o.origin, o.kind, o.name, o.version, d.content_id FROM delivery d"
            " JOIN object o ON o.id = d.object WHERE d.target = 'dr' AND d.content_id IS NOT NULL"
        ).fetchall()
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
        connection.close()
        assert sound == "ok"
        return {
            Address(origin=row[0], kind=row[1], name=row[2], version=row[3]): row[4] for row in rows
        }

    def _ids(self, uri: str) -> dict[str, tuple[str, str]]:
        """What each version is and how it is labelled, read back from a server and packed anew."""
        from mlarchive.pack import pack

        found = {}
        with MlflowRegistry.open(uri) as registry, Path(os.devnull).open("wb") as nowhere:
            for listing in registry.ls(Selector(kind="models")):
                packed = pack(registry.read(listing.address), nowhere, packed_at=0)
                key = f"{listing.address.name}/{listing.address.version}"
                assert key not in found
                found[key] = (packed.content_id, packed.state_id)
        return found


def _runs(uri: str) -> Counter[str]:
    """How many living runs of each name there are."""
    from mlflow import MlflowClient

    client = MlflowClient(uri, uri)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return Counter(run.info.run_name for run in client.search_runs(ids, max_results=10_000))
