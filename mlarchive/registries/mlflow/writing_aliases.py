"""Aliases of a version at the target: where they point, and who last said so (clause 3.4)."""

from functools import partial

import msgspec
from mlflow.entities.model_registry import ModelVersionTag

from mlarchive.records import PromptVersion, Tags
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.given import Given, given_in, mark_of
from mlarchive.registries.mlflow.numbering import Place
from mlarchive.registries.mlflow.selecting import aliases_of, versions_of
from mlarchive.registries.mlflow.work import Numbered, Work, target_name
from mlarchive.registries.mlflow.writing_named import model_at_target


def plan_aliases(work: Work, record: Numbered, what: str, place: Place, base: Given | None) -> None:
    """Plan the aliases that point at a version; the source says where they point.

    Where labels are merged, those stay that people at the target moved, set or took away.
    """
    name = target_name(work, record)
    store = work.connection.models
    model = model_at_target(work, name, prompt=isinstance(record, PromptVersion))
    held = aliases_of(model) if model else {}
    number = str(place.number) if place.how != "create" else ""
    if base and number and marks.STATE_ID not in _tags_of(work, record, number):
        # Its labels are still to be written: an alias that it lacks may be on its way.
        base = msgspec.structs.replace(base, coming=base)
    for alias in record.aliases:
        owner = held.get(alias)
        if owner != number or not number:
            if not _may_move(work, record, what, alias, owner, base):
                continue
            why = f"moves from version {owner}" if owner else "new"
            work.step(
                "update",
                f"alias {alias!r} of {what}",
                why,
                partial(_set_alias, work, record, alias, owner or ""),
            )
    gone = {alias for alias, owner in held.items() if number and owner == number}
    if base is not None:
        gone = {alias for alias in gone if base.names(alias)}
    for alias in sorted(gone - set(record.aliases)):
        work.step_once(
            "update",
            f"alias {alias!r} of {what}",
            "the source does not have it" if base is None else "removed at the source",
            partial(store.delete_registered_model_alias, name, alias),
        )


def _set_alias(work: Work, record: Numbered, alias: str, owner: str) -> None:
    """Let an alias point at a version; the one that loses it is not labelled as it says any more.

    Else nobody would write that one again when the source gives it the alias back.
    """
    name = target_name(work, record)
    if owner and not _is_of_another(work, record, owner):
        work.connection.models.delete_model_version_tag(name, owner, marks.STATE_ID)
    work.connection.models.set_registered_model_alias(name, alias, work.ids[record.key])
    given = given_in(_tags_of(work, record, owner)) if owner else None
    if given and alias in given.aliases:
        left = tuple(one for one in given.aliases if one != alias)
        for tag, value in mark_of(msgspec.structs.replace(given, aliases=left)).items():
            mark = ModelVersionTag(tag, value)
            work.connection.models.set_model_version_tag(name, owner, mark)


def _is_of_another(work: Work, record: Numbered, number: str) -> bool:
    """Whether another registry labels a version: two that take from each other find no end."""
    return _is_foreign(work, _tags_of(work, record, number))


def _is_foreign(work: Work, tags: Tags) -> bool:
    origin = tags.get(marks.ORIGIN, "").partition("#")[0]
    return origin not in {"", marks.quotable(work.snapshot.address.origin)}


def _may_move(  # noqa: PLR0913, PLR0917  (what both sides say, and said)
    work: Work, record: Numbered, what: str, alias: str, owner: str | None, base: Given | None
) -> bool:
    """Whether an alias may come to a version, or people at the target put it where it is."""
    if work.policy.labels == "source" or (owner and _is_said(work, record, alias, owner)):
        return True
    if base is not None and (base.names(alias) if owner else base.had(alias)):
        return False
    why = f"people at the target gave it to version {owner}, where it stays" if owner else ""
    if not owner and (had := _had_by(work, record, alias)):
        why = f"people at the target took it away from version {had}, and it stays away"
    if why:
        work.lose(what, f"alias {alias}", why)
    return not why


def _had_by(work: Work, record: Numbered, alias: str) -> str:
    """The version that was given an alias which is nowhere now; "" if none is known."""
    if target_name(work, record) in work.cleared:
        return ""
    for number, tags in _tags_of_all(work, record).items():
        # Without this mark an alias is on its way from it, or its labels are still to be written.
        settled = marks.STATE_ID in tags and not _is_foreign(work, tags)
        given = given_in(tags)
        if settled and given and given.had(alias):
            return number
    return ""


def _tags_of(work: Work, record: Numbered, number: str) -> Tags:
    """All tags of another version of the same model."""
    return _tags_of_all(work, record).get(number, {})


def _tags_of_all(work: Work, record: Numbered) -> dict[str, Tags]:
    """All tags of the versions of a model that are there, by number."""
    prompt = isinstance(record, PromptVersion)
    present = versions_of(work.connection, target_name(work, record), prompt=prompt)
    return {str(version.version): dict(version.tags) for version in present}


def _is_said(work: Work, record: Numbered, alias: str, owner: str) -> bool:
    """Whether an alias is where it is because a source said so, as far as that is known."""
    tags = _tags_of(work, record, owner)
    given = given_in(tags)
    return given.names(alias) if given else marks.ORIGIN in tags
