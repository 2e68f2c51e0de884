"""This project's own adapter, opened on places of the emulator."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mlarchive.copy import Copied, Way, copy
from mlarchive.records import Address
from mlarchive.registries.azureml import AzureMlRegistry
from mlarchive.registries.base import Source, Target, WritePolicy
from tests.support.azureml import Emulator, Place, Principal
from tests.support.command import environment

Open = Callable[..., AzureMlRegistry]

POLICY = WritePolicy()
POLICIES = (POLICY, WritePolicy(conflict="new-version"), WritePolicy(versions="next"))
"""By which what is there already stays the same."""


@pytest.fixture
def opened(azureml: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a place with the environment of its tenant; all are closed at the end.

    As commands do, or with a name that a configuration gives (`called`), as mirrors do.
    """
    # Blobs are read by this very process.
    for name, value in azureml.variables.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:

        def open_place(
            place: Place, principal: Principal | None = None, *, called: str = "", **more: str
        ) -> AzureMlRegistry:
            variables = environment(azureml.environment(place.tenant, principal) | more)
            registry = AzureMlRegistry.open(
                place.locator.removeprefix("azureml://"), environment=variables, origin=called
            )
            return stack.enter_context(registry)

        yield open_place


def address(place: Place, kind: str, name: str, version: str) -> Address:
    """A version of a place, as its own registry calls it."""
    return Address(origin=place.locator, kind=kind, name=name, version=version)


def carry(
    source: Source, what: Address, target: Target, scratch: Path, policy: WritePolicy = POLICY
) -> Copied:
    """Copy one object by way of a package."""
    return copy(source.read(what), target, policy, Way(scratch=scratch, packed_at=0))
