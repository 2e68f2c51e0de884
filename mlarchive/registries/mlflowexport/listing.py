"""What an export holds, line by line, and as a mirror sees it from afar (clauses 1.2 and 4)."""

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from mlarchive.errors import DamageError, NotFoundError, UnsupportedError
from mlarchive.records import Address, Experiment
from mlarchive.records.tracking import UNFINISHED
from mlarchive.registries.base import Choose, Listing, Ref, Selector, Traits, tag_traits
from mlarchive.registries.folderfiles import walk
from mlarchive.registries.jsondocuments import Table, read_document
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflowexport.layout import RUN, Export, RunPlace, part
from mlarchive.registries.mlflowexport.reading_run import experiment_of, run_of
from mlarchive.registries.mlflowexport.reading_version import (
    ExportedModel,
    aliases_of,
    stage_of,
)
from mlarchive.registries.mlflowexport.written import is_carrier, mark_of
from mlarchive.registries.ordering import in_order, parents_first, run_in_order
from mlarchive.registries.selecting import is_exact, matches

Models = Sequence[ExportedModel]

KINDS = ("models", "runs", "experiments")


def list_objects(
    export: Export, models: Models, origin: str, selector: Selector
) -> Iterator[Listing]:
    """List what a selector means; without a kind, everything.

    Raises:
        NotFoundError: One thing is named exactly, and is not there.
        UnsupportedError: An export has no objects of that kind.
    """
    if selector.kind not in {"", *KINDS}:
        raise UnsupportedError(
            f"{origin} has no {selector.kind}", hint=f"it has {', '.join(KINDS)}"
        )
    found = False
    for listing in _listings(export, models, origin, selector):
        found = True
        yield listing
    if not found and (is_exact(selector) or (selector.name and not selector.pattern)):
        raise NotFoundError(
            f"{origin} has no {selector.kind}/{selector.name} as named",
            hint=f"`mlarchive ls {origin}` lists what it has",
        )


def see_changes(export: Export, models: Models, origin: str, selector: Selector) -> Iterator[Ref]:
    """Every version, and every run that no version brings along.

    Raises:
        NotFoundError: One thing is named exactly, and is not there.
        UnsupportedError: Experiments are meant, or all of an export with what cannot be carried.
    """
    if selector.kind == "experiments":
        raise UnsupportedError(
            "experiments are not taken by themselves",
            hint="name models or runs; each brings its experiment along",
        )
    if not selector.kind:
        _refuse_unread(export, origin)
    brought = _runs_of_versions(models) if not selector.kind else set()
    for listing in list_objects(export, models, origin, selector):
        address = listing.address
        if address.kind == "experiments" or (address.kind == "runs" and address.name in brought):
            continue
        yield _ref(export, listing)


def everything_in(export: Export, models: Models, origin: str, choose: Choose) -> list[Address]:
    """Every wanted version, and every wanted run that none of these brings along; parents first.

    Raises:
        UnsupportedError: The export holds what cannot be carried.
    """
    _refuse_unread(export, origin)
    every = [
        one
        for one in list_objects(export, models, origin, Selector())
        if one.address.kind != "experiments"
    ]
    wanted = choose(every)
    brought = {one.facts.get("run") for one in wanted if one.address.kind == "models"}
    found = [
        one.address
        for one in wanted
        if one.address.kind != "runs" or one.address.name not in brought
    ]
    return in_order(found, parents_first(map(run_in_order, every)))


def _refuse_unread(export: Export, origin: str) -> None:
    if export.unread:
        raise UnsupportedError(
            f"{origin} as a whole holds more than can be carried: {', '.join(export.unread)}",
            hint="say what is meant: #models/* for every model version, #runs/* for every run",
        )


def _listings(export: Export, models: Models, origin: str, selector: Selector) -> Iterator[Listing]:
    if selector.kind in {"", "models"}:
        yield from _versions(export, models, origin, selector)
    if selector.kind in {"", "runs"}:
        name_of = functools.cache(_experiment_name)
        for run_id, place in export.runs.items():
            document = read_document(place.folder / RUN) if _is_there(place) else None
            if document and is_carrier(document):
                continue
            stated = part(document) if document else Table({}, "")
            name, _ = run_of(stated)
            if _names(selector, id_=run_id, name=name):
                mark = mark_of(document) if document else Table({}, "")
                yield _run(origin, run_id, name, stated, mark, name_of(place.experiment))
    if selector.kind in {"", "experiments"}:
        for path in export.experiments:
            experiment = experiment_of(read_document(path))
            if _names(selector, id_=experiment.native.id, name=experiment.name):
                yield _experiment(origin, experiment)


