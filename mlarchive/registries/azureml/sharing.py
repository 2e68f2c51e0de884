"""A registry copies a version of a workspace of its own tenant by itself (`share`).

No byte passes through here, and what came along are the only marks; what arrived is compared all
the same.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from mlarchive.errors import ConflictError, NotFoundError, RemoteError, UnsupportedError
from mlarchive.records import Address, Loss
from mlarchive.records.places import azureml_origin
from mlarchive.registries.azureml.assets import Asset, ControlPlane, Kind
from mlarchive.registries.azureml.behind import decided, require_whole
from mlarchive.registries.azureml.blobfolder import BlobFolder
from mlarchive.registries.azureml.messages import Share
from mlarchive.registries.azureml.reading_environment import (
    OF_ALL,
    meant,
    named_environment,
    said_of_all,
)
from mlarchive.registries.azureml.recipe import Recipe, recipe_read
from mlarchive.registries.azureml.sharing_labels import Labelled, label_model, label_version
from mlarchive.registries.azureml.sharing_losses import (
    environment_meant,
    latest_moved,
    lost_of_kind,
)
from mlarchive.registries.azureml.sharing_others import Named, others_from
from mlarchive.registries.azureml.soundness import require_made, why_unmade
from mlarchive.registries.azureml.storage import Storage
from mlarchive.registries.base import Action, Receipt, WritePolicy
from mlarchive.registries.marking import sha256_of


class Side:
    """A place with its storage, as sharing needs it."""

    def __init__(self, control: ControlPlane, storage: Storage, origin: str) -> None:
        """Remember them."""
        self.control = control
        self.origin = origin
        self.storage = storage

    @property
    def names(self) -> frozenset[str]:
        """What the place is called: by a configuration, and by its locator."""
        return frozenset({self.origin, azureml_origin(self.control.place.locator)})

    def folder(self, name: str, version: str) -> BlobFolder:
        """The files of a version of a model."""
        uri = self.control.version("models", name, version).text("modelUri")
        return self.storage.folder("models", name, version, uri)

    def recipe(self, name: str, version: str) -> Recipe:
        """What an environment is made of."""
        asset = self.control.version("environments", name, version)
        return recipe_read(self.control, self.storage, name, asset)


class _Seen(NamedTuple):
    """What a look tells.

    Attributes:
        action: What is to become of a thing.
        number: That it has at the registry, or will have.
    """

    action: Action
    number: str


def share(source: Side, target: Side, address: Address, policy: WritePolicy) -> Receipt:
    """Have a registry copy a version of a model or an environment, and compare what it has then.

    The environment that a model names goes first.

    Raises:
        UnsupportedError: The source is no workspace, or the target no registry.
        ConflictError: The registry has something else under that name and version.
        RemoteError: What arrived is not what was shared.
    """
    if source.control.place.is_registry or not target.control.place.is_registry:
        raise UnsupportedError(
            "Azure ML shares from a workspace into a registry of its tenant only",
            hint="leave --share out; the copy then goes by way of a package",
        )
    name = policy.named(address.name)
    done: list[Labelled] = []
    losses: list[Loss] = []
    needed: Address | None = None
    # Nothing is made for a version that is not to be there.
    seen = _look(source, target, address, name, skips=policy.conflict == "skip")
    what = f"{address.kind}/{name}/{seen.number}"
    if address.kind == "models" and seen.action.verb != "skip":
        try:
            needed = _environment_of(source, address)
            # What is there under another number means one already.
            if needed and seen.number == address.version:
                # The registry's own copy of the model names it by its number.
                found = _look(source, target, needed, needed.name, skips=False, by_number=True)
                done += _shared(source, target, needed, needed.name, found)
        except ConflictError as error:
            hint = "leave --share out; the environment then gets another number at the registry"
            raise ConflictError(f"{error.message}, and {what} needs it", hint=hint) from error
        except NotFoundError as error:
            why = f"the model names it, and it cannot be read: {error.message}"
            losses.append(Loss(record=what, field="environment", why=why))
    done += _shared(source, target, address, name, seen)
    if needed:
        there = target.control.version("models", name, seen.number)
        losses += _lost_environment(source, target, what, needed, there)
    return Receipt(
        source=address,
        target=Address(origin=target.origin, kind=address.kind, name=name, version=seen.number),
        content_id="",
        state_id="",
        actions=tuple(action for one in done for action in one.actions),
        losses=(*losses, *(loss for one in done for loss in one.losses)),
        transformations=tuple(change for one in done for change in one.transformations),
    )


def _environment_of(source: Side, address: Address) -> Address | None:
    """The version of an environment that a model means."""
    version = source.control.version("models", address.name, address.version)
    name, number = named_environment(version)
    if not name:
        return None
    asset = (
        source.control.version("environments", name, number)
        if number
        else meant(source.control, name)
    )
    if why := why_unmade(asset):
        raise NotFoundError(why)
    return Address(origin=source.origin, kind="environments", name=name, version=asset.name)


def _shared(
    source: Side, target: Side, address: Address, name: str, seen: _Seen
) -> Iterator[Labelled]:
    """Have one thing copied unless it is there, and set the labels that it lacks.

    Args:
        source: Where it is.
        target: The registry.
        address: Of it.
        name: That it gets.
        seen: What a look tells.
    """
    action, number = seen
    moved: list[Loss] = []
    if action.verb == "create":
        moved += latest_moved(target.control, address, name)
        _copy(source, target, address, name)
    elif number != address.version and address.kind == "environments":
        why = f"the registry has it as {number}, which is made of the same"
        what = f"environments/{name}/{address.version}"
        moved.append(Loss(record=what, field="version", why=why))
    yield Labelled((action,), (), tuple(moved))
    if action.verb == "skip":
        return
    kind = _kind_of(address)
    version = source.control.version(kind, address.name, address.version)
    whole = source.control.container(kind, address.name)
    if kind == "models":
        what = f"{kind}/{name}/{number}"
        there = target.control.version(kind, name, number)
        yield Labelled((), tuple(lost_of_kind(what, version, there)), ())
        yield label_version(target.control, kind, name, address.name, version, number=number)
        yield label_model(target.control, name, whole)
        return
    whole_there = next(iter(target.control.named(kind, name)), Asset(name, {}))
    wholes = (whole, whole_there)
    yield label_version(
        target.control, kind, name, address.name, version, number=number, wholes=wholes
    )
    yield Labelled((), tuple(_lost_of_all(whole, version)), ())


def _lost_environment(
    source: Side, target: Side, what: str, needed: Address, there: Asset
) -> Iterator[Loss]:
    """That a version means another environment at the registry than in the workspace.

    Args:
        source: The workspace.
        target: The registry, which has the environment.
        what: The version, as a person knows it.
        needed: The environment in the workspace.
        there: The version at the registry.
    """
    means, number = environment_meant(target.control, there)
    if (means, number) == (needed.name, needed.version):
        return
    if means and number:
        if source.recipe(needed.name, needed.version).is_same(target.recipe(means, number)):
            return
        has = f"there it means environments/{means}/{number}, which is another one"
    else:
        has = "there it means none"
    why = f"it means {needed.kind}/{needed.name}/{needed.version}; {has}"
    yield Loss(record=what, field="environment", why=why)


def _lost_of_all(whole: Asset, version: Asset) -> Iterator[Loss]:
    """What an environment says as a whole, and no version of it at the registry will."""
    for label in said_of_all(whole, version):
        yield Loss(record=f"environments/{whole.name}", field=label, why=OF_ALL)


def _look(  # noqa: PLR0913  (a thing at two places, and what counts)
    source: Side,
    target: Side,
    address: Address,
    name: str,
    *,
    skips: bool,
    by_number: bool = False,
) -> _Seen:
    """See what is to become of one thing, looking again while there is more; makes nothing.

    Args:
        source: Where it is.
        target: The registry.
        address: Of it.
        name: That it gets.
        skips: Whether something else that is there is left alone.
        by_number: Whether nothing but its own number will do.

    Raises:
        ConflictError: Something else is there, and is not to be left alone.
    """
    look = partial(_looked, source, target, address, name, skips=skips, by_number=by_number)
    return decided(target.control, _kind_of(address), name, look)


def _looked(  # noqa: PLR0913  (as above)
    source: Side, target: Side, address: Address, name: str, *, skips: bool, by_number: bool
) -> _Seen | None:
    """See it once; None if the target has more by now."""
    kind, version = _kind_of(address), address.version
    asked_for = source.control.version(kind, address.name, version)
    require_made(source.control.shown, f"{kind}/{address.name}/{version}", asked_for)
    versions = target.control.versions(kind, name, archived=True)
    what = f"{kind}/{name}/{version}"
    there = next((one for one in versions if one.name == version), None)
    if there and not there.is_failed:
        require_made(target.control.shown, what, there)
        # A list may show it earlier than it answers itself.
        target.control.settled(kind, name, version)
        if _is_same(source, target, address, name, version):
            why = "the registry has it already"
            return _Seen(Action(verb="keep", what=what, why=why), version)
    if not by_number and (number := _other_number(source, target, address, name, versions)):
        why = f"the registry has it already, as {number}"
        return _Seen(Action(verb="keep", what=f"{kind}/{name}/{number}", why=why), number)
    if there is None:
        if not require_whole(target.control, kind, name, versions, [version]):
            return None
        why = "copied by the registry itself"
        return _Seen(Action(verb="create", what=what, why=why), version)
    unmade = why_unmade(there)
    trouble = f"is none: {unmade}" if unmade else "is another one"
    return _Seen(
        _conflict(what, f"{what} at {target.control.shown} {trouble}", skips=skips), version
    )


def _other_number(
    source: Side, target: Side, address: Address, name: str, versions: list[Asset]
) -> str:
    """Under which number the registry has the very same, as that says; "" if it does not.

    Raises:
        UnavailableError: The service still makes one that says to be it.
    """
    kind = _kind_of(address)
    asked_for = source.control.version(kind, address.name, address.version)
    whole = Address(origin=target.origin, kind=address.kind, name=name)
    others = others_from(
        asked_for, Named(address, source.names), Named(whole, target.names), versions
    )
    for one in others:
        require_made(target.control.shown, f"{kind}/{name}/{one.name}", one)
        target.control.settled(kind, name, one.name)
        if _is_same(source, target, address, name, one.name):
            return one.name
    return ""


def _copy(source: Side, target: Side, address: Address, name: str) -> None:
    """Have one thing copied that is not there, and compare it.

    Raises:
        RemoteError: What arrived is not what was shared.
    """
    asked = Share(
        place=source.control.place,
        kind=_kind_of(address),
        name=address.name,
        version=address.version,
        registry=target.control.registry,
        as_name=name,
        as_version=address.version,
    )
    try:
        source.control.share(asked)
    except NotFoundError:
        # The client asks for what was made at once, and the registry may not show it yet.
        source.control.version(_kind_of(address), address.name, address.version)
    target.control.settled(_kind_of(address), name, address.version)
    if not _is_same(source, target, address, name, address.version):
        raise RemoteError(f"{target.control.shown} did not copy {address} as it is")


def _is_same(source: Side, target: Side, address: Address, name: str, number: str) -> bool:
    """Whether both sides hold the very same, byte by byte."""
    version = address.version
    if address.kind == "environments":
        return source.recipe(address.name, version).is_same(target.recipe(name, number))
    return _same(source.folder(address.name, version), target.folder(name, number))


def _kind_of(address: Address) -> Kind:
    return "environments" if address.kind == "environments" else "models"


def _conflict(what: str, trouble: str, *, skips: bool) -> Action:
    """Leave alone what is there, or refuse.

    Raises:
        ConflictError: It is not to be left alone.
    """
    if skips:
        return Action(verb="skip", what=what, why=trouble)
    raise ConflictError(
        trouble, hint="choose --conflict skip, give it another name, or leave --share out"
    )


def _same(one: BlobFolder, other: BlobFolder) -> bool:
    """Whether two folders hold the very same files, and both or none a blob of their own name."""
    if (one.beside() is None) != (other.beside() is None):
        return False
    sizes = {listed.path: listed.size for listed in one.files()}
    if sizes != {listed.path: listed.size for listed in other.files()}:
        return False
    for path in sizes:
        with one.open(path) as here, other.open(path) as there:
            if sha256_of(here) != sha256_of(there):
                return False
    return True
