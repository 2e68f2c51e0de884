"""One export as a source: joins looking and reading."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import msgspec

from mlarchive.closing import Closing
from mlarchive.errors import NotFoundError
from mlarchive.records import Address, Loss
from mlarchive.registries.base import Listing, Ref, Selector
from mlarchive.registries.folderfiles import walk
from mlarchive.registries.neptune.archives import Archives
from mlarchive.registries.neptune.export.clock import Clock
from mlarchive.registries.neptune.export.errorlog import read_log
from mlarchive.registries.neptune.export.gathering import Reader
from mlarchive.registries.neptune.export.layout import Exported, look, unwritten
from mlarchive.registries.neptune.export.reading import read_object
from mlarchive.registries.neptune.export.rows import Rows
from mlarchive.registries.neptune.listing import addressed, meant
from mlarchive.registries.neptune.objects import NeptuneObject
from mlarchive.registries.neptune.snapshots import SYS, snapshot
from mlarchive.registries.neptune.stages import Models
from mlarchive.snapshot import Snapshot


class NeptuneExportRegistry(Closing):
    """A folder that neptune-exporter wrote.

    Attributes:
        origin: The registry's own name, which mirrors remember.
    """

    def __init__(self, folder: Path, *, origin: str, timezone: str = "") -> None:
        """Look at nothing yet.

        Args:
            folder: Holds `data` and `files`, or `model_data` and `model_files`.
            origin: The registry's own name.
            timezone: Of the machine that exported; "" for UTC.

        Raises:
            UsageError: There is no such time zone.
        """
        self.origin = origin
        self._folder = folder
        self._clock = Clock(timezone)
        self._archives = Archives()

    def close(self) -> None:
        """Close the archives."""
        self._archives.close()

    @cached_property
    def _reader(self) -> Reader:
        return Reader(
            rows=Rows(), archives=self._archives, clock=self._clock, log=read_log(self._folder)
        )

    @cached_property
    def _heads(self) -> dict[Address, tuple[Exported, NeptuneObject]]:
        """Every object with its `sys/`, and where it is."""
        found = look(self._folder)
        places = (*found, *unwritten(self._folder, found, self._reader.log))
        heads = [(exported, _head(exported, self._reader)) for exported in places]
        models = Models(head for _, head in heads)
        joined = [models.joined(head) for _, head in heads]
        homes = {id(one): exported for one, (exported, _) in zip(joined, heads, strict=True)}
        return {
            address: (homes[id(one)], one)
            for address, one in addressed(joined, self.origin).items()
        }

    def ls(self, selector: Selector) -> Iterator[Listing]:
        """Runs, models and model versions, with how much of each is known to be lost."""
        known = {address: head for address, (_, head) in self._heads.items()}
        yield from meant(known, selector, self.origin)

    def changes(self, selector: Selector) -> Iterator[Ref]:
        """Every object, with marks over its parts and its files as they lie there."""
        files: dict[Path, str] = {}
        for listing in self.ls(selector):
            exported, head = self._heads[listing.address]
            if exported.files not in files:
                files[exported.files] = _files(exported.files)
            looks = _mark(_parts(exported), files[exported.files], self._clock.name)
            yield Ref(
                address=listing.address,
                content_mark=looks,
                state_mark=_mark(head.aliases, head.model_attributes, _parts(exported)),
                traits=listing.traits,
            )

    def read(self, address: Address) -> Snapshot:
        """An object with all that was exported of it and is still whole."""
        if address not in self._heads:
            raise NotFoundError(f"{self.origin} has no {address.kind}/{address.name}")
        exported, head = self._heads[address]
        found = replace(
            read_object(exported, self._reader),
            aliases=head.aliases,
            model_attributes=head.model_attributes,
        )
        if head.kind == "model-version" and not head.model_attributes:
            why = f"the model {head.model} is not in the export: its own labels are not known"
            loss = Loss(record=found.called, field="model", why=why)
            found = replace(found, losses=(loss, *found.losses))
        return snapshot(found, self.origin, address)


def _head(exported: Exported, reader: Reader) -> NeptuneObject:
    """An object with its `sys/`; one of which nothing can be read goes by its file's name."""
    return read_object(exported, reader, only=SYS)


def _parts(exported: Exported) -> list[tuple[str, int, int]]:
    facts = [(part, part.lstat()) for part in exported.parts]
    return [(part.name, fact.st_size, fact.st_mtime_ns) for part, fact in facts]


def _files(folder: Path) -> str:
    """A digest over names, sizes and times of the files of a project."""
    return _mark([(f.path, f.size, f.mtime_ns) for f in walk(folder)[0]] if folder.is_dir() else [])


def _mark(*parts: object) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
