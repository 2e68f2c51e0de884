"""What of a model a registry that copied it by itself has otherwise (`share`), label by label.

Azure ML changes none of it in a version that is there, so that it can only be told.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import msgspec

from mlarchive.errors import NotFoundError
from mlarchive.records import Address, Loss, Tags
from mlarchive.records.provenance import names_of
from mlarchive.registries.azureml.assets import Asset, ControlPlane, Kind
from mlarchive.registries.azureml.numbering import higher_than, made_after
from mlarchive.registries.azureml.ownmarks import with_own_marks
from mlarchive.registries.azureml.reading_environment import meant, named_environment
from mlarchive.registries.azureml.sameness import is_from
from mlarchive.registries.mlflow import marks


class Ends(NamedTuple):
    """What the two places are called, each by a configuration and by its locator."""

    source: Collection[str]
    target: Collection[str]


def lost_of_kind(what: str, wanted: Asset, there: Asset) -> Iterator[Loss]:
    """Type, flavours and job of a version that are others at the registry, or are not there.

    Args:
        what: The version, as a person knows it.
        wanted: As the workspace has it.
        there: As the registry has it.
    """
    for label, field in (("type", "modelType"), ("job", "jobName")):
        held, said = there.text(field), wanted.text(field)
        if held != said:
            yield Loss(record=what, field=label, why=f"the registry has {_or_none(held)}")
    held_flavors = there.properties.get("flavors") or {}
    flavors = wanted.properties.get("flavors") or {}
    for name in sorted({*held_flavors, *flavors}):
        if held_flavors.get(name) != flavors.get(name):
            has = "another one" if name in held_flavors else "none"
            yield Loss(record=what, field=f"flavor {name}", why=f"the registry has {has}")


def environment_meant(control: ControlPlane, there: Asset) -> tuple[str, str]:
    """Name and number of the environment that a version means at the registry; "" for none.

    Args:
        control: The registry's.
        there: The version.
    """
    name, number = named_environment(there)
    if not name or number:
        return name, number
    try:
        return name, meant(control, name).name
    except NotFoundError:
        return name, ""


def latest_moved(control: ControlPlane, address: Address, name: str) -> Iterator[Loss]:
    """That what is to be made is what its name alone means at the registry from then on.

    Args:
        control: The registry's.
        address: What is to be shared, and is not there.
        name: That it gets there.
    """
    what = f"{address.kind}/{name}/{address.version}"
    if address.kind == "environments":
        if before := _latest_environment(control, name):
            why = f"it is what the name without a number means there, which meant {before}"
            yield Loss(record=what, field="@latest", why=why)
        return
    if not address.version.isdecimal():
        return
    versions = control.versions("models", name, archived=True)
    sound = [one for one in versions if not one.is_failed]
    if higher := higher_than(address.version, sound):
        yield Loss(record=what, field="@latest", why=made_after(higher))


def had_before(
    control: ControlPlane, at: Ends, address: Address, name: str, shared: Asset
) -> Iterator[Loss]:
    """That the registry has the same by another way, too, under another number.

    Args:
        control: The registry's.
        at: What both places are called.
        address: What is to be shared, and is not there under its own number.
        name: That it gets there.
        shared: It.
    """
    kind: Kind = "environments" if address.kind == "environments" else "models"
    what, origin = f"{address.kind}/{name}/{address.version}", marks.origin_mark(address)
    own = with_own_marks(address.name, shared).texts("properties")
    for one in control.versions(kind, name, archived=True):
        held = with_own_marks(name, one).texts("properties")
        there = marks.origin_mark(msgspec.structs.replace(address, name=name, version=one.name))
        if one.is_failed:
            continue
        if is_from(held, at.source, origin):
            why = f"what was written from it before is there as {one.name}, and stays"
        elif is_from(own, at.target, there):
            why = f"it was written from what is there as {one.name}, and stays"
        elif _is_numbered(own) and is_from(held, names_of(own), own[marks.ORIGIN]):
            why = f"what was written from the same is there as {one.name}, and stays"
        else:
            continue
        yield Loss(record=what, field="version", why=why)


def _is_numbered(held: Tags) -> bool:
    """Whether something came from a version, and not from a folder, of which one makes many."""
    return "#" in held.get(marks.ORIGIN, "") and "#folders/" not in held[marks.ORIGIN]


def _latest_environment(control: ControlPlane, name: str) -> str:
    """Which version of an environment its name alone means at the registry; "" for none."""
    try:
        return meant(control, name).name
    except NotFoundError:
        return ""


def _or_none(text: str) -> str:
    return repr(text) if text else "none"
