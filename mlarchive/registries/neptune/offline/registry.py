"""A folder of stranded operations as a source: joins looking and reading."""

import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import msgspec

from mlarchive.closing import Closing
from mlarchive.errors import NotFoundError
from mlarchive.records import Address
from mlarchive.registries.base import Listing, Ref, Selector
from mlarchive.registries.folderfiles import walk
from mlarchive.registries.neptune.listing import addressed, meant
from mlarchive.registries.neptune.objects import NeptuneObject
from mlarchive.registries.neptune.offline.layout import Stranded, home_of, look
from mlarchive.registries.neptune.offline.locating import Whereabouts
from mlarchive.registries.neptune.offline.reading import head_of, joined, read_stranded
from mlarchive.registries.neptune.snapshots import snapshot
from mlarchive.snapshot import Snapshot


class NeptuneOfflineRegistry(Closing):
    """A folder `.neptune`, or the one that it is in.

    Attributes:
        origin: The registry's own name, which mirrors remember.
    """

    def __init__(self, folder: Path, *, origin: str, files_root: Path | None = None) -> None:
        """Look at nothing yet.

        Args:
            folder: Holds what clients left.
            origin: The registry's own name.
            files_root: Below which files are looked for; None for the project's folder.
        """
        self.origin = origin
        self._folder = folder
        self._whereabouts = Whereabouts(home_of(folder).parent, files_root)
        self._root = files_root

    def close(self) -> None:
        """Nothing is held open."""

    @cached_property
    def _known(self) -> dict[Address, tuple[Stranded, NeptuneObject]]:
        if self._root is not None and not self._root.is_dir():
            raise NotFoundError(
                f"{self._root} is no folder in which files could be", hint="check --files-root"
            )
        stranded = joined((one, head_of(one)) for one in look(self._folder))
        heads = [head_of(one) for one in stranded]
        places = {id(head): one for head, one in zip(heads, stranded, strict=True)}
        return {
            address: (places[id(head)], head)
            for address, head in addressed(heads, self.origin).items()
        }

    def ls(self, selector: Selector) -> Iterator[Listing]:
        """Every run that was left; models and versions, where a client left these."""
        heads = {address: head for address, (_, head) in self._known.items()}
        yield from meant(heads, selector, self.origin)

    def changes(self, selector: Selector) -> Iterator[Ref]:
        """Every object, with marks over its logs and where its files are looked for."""
        for listing in self.ls(selector):
            stranded, _ = self._known[listing.address]
            facts = [
                (folder.name, file.path, file.size, file.mtime_ns)
                for folder in stranded.folders
                for file in walk(folder)[0]
            ]
            root = str(self._root or "")
            mark = hashlib.sha256(msgspec.json.encode((facts, root))).hexdigest()
            yield Ref(
                address=listing.address,
                content_mark=mark,
                state_mark=mark,
                traits=listing.traits,
            )

    def read(self, address: Address) -> Snapshot:
        """An object as its operations make it, with the files that are still there."""
        if address not in self._known:
            raise NotFoundError(f"{self.origin} has no {address.kind}/{address.name}")
        stranded, _ = self._known[address]
        return snapshot(read_stranded(stranded, self._whereabouts), self.origin, address)
