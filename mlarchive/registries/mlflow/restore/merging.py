"""Packages of one origin as one whole: each object once, by the id that its server gave it.

What an object is must be the same in every package that has it. Its labels and the server's own
times may have changed between two packages; the later package is taken at its word.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlarchive.errors import ConflictError, MissingChunksError, UnsupportedError, UsageError
from mlarchive.package.storage import FOLD
from mlarchive.records import (
    Address,
    AnyRecord,
    Experiment,
    Loss,
    ModelVersion,
    Notebook,
    OtherObjects,
    Prompt,
    PromptVersion,
    RegisteredModel,
    Run,
)
from mlarchive.registries.restorable import PackageToRestore
from mlarchive.registries.unplaced import unplaced

Identity = tuple[str | int, ...]
"""What tells an object from others of its kind at its server."""

_LABELS = (
    *("name", "lifecycle", "description", "stage", "status", "aliases", "tags", "experiments"),
    *("message", "model_settings", "versions", "online", "count", "files"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An object as the package that counts for it has it.

    Attributes:
        record: The object.
        package: That package, as a person knows it.
        number: Its place among the packages.
        packed_at: When it was made, ms since 1970 UTC.
        beside: All records of that package by key, for the references of this one.
    """

    record: AnyRecord
    package: str
    number: int
    packed_at: int
    beside: Mapping[str, AnyRecord]

    @property
    def called(self) -> str:
        """What a person calls it, as losses of a read do."""
        record = self.record
        name = getattr(record, "name", "")
        if isinstance(record, RegisteredModel | ModelVersion | Prompt | PromptVersion):
            version = getattr(record, "version", "")
            several = "prompts" if isinstance(record, Prompt | PromptVersion) else "models"
            return f"{several}/{name}" + (f"/{version}" if version else "")
        kind = str(record.__struct_config__.tag).replace("-", " ")
        by_name = isinstance(record, Experiment)
        return f"{kind} {(by_name and name) or record.native.id or name or record.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mergeable:
    """How objects of one kind are told apart and compared.

    Attributes:
        identify: The object's identity; raises `UnsupportedError` if the evidence lacks it.
        same: The fields that must not differ between packages.
    """

    identify: Callable[[Held], Identity]
    same: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Merged:
    """Everything that the packages hold.

    Attributes:
        sources: What the packages are about.
        found: By kind and identity.
        losses: What the packages could not carry, and what cannot be restored.
        transformations: What is restored in another form.
    """

    sources: list[Address] = field(default_factory=list)
    found: dict[type[AnyRecord], dict[Identity, Held]] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    transformations: list[Loss] = field(default_factory=list)

    def of(self, kind: type[AnyRecord]) -> Mapping[Identity, Held]:
        """The objects of one kind."""
        return self.found.get(kind, {})

    def lose(self, record: str, what: str, why: str) -> None:
        """List something that cannot be restored, once."""
        loss = Loss(record=record, field=what, why=why)
        if loss not in self.losses:
            self.losses.append(loss)

    def change(self, record: str, what: str, why: str) -> None:
        """List something that is restored in another form, once."""
        change = Loss(record=record, field=what, why=why)
        if change not in self.transformations:
            self.transformations.append(change)


def merge(
    packages: Sequence[PackageToRestore],
    kinds: Mapping[type[AnyRecord], Mergeable],
    said_by_others: tuple[type[AnyRecord], ...],
) -> Merged:
    """Verify packages, and see what they hold together.

    Args:
        packages: All of one origin.
        kinds: The kinds that can be restored.
        said_by_others: The kinds of records that only say what other records hold.

    Raises:
        UsageError: They are of different origins.
        ConflictError: Two of them have an object with one id and different content.
        UnsupportedError: One is no MLflow object's, or lacks the server's ids.
        DamageError: One is damaged.
        MissingChunksError: One leans on a package that is not there.
    """
    merged = Merged()
    held: list[Held] = []
    for number, package in enumerate(packages):
        held.extend(_seen(package, number, merged, kinds, said_by_others))
    _refuse_several_origins(packages, merged.sources)
    for item in sorted(held, key=lambda item: (item.packed_at, item.number)):
        _take(item, merged, kinds[type(item.record)])
    return merged


def _seen(
    source: PackageToRestore,
    number: int,
    merged: Merged,
    kinds: Mapping[type[AnyRecord], Mergeable],
    said_by_others: tuple[type[AnyRecord], ...],
) -> Iterator[Held]:
    with source.open() as package:
        if missing := package.missing():
            raise MissingChunksError(
                f"{source.name} is thin: {len(missing)} chunks are in another package",
                hint=FOLD,
            )
        package.verify(full=False)
        meaning = package.meaning
    merged.sources.append(meaning.address)
    for loss in meaning.losses:
        merged.lose(loss.record, loss.field, loss.why)
    beside = {record.key: record for record in meaning.records}
    if not isinstance(beside[meaning.subject], (OtherObjects, *kinds)):
        raise UnsupportedError(
            f"{source.name} is about a {beside[meaning.subject].__struct_config__.tag}, "
            "which cannot be restored into an MLflow database",
            hint="leave it out",
        )
    for record in meaning.records:
        item = Held(
            record=record,
            package=source.name,
            number=number,
            packed_at=meaning.packed.time,
            beside=beside,
        )
        for loss in unplaced(record, item.called):
            merged.lose(loss.record, loss.field, loss.why)
        if isinstance(record, Notebook) and not isinstance(beside.get(record.record), Run):
            why = "MLflow keeps notebooks with runs, and none is carried that it made"
            merged.lose(item.called, "all of it", why)
        elif type(record) in kinds:
            yield item
        elif not isinstance(record, said_by_others):
            merged.lose(item.called, "all of it", "records of its kind cannot be restored")


def _refuse_several_origins(
    packages: Sequence[PackageToRestore], sources: Sequence[Address]
) -> None:
    for package, source in zip(packages, sources, strict=True):
        if source.origin != sources[0].origin:
            raise UsageError(
                f"{packages[0].name} comes from {sources[0].origin}, and {package.name} from "
                f"{source.origin}; a database is restored from one origin",
                hint="restore each origin into a database of its own",
            )


def _take(item: Held, merged: Merged, kind: Mergeable) -> None:
    """Add an object; what is there already is from an earlier package."""
    there = merged.found.setdefault(type(item.record), {})
    identity = kind.identify(item)
    before = there.get(identity)
    if before is not None:
        _refuse_other_content(before, item, kind.same)
        _tell_other_labels(before, item, merged)
    there[identity] = item


def _refuse_other_content(before: Held, item: Held, fields: Sequence[str]) -> None:
    for name in fields:
        if getattr(before.record, name) != getattr(item.record, name):
            raise ConflictError(
                f"{item.called} is not the same in {before.package} and {item.package}: "
                f"its {name} differ",
                hint="leave one of them out, or pack both again from their server",
            )


def _tell_other_labels(before: Held, item: Held, merged: Merged) -> None:
    for name in _LABELS:
        if getattr(before.record, name, None) != getattr(item.record, name, None):
            why = f"it changed between {before.package} and {item.package}; the later one is taken"
            merged.change(item.called, name, why)
