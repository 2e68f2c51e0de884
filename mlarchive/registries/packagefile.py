"""`FILE.mlpkg`: one package as a registry that can be read.

It holds the object it is about and, one by one, the records that hang on it: a run of a package
is an object of its own, with what it refers to. Objects keep the origin that the package states.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

from mlarchive.closing import Closing
from mlarchive.errors import NotFoundError
from mlarchive.package import Package
from mlarchive.records import (
    Address,
    AnyRecord,
    Environment,
    File,
    ModelVersion,
    Prompt,
    PromptVersion,
    RegisteredModel,
)
from mlarchive.registries.base import Listing, Ref, Selector
from mlarchive.registries.parting import address_of, part_of
from mlarchive.registries.selecting import selects
from mlarchive.registries.tree import files_of
from mlarchive.snapshot import Snapshot
from mlarchive.trust import Trust, open_package


class PackageRegistry(Closing):
    """An open package and its records."""

    def __init__(self, package: Package, path: Path) -> None:
        """Take over an open package; it is closed with the registry."""
        self.package = package
        self._path = path
        self._snapshot = package.snapshot()

    @classmethod
    def open(cls, path: Path, trust: Trust | None = None) -> Self:
        """Open a package file.

        Raises:
            UntrustedError: The policy does not trust it.
            NotFoundError: There is no such file.
            FormatError: It is no sound package.
        """
        return cls(open_package(path, trust), path)

    def close(self) -> None:
        """Let go of what is held open."""
        self.package.close()

    @property
    def origin(self) -> str:
        """Where the package says that it is from."""
        return self._snapshot.address.origin

    def ls(self, selector: Selector) -> Iterator[Listing]:
        """The records of the package, its subject first.

        Raises:
            NotFoundError: The selector names a record that the package has not.
        """
        for record in self._selected(selector):
            yield self._listing(record)

    def changes(self, selector: Selector) -> Iterator[Ref]:
        """The package's subject; its ids are the marks."""
        address = self._snapshot.address
        if selects(selector, address):
            yield Ref(
                address=address,
                content_mark=self.package.content_id,
                state_mark=self.package.state_id,
                origin=str(address),
            )

    def read(self, address: Address) -> Snapshot:
        """The whole package for its subject, else a record with all that it refers to."""
        if address == self._snapshot.address:
            return self._snapshot
        for record in self._snapshot.records:
            if address_of(self._snapshot, record) == address:
                return part_of(self._snapshot, record, address)
        raise NotFoundError(f"{self._path} holds no {address}")

    def package_of(self, address: Address) -> Package | None:
        """The package, if it is about that object."""
        return self.package if address == self._snapshot.address else None

    def _selected(self, selector: Selector) -> list[AnyRecord]:
        subject = self._snapshot.subject
        records = sorted(self._snapshot.records, key=lambda r: (r.key != subject, r.key))
        # Without a name, what only describes other records would be noise.
        found = [record for record in records if self._means(selector, record)]
        if not selector.kind:
            found = [r for r in found if not isinstance(r, RegisteredModel | Environment)]
        if any(isinstance(record, PromptVersion) for record in found):
            # Both are called `prompts/NAME`, and the prompt comes with its version.
            found = [record for record in found if not isinstance(record, Prompt)]
        if not found and selector.name:
            raise NotFoundError(
                f"{self._path} holds no {selector.kind}/{selector.name} as named",
                hint=f"`mlarchive ls {self._path}` lists what it holds",
            )
        return found

    def _means(self, selector: Selector, record: AnyRecord) -> bool:
        if selector.alias and selector.alias not in getattr(record, "aliases", ()):
            return False
        address = address_of(self._snapshot, record)
        by_key = msgspec.structs.replace(address, name=record.key)
        by_id = msgspec.structs.replace(address, name=record.native.id or record.key)
        match selector.named:
            case "name":
                return selects(selector, address)
            case "id":
                return selects(selector, by_id) or selects(selector, by_key)
            case _:
                return any(selects(selector, a) for a in (address, by_id, by_key))

    def _listing(self, record: AnyRecord) -> Listing:
        address = address_of(self._snapshot, record)
        whole = record.key == self._snapshot.subject
        streams = self._snapshot.streams_of(record.key)
        files = [stream.entry for stream in streams if isinstance(stream.entry, File)]
        facts = {"record": record.key, "files": str(len(files)), **_facts(record)}
        if isinstance(record, ModelVersion) and record.root:
            files = [leaf.stream.entry for leaf in files_of(self._snapshot, record.key)]  # type: ignore[misc]
            facts["files"] = str(len(files))
        return Listing(
            address=address,
            title=getattr(record, "name", ""),
            facts=facts,
            size=sum(file.size for file in files),
            content_id=self.package.content_id if whole else "",
            state_id=self.package.state_id if whole else "",
        )


def _facts(record: AnyRecord) -> dict[str, str]:
    """What a person wants to see of a record in one line."""
    facts = {
        "aliases": ",".join(getattr(record, "aliases", ())),
        "stage": getattr(record, "stage", ""),
        "status": getattr(record, "status", ""),
        "params": str(len(getattr(record, "params", ())) or ""),
        "metrics": str(len(getattr(record, "metrics", ())) or ""),
        "traces": str(getattr(record, "count", "") or ""),
    }
    return {name: text for name, text in facts.items() if text}
