"""`innereye:DIR`: the folder that `move_model.py` was given as `--path`, or one model's in it."""

from collections.abc import Iterator
from pathlib import Path

from mlarchive.closing import Closing
from mlarchive.errors import DamageError, NotFoundError
from mlarchive.records import Address
from mlarchive.registries.base import (
    Holding,
    Listing,
    Receipt,
    Ref,
    Selector,
    WritePlan,
    WritePolicy,
)
from mlarchive.registries.innereye.listing import find, list_objects, see_changes
from mlarchive.registries.innereye.reading import read_folder
from mlarchive.registries.innereye.writing import held, plan, write
from mlarchive.snapshot import Snapshot

_MEND = "restore the folder from a backup; a model's own folder can be named too"


class InnerEyeRegistry(Closing):
    """A folder of models as the classic script lays them out.

    Attributes:
        origin: The registry's own name, which mirrors remember.
    """

    def __init__(self, folder: Path, *, origin: str) -> None:
        """Look at nothing yet.

        Args:
            folder: As a target it need not exist.
            origin: The registry's own name.
        """
        self.origin = origin
        self._folder = folder

    def close(self) -> None:
        """Nothing is held open."""

    def ls(self, selector: Selector) -> Iterator[Listing]:
        """Model versions."""
        yield from list_objects(self._folder, self.origin, selector)

    def changes(self, selector: Selector) -> Iterator[Ref]:
        """Model versions from afar."""
        yield from see_changes(self._folder, self.origin, selector)

    def read(self, address: Address) -> Snapshot:
        """A version with its environment, and whatever else lies in its folder."""
        wanted = Selector(kind=address.kind, name=address.name, version=address.version)
        for item, found in find(self._folder, self.origin, wanted):
            if item.trouble:
                raise DamageError(item.trouble, hint=_MEND)
            if found == address:
                return read_folder(item.place, found)
        raise NotFoundError(f"{self.origin} has no {address.kind}/{address.name}/{address.version}")

    def holding(self, source: Address, policy: WritePolicy) -> Holding | None:
        """What the folder remembers of an object; None if it does not have it."""
        return held(self._folder, self.origin, source, policy)

    def plan_write(self, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:
        """Say what `write` would do now."""
        return plan(self._folder, self.origin, snapshot, policy)

    def write(self, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
        """Make the folder hold the snapshot."""
        return write(self._folder, self.origin, snapshot, policy)
