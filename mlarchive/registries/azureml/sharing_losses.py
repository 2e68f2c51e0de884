"""What of a model a registry that copied it by itself has otherwise (`share`), label by label.

Azure ML changes none of it in a version that is there, so that it can only be told.
"""

from collections.abc import Collection, Iterator

from mlarchive.errors import NotFoundError
from mlarchive.records import Address, Loss
from mlarchive.registries.azureml.assets import Asset, ControlPlane, Kind
from mlarchive.registries.azureml.numbering import higher_than, made_after
from mlarchive.registries.azureml.ownmarks import with_own_marks
from mlarchive.registries.azureml.reading_environment import meant, named_environment
from mlarchive.registries.azureml.sameness import is_from
from mlarchive.registries.mlflow import marks


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
    control: ControlPlane, names: Collection[str], address: Address, name: str
) -> Iterator[Loss]:
    """That the registry has what was written from the very same, too, under another number.

    Args:
        control: The registry's.
        names: Of the source, by a configuration and by its locator.
        address: What is to be shared, and is not there under its own number.
        name: That it gets there.
    """
    kind: Kind = "environments" if address.kind == "environments" else "models"
    what, origin = f"{address.kind}/{name}/{address.version}", marks.origin_mark(address)
    for one in control.versions(kind, name, archived=True):
        held = with_own_marks(name, one).texts("properties")
        if not one.is_failed and is_from(held, names, origin):
            why = f"what was written from it before is there as {one.name}, and stays"
            yield Loss(record=what, field="version", why=why)


def _latest_environment(control: ControlPlane, name: str) -> str:
    """Which version of an environment its name alone means at the registry; "" for none."""
    try:
        return meant(control, name).name
    except NotFoundError:
        return ""


def _or_none(text: str) -> str:
    return repr(text) if text else "none"