def _versions(export: Export, models: Models, origin: str, selector: Selector) -> Iterator[Listing]:
    for exported in models:
        name = exported.model.text("name")
        if not matches(selector, name):
            continue
        for version in exported.versions:
            aliases = aliases_of(exported.model, version)
            number = version.text("version")
            if selector.version in {"", number} and selector.alias in {"", *aliases}:
                yield _version(origin, name, version, aliases)
        for number, why in exported.failed.items():
            if selector.version in {"", number} and not selector.alias:
                yield Listing(
                    address=_address(origin, name, number),
                    title=f"not exported: {why}",
                    facts={"status": "not exported"},
                )
    for name in export.failed_models:
        if matches(selector, name) and not selector.version and not selector.alias:
            yield Listing(address=_address(origin, name, ""), facts={"status": "not exported"})


def _version(origin: str, name: str, version: Table, aliases: tuple[str, ...]) -> Listing:
    facts = {
        "aliases": " ".join(aliases),
        "stage": stage_of(version),
        "run": version.text("run_id"),
        "status": version.text("status"),
        "origin": mark_of(version).text("origin"),
    }
    return Listing(
        address=_address(origin, name, version.text("version")),
        title=", ".join(f"@{alias}" for alias in aliases) or version.text("description"),
        facts={fact: text for fact, text in facts.items() if text},
        traits=_told(
            lambda: Traits(
                aliases=aliases,
                stage=stage_of(version),
                tags=tag_traits(marks.state_tags(version.tags("tags"))),
                made_at=version.number("creation_timestamp") or None,
            )
        ),
    )


def _run(  # noqa: PLR0913, PLR0917  (what lies in several documents)
    origin: str, run_id: str, name: str, stated: Table, mark: Table, experiment: str
) -> Listing:
    info = stated.table("info")
    facts = {
        "status": info.text("status"),
        "experiment": info.text("experiment_id"),
        "origin": mark.text("origin"),
    }
    return Listing(
        address=Address(origin=origin, kind="runs", name=run_id),
        title=name,
        facts={fact: text for fact, text in facts.items() if text},
        traits=_told(
            lambda: Traits(
                tags=tag_traits(marks.state_tags(stated.tags("tags"))),
                made_at=info.number("start_time") or None,
                deleted=info.text("lifecycle_stage") == "deleted",
                experiments=(experiment,) if experiment else None,
            )
        ),
    )


def _experiment(origin: str, experiment: Experiment) -> Listing:
    return Listing(
        address=Address(origin=origin, kind="experiments", name=experiment.name),
        facts={"id": experiment.native.id},
        traits=Traits(
            tags=tag_traits(experiment.tags),
            made_at=experiment.native.created or None,
            deleted=experiment.lifecycle == "deleted",
            experiments=(experiment.name,),
        ),
    )


def _told(tell: Callable[[], Traits]) -> Traits:
    """What an object may be chosen by; nothing of one whose document is malformed."""
    with contextlib.suppress(DamageError):
        return tell()
    return Traits()


def _experiment_name(path: Path | None) -> str:
    """The name of the experiment that a document is of; "" where nobody knows it."""
    with contextlib.suppress(DamageError, NotFoundError):
        return experiment_of(read_document(path)).name if path else ""
    return ""


def _address(origin: str, name: str, version: str) -> Address:
    return Address(origin=origin, kind="models", name=name, version=version)


def _names(selector: Selector, *, id_: str, name: str) -> bool:
    by_id = selector.named != "name" and matches(selector, id_)
    return by_id or (selector.named != "id" and matches(selector, name))


def _runs_of_versions(models: Models) -> set[str]:
    return {version.text("run_id") for exported in models for version in exported.versions}


def _ref(export: Export, listing: Listing) -> Ref:
    """Marks over the files that an object was exported to: their paths, sizes and times."""
    address, run_id = listing.address, listing.facts.get("run", "")
    if address.kind == "runs":
        run_id = address.name
    place = export.runs.get(run_id)
    documents = [m.folder / "model.json" for m in export.models] if address.kind == "models" else []
    if place and place.experiment:
        documents.append(place.experiment)
    content = walk(place.folder) if place and _is_there(place) else ()
    return Ref(
        address=address,
        content_mark=_digest([content, [_facts(path) for path in documents]]),
        state_mark=_digest([content, [_facts(path) for path in documents], address]),
        settled=listing.facts.get("status") not in UNFINISHED,
        origin=listing.facts.get("origin", ""),
    )


def _facts(path: Path) -> tuple[str, int, int]:
    facts = path.lstat()
    return (path.name, facts.st_size, facts.st_mtime_ns)


def _is_there(place: RunPlace) -> bool:
    return (place.folder / RUN).exists()


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()
