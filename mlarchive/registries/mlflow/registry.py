"""One MLflow registry as a source and a target: joins reading, listing and writing.

Options come by argument; mlflow's client reads the variables that its users know. Every error
that leaves here is one of this project's.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Self

from mlarchive.closing import Closing
from mlarchive.errors import MlarchiveError
from mlarchive.records import Address
from mlarchive.registries.base import (
    Choose,
    Holding,
    Listing,
    Receipt,
    Ref,
    Selector,
    WritePlan,
    WritePolicy,
)
from mlarchive.registries.mlflow import forgetting, marks
from mlarchive.registries.mlflow.changes import see_changes
from mlarchive.registries.mlflow.connection import Connection, connect, place_of
from mlarchive.registries.mlflow.databricks import connect_workspace
from mlarchive.registries.mlflow.entirety import brought_by, everything_at
from mlarchive.registries.mlflow.failures import speaking
from mlarchive.registries.mlflow.holding import all_held, held
from mlarchive.registries.mlflow.listing import list_objects
from mlarchive.registries.mlflow.patience import patience
from mlarchive.registries.mlflow.presence import is_there
from mlarchive.registries.mlflow.reading import read_object
from mlarchive.registries.mlflow.writing import plan, write
from mlarchive.registries.notebooks.wanted import NONE_WANTED, Wanted, Workspace
from mlarchive.registries.turns import turn
from mlarchive.snapshot import Snapshot


class MlflowRegistry(Closing):
    """A tracking server with its model registry; a context manager.

    Attributes:
        origin: The registry's own name, which mirrors remember.
    """

    def __init__(self, connection: Connection, origin: str, held: contextlib.ExitStack) -> None:
        self._connection = connection
        self._held = held
        self.origin = origin

    @classmethod
    def open(
        cls,
        uri: str,
        *,
        origin: str = "",
        notebooks: Wanted = NONE_WANTED,
        workspace: Workspace | None = None,
    ) -> Self:
        """Connect to a registry.

        Args:
            uri: `http://…`, `https://…` or `sqlite:///…`, without credentials; of a workspace
                `databricks` or `databricks://PROFILE`.
            origin: Its own name; "" for its locator.
            notebooks: Which are fetched with the runs that they made.
            workspace: The Databricks workspace that the URI means.

        Raises:
            MlarchiveError: As `connect`.
        """
        with contextlib.ExitStack() as opening:
            opening.enter_context(patience())
            connection = connect_workspace(uri, workspace) if workspace else connect(uri)
            connection = replace(connection, notebooks=notebooks)
            return cls(connection, origin or f"mlflow+{uri.rstrip('/')}", opening.pop_all())

    @property
    def place(self) -> str:
        """Its address, in one spelling of several."""
        return place_of(self._connection.uri)

    def close(self) -> None:
        """Let go of the connection; streams of snapshots end with it."""
        self._held.close()

    def ls(self, selector: Selector) -> Iterator[Listing]:
        """List objects of a kind; without one, of all kinds but runs."""
        with speaking(self._connection.uri):
            yield from list_objects(self._connection, self.origin, selector)

    def changes(self, selector: Selector) -> Iterator[Ref]:
        """See every selected object from afar; versions and runs newest first."""
        with speaking(self._connection.uri):
            yield from see_changes(self._connection, self.origin, selector)

    def has(self, address: Address) -> bool:
        """Whether a run, a registered model or a prompt is there, though a version brings it."""
        with speaking(self._connection.uri):
            return is_there(self._connection, address)

    def lagging(self) -> Mapping[str, MlarchiveError]:
        """Of which kinds the server let nobody list any, and why."""
        return dict(self._connection.denied)

    def everything(self, choose: Choose = list) -> Iterator[Address]:
        """All objects that are wanted, in the order in which a target gets them."""
        with speaking(self._connection.uri):
            yield from everything_at(self._connection, self.origin, choose)

    def read(self, address: Address) -> Snapshot:
        """Read one object with everything that hangs on it."""
        with speaking(self._connection.uri):
            return read_object(self._connection, address)

    def brought(self, version: Address) -> Iterator[tuple[Address, Callable[[], Snapshot]]]:
        """The run and the registered model of a version."""
        with speaking(self._connection.uri):
            for address in brought_by(self._connection, version):
                yield address, partial(self.read, address)

    def holding(self, source: Address, policy: WritePolicy) -> Holding | None:
        """What this registry remembers of an object; None if it never got it whole."""
        with speaking(self._connection.uri):
            return held(self._connection, self.origin, source, policy)

    def holdings(self, sources: Sequence[Address], policy: WritePolicy) -> Iterator[Holding | None]:
        """What `holding` says of each, in their order."""
        with speaking(self._connection.uri):
            yield from all_held(self._connection, self.origin, sources, policy)

    def delete(self, source: Address, policy: WritePolicy) -> None:
        """Delete what this registry holds of an object."""
        with speaking(self._connection.uri), turn(self._connection.uri):
            if found := held(self._connection, self.origin, source, policy):
                forgetting.delete(self._connection, found, marks.origin_mark(source))

    def touched(self, source: Address, policy: WritePolicy) -> str:
        """With what people labelled what this registry holds of an object."""
        with speaking(self._connection.uri):
            found = held(self._connection, self.origin, source, policy)
            return forgetting.touched(self._connection, found) if found else ""

    def mark_gone(self, source: Address, policy: WritePolicy, *, since: int) -> None:
        """Say of what this registry holds of an object that this is gone from its source."""
        with speaking(self._connection.uri), turn(self._connection.uri):
            if found := held(self._connection, self.origin, source, policy):
                forgetting.mark_gone(self._connection, found, since=since)

    def plan_write(self, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:
        """Say what `write` would do now."""
        with speaking(self._connection.uri):
            return plan(self._connection, self.origin, snapshot, policy)

    def write(self, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
        """Make this registry hold the snapshot."""
        with speaking(self._connection.uri), turn(self._connection.uri):
            return write(self._connection, self.origin, snapshot, policy)
