"""A copy that meets a fault finishes, or it fails with a clear error and a rerun finishes it."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlarchive.closing import Closing
from mlarchive.errors import MlarchiveError
from mlarchive.registries.azureml import AzureMlRegistry
from tests.integration.azureml.registries import address, carry
from tests.support.azureml import Emulator, Fault, Place
from tests.support.command import environment

FILES = {"MLmodel": b"flavors: {}\n", "data/weights.bin": bytes(range(256)) * 400, "empty": b""}


class Ends(Closing):
    """Both ends of copies, opened when they are needed and kept open while all goes well.

    Attributes:
        emulator: Where they are.
        source: A workspace.
        target: A workspace or a registry.
    """

    def __init__(self, emulator: Emulator, source: Place, target: Place) -> None:
        """Open nothing yet."""
        self.emulator = emulator
        self.source = source
        self.target = target
        self._open: dict[str, AzureMlRegistry] = {}

    def opened(self, place: Place) -> AzureMlRegistry:
        """An end, with a process of its own that has the variables of its tenant."""
        if place.id not in self._open:
            variables = environment(self.emulator.environment(place.tenant))
            self._open[place.id] = AzureMlRegistry.open(
                place.locator.removeprefix("azureml://"), environment=variables
            )
        return self._open[place.id]

    def close(self) -> None:
        """Begin anew next time, as another command does."""
        while self._open:
            self._open.popitem()[1].close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a trial.

    Attributes:
        requests: How many the copy made in all.
        error: How it failed at first; "" if it did not.
    """

    requests: int
    error: str = ""


def trial(ends: Ends, name: str, fault: Fault | None = None, at: int = 0) -> Outcome:
    """Copy a new model and its environment while something goes wrong, until it is there.

    Args:
        ends: Of the copy.
        name: Of the model and its environment; no other trial may have it.
        fault: What goes wrong; None for nothing.
        at: At which request, from 1.

    Raises:
        AssertionError: It failed without a clear error, or a rerun did not finish it.
    """
    emulator, source, target = ends.emulator, ends.source, ends.target
    emulator.put_environment(source, name, "1", image="ubuntu:22.04", condaFile=f"name: {name}\n")
    tags = {"python_environment_name": name}
    emulator.put_model(source, name, "3", FILES, tags=tags)
    before = len(emulator.requests)
    if fault:
        emulator.faults.plan(fault, at)
    error = _attempt(ends, name)
    requests = len(emulator.requests) - before
    emulator.faults.clear()
    if error or fault == "expire":
        ends.close()
    if error:
        again = _attempt(ends, name)
        assert again == "", f"{fault} at {at}: {error}; and again: {again}"
    assert emulator.files_of(target, name, "3") == FILES
    stated = target.version("models", name, "3")["properties"]
    assert stated["tags"]["python_environment_name"] == name
    environment = target.version("environments", name, "1")["properties"]
    assert environment["condaFile"] == f"name: {name}\n"
    assert set(target.of("models")[name].versions) == {"3"}
    assert set(target.of("environments")[name].versions) == {"1"}
    assert emulator.wire.leaks == ()
    return Outcome(requests=requests, error=error)


def _attempt(ends: Ends, name: str) -> str:
    """Copy once, as a command does; gives the error, which must be one of ours."""
    what = address(ends.source, "models", name, "3")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            carry(ends.opened(ends.source), what, ends.opened(ends.target), Path(scratch))
        except MlarchiveError as error:
            return f"{error.code}: {error.message}"
    return ""
