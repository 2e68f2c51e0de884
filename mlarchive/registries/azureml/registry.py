"""One workspace or registry of Azure ML as a source and a target."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from mlarchive.closing import Closing
from mlarchive.errors import MlarchiveError, NotFoundError
from mlarchive.records import Address
from mlarchive.records.places import azureml_origin
from mlarchive.registries.azureml.access import access_to
from mlarchive.registries.azureml.assets import ControlPlane, Kind
from mlarchive.registries.azureml.listing import list_objects, see_changes
from mlarchive.registries.azureml.places import place_of
from mlarchive.registries.azureml.processes import SHARED
from mlarchive.registries.azureml.reading import read_object
from mlarchive.registries.azureml.sharing import Side, plan_share, share
from mlarchive.registries.azureml.storage import Storage
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.azureml.writing import held, plan, write
from mlarchive.registries.base import (
    Holding,
    Listing,
    Receipt,
    Ref,
    Selector,
    WritePlan,
    WritePolicy,
)
from mlarchive.registries.mlflow.patience import patience
from mlarchive.registries.notebooks.wanted import Wanted, wanted_from
from mlarchive.snapshot import Snapshot


class AzureMlRegistry(Closing):
    """A workspace or a registry; a context manager.

    Attributes:
        origin: The registry's own name, which mirrors remember.
    """

    def __init__(
        self,
        control: ControlPlane,
        storage: Storage,
        origin: str,
        held: contextlib.ExitStack,
        wanted: Wanted,
    ) -> None:
        self._control = control
        self._storage = storage
        self._held = held
        self._wanted = wanted
        self._looked: dict[tuple[str, str, str], tuple[bool, str]] = {}
        self.origin = origin

    @classmethod
    def open(
        cls,
        place: str,
        *,
        environment: Mapping[str, str],
        origin: str = "",
        interactive: bool = False,
    ) -> Self:
        """Start to connect; what is wrong is said when something is asked.

        Args:
            place: What follows `azureml://` in the locator.
            environment: Where credentials and configuration are.
            origin: Its own name; "" for its locator.
            interactive: Whether a person can be asked to log in.

        Raises:
            MlarchiveError: The locator or the configuration is wrong.
        """
        named = place_of(place)
        wanted = wanted_from(environment)
        access = access_to(named, environment, interactive=interactive)
        with contextlib.ExitStack() as opening:
            opening.enter_context(patience())
            borrowed = opening.enter_context(SHARED.borrow(access))
            control = ControlPlane(named, borrowed.process)
            storage = opening.enter_context(Storage(control))
            shown = origin or azureml_origin(named.locator)
            return cls(control, storage, shown, opening.pop_all(), wanted)

    def close(self) -> None:
        """Let go of the connection; streams of snapshots end with it."""
        self._held.close()

    def ls(self, selector: Selector) -> Iterator[Listing]:
        """List versions of models and environments."""
        yield from list_objects(self._control, self.origin, selector)

    def archived_unlisted(self) -> Sequence[str]:
        """What its lists left out so far since it is archived."""
        return tuple(self._control.unlisted)

    def lagging(self) -> Mapping[str, MlarchiveError]:
        """Names of which the last list did not show all, as they say themselves."""
        return dict(self._control.lagging)

    def has(self, address: Address) -> bool:
        """Whether a version is there, also where a list, which may be behind, does not show it."""
        kind: Kind = "environments" if address.kind == "environments" else "models"
        try:
            self._control.version(kind, address.name, address.version)
        except NotFoundError:
            return False
        return True

    def changes(self, selector: Selector) -> Iterator[Ref]:
        """See every selected version from afar; of one name newest first."""
        yield from see_changes(self._control, self.origin, selector)

    def read(self, address: Address) -> Snapshot:
        """Read one version with everything that hangs on it."""
        return read_object(self._control, self._storage, address, self._wanted)

    def holding(self, source: Address, policy: WritePolicy) -> Holding | None:
        """What this registry remembers of an object; None if it never got it whole."""
        return held(self._control, self.origin, source, policy)

    def plan_write(self, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:
        """Say what `write` would do now."""
        return plan(self._work(snapshot, policy))

    def write(self, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
        """Make this registry hold the snapshot."""
        return write(self._work(snapshot, policy))

    def share(self, address: Address, target: "AzureMlRegistry", policy: WritePolicy) -> Receipt:
        """Have a registry of the same tenant copy a version by itself."""
        return share(self._side(), target._side(), address, policy)  # noqa: SLF001  (of its own)

    def plan_share(
        self, address: Address, target: "AzureMlRegistry", policy: WritePolicy
    ) -> WritePlan:
        """What sharing a version would do."""
        return plan_share(self._side(), target._side(), address, policy)  # noqa: SLF001  (of its own)

    def _side(self) -> Side:
        return Side(self._control, self._storage, self.origin)

    def _work(self, snapshot: Snapshot, policy: WritePolicy) -> Work:
        return Work(
            control=self._control,
            storage=self._storage,
            origin=self.origin,
            snapshot=snapshot,
            policy=policy,
            looked=self._looked,
        )
