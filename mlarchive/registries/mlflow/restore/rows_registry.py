"""The rows of registered models, their versions and aliases; prompts share them."""

import re
from collections.abc import Iterator, Mapping

from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
    SqlRegisteredModelAlias,
    SqlRegisteredModelTag,
)

from mlarchive.records import LoggedModel, ModelVersion, PromptVersion, RegisteredModel, Tags
from mlarchive.registries.mlflow.restore import evidence
from mlarchive.registries.mlflow.restore.merging import Held
from mlarchive.registries.mlflow.restore.places import Place
from mlarchive.registries.mlflow.restore.resolving import (
    id_of_run,
    name_of,
    number_of,
    place_of,
    referred,
)
from mlarchive.registries.mlflow.restore.rows import Restoration, Row

_LOGGED_MODEL = re.compile(r"models:/+(m-[0-9a-fA-F]+)/*")
_BY_ID = re.compile(r"(models|runs):/+[^/]")


def registered_model_rows(restoration: Restoration, held: Held) -> Iterator[Row]:
    """A registered model with tags and aliases."""
    record = held.record
    assert isinstance(record, RegisteredModel)  # noqa: S101  (the table of kinds says so)
    tags = {**record.tags, **evidence.marks_of(record)}
    yield from rows_of_name(held, record.description, tags)
    yield from alias_rows(restoration, held, ModelVersion)


def version_rows(restoration: Restoration, held: Held) -> Iterator[Row]:
    """A version with tags."""
    record = held.record
    assert isinstance(record, ModelVersion)  # noqa: S101  (the table of kinds says so)
    source, storage = _source(restoration, held, record)
    more = {
        "description": record.description,
        "current_stage": record.stage or "None",
        "source": source,
        "storage_location": storage,
        "run_id": _run(held, record) or None,
        "run_link": record.native.also.get("run_link", ""),
        "status": record.status or None,
    }
    yield from rows_of_version(held, more, {**record.tags, **evidence.marks_of(record)})


def rows_of_name(held: Held, description: str, tags: Tags) -> Iterator[Row]:
    """A registered model or a prompt, which is one too in MLflow's tables, with its tags."""
    record = held.record
    name = _key(held)
    yield (
        SqlRegisteredModel,
        {
            **name,
            "creation_time": record.native.created or None,
            "last_updated_time": record.native.updated or None,
            "description": description,
        },
    )
    for key, value in tags.items():
        yield SqlRegisteredModelTag, {**name, "key": key, "value": value}


def rows_of_version(held: Held, more: Mapping[str, object], tags: Tags) -> Iterator[Row]:
    """A version of a model or of a prompt with its tags.

    Args:
        held: The version.
        more: Columns that the kinds fill differently.
        tags: All of them.
    """
    record = held.record
    version = {**_key(held), "version": number_of(held)}
    yield (
        SqlModelVersion,
        {
            **version,
            "creation_time": record.native.created or None,
            "last_updated_time": record.native.updated or None,
            "user_id": record.native.user or None,
            "status_message": evidence.text(evidence.answer(record), "status_message") or None,
            **more,
        },
    )
    for key, value in tags.items():
        yield SqlModelVersionTag, {**version, "key": key, "value": value}


def alias_rows(
    restoration: Restoration, held: Held, kind: type[ModelVersion] | type[PromptVersion]
) -> Iterator[Row]:
    """The aliases of a registered model or a prompt, whose versions are of a kind."""
    for alias, number in _aliases(restoration, held, kind).items():
        yield SqlRegisteredModelAlias, {**_key(held), "alias": alias, "version": number}


def _key(held: Held) -> dict[str, object]:
    return {"workspace": evidence.workspace_of(held.record), "name": name_of(held)}


def _aliases(
    restoration: Restoration, held: Held, kind: type[ModelVersion] | type[PromptVersion]
) -> dict[str, int]:
    """Aliases, as the latest package of a model says them, whose versions are restored."""
    name = name_of(held)
    numbers = {
        int(identity[1]): version
        for identity, version in restoration.merged.of(kind).items()
        if identity[0] == name
    }
    said = evidence.answer(held.record)
    # A server says numbers as text, its database as numbers.
    pointing = {alias: str(of) for alias, of in evidence.part(said, "aliases").items()}
    if "aliases" not in said:
        pointing = {
            alias: str(number)
            for number, version in numbers.items()
            for alias in getattr(version.record, "aliases", ())
        }
    found = {}
    for alias, text in sorted(pointing.items()):
        number = evidence.version_number(text, f"alias {alias!r} of {held.called}")
        if number in numbers:
            found[alias] = number
        else:
            why = f"it points at version {number}, which no package holds"
            restoration.merged.lose(held.called, f"alias {alias}", why)
    for number, version in numbers.items():
        for alias in getattr(version.record, "aliases", ()):
            if pointing.get(alias) != str(number):
                why = f"{held.package} is later, and says that it does not point there any more"
                restoration.merged.change(version.called, f"alias {alias}", why)
    return found


def _run(held: Held, record: ModelVersion) -> str:
    """The id of the run that a version names."""
    said = evidence.answer(record)
    if said:
        return evidence.text(said, "run_id")
    return id_of_run(referred(held, record.run)) if record.run else ""


def _source(restoration: Restoration, held: Held, record: ModelVersion) -> tuple[str, str]:
    """What a version says of where its files are: the source, and where that led."""
    source = record.native.location
    place, path = _files(held, record)
    location = restoration.artifacts.location(place, path)
    nowhere = record.root is None and not record.files
    if (found := _LOGGED_MODEL.fullmatch(source)) and (
        (found[1],) not in restoration.merged.of(LoggedModel)
    ):
        why = f"no package holds logged model {found[1]}; the version finds its files by itself"
        restoration.merged.lose(held.called, "source", why)
    if _BY_ID.match(source):
        # Ids are kept, so what is named by them needs no other name; only models: is looked up.
        return source, location if source.startswith("models:") and not nowhere else source
    return (source, source) if nowhere else (location, location)


def _files(held: Held, record: ModelVersion) -> tuple[Place, str]:
    if record.root is None:
        return place_of(held), ""
    return place_of(referred(held, record.root.record)), record.root.path
