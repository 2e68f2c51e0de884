"""One export as a source and a target: joins looking, reading and writing."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from mlarchive import fsops
from mlarchive.closing import Closing
from mlarchive.errors import DamageError, NotFoundError, UnsupportedError
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
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.keys import run_key
from mlarchive.registries.mlflowexport.layout import Export, look
from mlarchive.registries.mlflowexport.listing import everything_in, list_objects, see_changes
from mlarchive.registries.mlflowexport.reading_run import read_run
from mlarchive.registries.mlflowexport.reading_version import (
    ExportedModel,
    read_model,
    read_version,
)
from mlarchive.registries.mlflowexport.writing import held, plan, write
from mlarchive.snapshot import Snapshot


class MlflowExportRegistry(Closing):
    """A folder that mlflow-export-import wrote, or reads.

    Attributes:
        origin: The registry's own name, which mirrors remember.
    """

    def __init__(self, folder: Path, *, origin: str) -> None:
        """Look at nothing yet.

        Args:
            folder: The export; as a target it need not exist.
            origin: The registry's own name.
        """
        self.origin = origin
        self._folder = folder
        self._swept = False

    def close(self) -> None:
        """Nothing is held open."""

    @cached_property
    def _export(self) -> Export:
        return look(self._folder)

    @cached_property
    def _models(self) -> tuple[ExportedModel, ...]:
        return tuple(map(read_model, self._export.models))

    def ls(self, selector: Selector) -> Iterator[Listing]:
        """Model versions, runs and experiments, with those that the tool failed to export."""
        yield from list_objects(self._export, self._models, self.origin, selector)

    def changes(self, selector: Selector) -> Iterator[Ref]:
        """Model versions, and the runs that no version brings along."""
        yield from see_changes(self._export, self._models, self.origin, selector)

    def has(self, address: Address) -> bool:
        """Whether a run is there, though a version brings it."""
        return address.kind == "runs" and address.name in self._export.runs

    def everything(self, choose: Choose = list) -> Iterator[Address]:
        """All that is wanted, in the order in which a target gets it: parents first."""
        yield from everything_in(self._export, self._models, self.origin, choose)

    def read(self, address: Address) -> Snapshot:
        """A model version or a run, with all of it that was exported."""
        gathering = Gathering()
        if address.kind == "models":
            subject = self._read_version(address, gathering)
        elif address.kind == "runs":
            subject = self._read_run(address, gathering)
        else:
            raise UnsupportedError(
                f"{address} cannot be read as one object", hint="name a model version or a run"
            )
        return Snapshot(
            address=address,
            subject=subject,
            records=tuple(gathering.records),
            streams=tuple(gathering.streams),
            losses=tuple(gathering.losses),
            transformations=tuple(gathering.transformations),
        )

    def holding(self, source: Address, policy: WritePolicy) -> Holding | None:
        """What the export says that it holds of an object; None if it does not have it."""
        return held(self._folder, self.origin, source, policy)

    def plan_write(self, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:
        """Say what `write` would do now."""
        return plan(self._folder, self.origin, snapshot, policy)

    def write(self, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
        """Make the export hold the snapshot."""
        for seen in ("_export", "_models"):
            self.__dict__.pop(seen, None)
        receipt = write(self._folder, self.origin, snapshot, policy)
        if not self._swept and not receipt.idle:
            # Once, and only in what is known to be ours: it looks into every folder.
            fsops.remove_stale_temporaries(self._folder)
            self._swept = True
        return receipt

    def _read_run(self, address: Address, gathering: Gathering) -> str:
        place = self._export.runs.get(address.name)
        if place is None:
            raise NotFoundError(f"{self.origin} has no run {address.name}")
        read_run(place, address.name, gathering)
        return run_key(address.name)

    def _read_version(self, address: Address, gathering: Gathering) -> str:
        for exported in self._models:
            if exported.model.text("name") != address.name:
                continue
            for version in exported.versions:
                if version.text("version") == address.version:
                    return read_version(self._export, exported.model, version, gathering)
            if address.version in exported.failed:
                why = exported.failed[address.version]
                raise _not_exported(f"version {address.version} of {address.name}", why)
        if address.name in self._export.failed_models:
            raise _not_exported(f"the model {address.name}", "the export's own report says so")
        raise NotFoundError(f"{self.origin} has no {address.kind}/{address.name}/{address.version}")


def _not_exported(what: str, why: str) -> DamageError:
    return DamageError(
        f"{what} is not in the export, as mlflow-export-import failed to write it: {why}",
        hint="read it from its server instead, or export it again",
    )
