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
    Ends,
    environment_meant,
    had_before,
    latest_moved,
    lost_of_kind,
)
from mlarchive.registries.azureml.soundness import require_made, why_unmade
from mlarchive.registries.azureml.storage import Storage
from mlarchive.registries.base import Action, Receipt, WritePlan, WritePolicy
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


def share(source: Side, target: Side, address: Address, policy: WritePolicy) -> Receipt:
    """Have a registry copy a version of a model or an environment, and compare what it has then.

    The environment that a model names goes first.

    Raises:
        UnsupportedError: The source is no workspace, or the target no registry.
        ConflictError: The registry has something else under that name and version.
        RemoteError: What arrived is not what was shared.
    """
    name = policy.named(address.name)
    # Nothing is made for a version that is not to be there.
    seen, losses = _seen(source, target, address, policy)
    done = [one for each in seen for one in _shared(source, target, each)]
    for needed in seen[:-1]:
        what = f"{address.kind}/{name}/{address.version}"
        there = target.control.version("models", name, address.version)
        losses += _lost_environment(source, target, what, needed.address, there)
    return Receipt(
        source=address,
        target=_goal(target, address, name),
        content_id="",
        state_id="",
        actions=tuple(action for one in done for action in one.actions),
        losses=(*losses, *(loss for one in done for loss in one.losses)),
        transformations=tuple(change for one in done for change in one.transformations),
    )


def plan_share(source: Side, target: Side, address: Address, policy: WritePolicy) -> WritePlan:
    """What `share` would have copied, and what that means there; labels are looked at by it alone.

    Raises:
        UnsupportedError: As `share`.
        ConflictError: Likewise.
    """
    seen, losses = _seen(source, target, address, policy)
    return WritePlan(
        target=_goal(target, address, policy.named(address.name)),
        actions=tuple(one.action for one in seen),
        losses=tuple(losses),
        transformations=tuple(change for one in seen for change in _changes(source, target, one)),
    )


class _Seen(NamedTuple):
    """One thing that is to be shared.

    Attributes:
        address: Of it.
        name: That it gets.
        action: What is to become of it.
    """

    address: Address
    name: str
    action: Action


def _seen(
    source: Side, target: Side, address: Address, policy: WritePolicy
) -> tuple[list[_Seen], list[Loss]]:
    """What is to become of a version, last, and of the environment that it names, first.

    Returns:
        And what cannot be read of it.

    Raises:
        UnsupportedError: As `share`.
        ConflictError: Likewise.
    """
    if source.control.place.is_registry or not target.control.place.is_registry:
        raise UnsupportedError(
            "Azure ML shares from a workspace into a registry of its tenant only",
            hint="leave --share out; the copy then goes by way of a package",
        )
    name = policy.named(address.name)
    skips = policy.conflict == "skip"
    own = _Seen(address, name, _look(source, target, address, name, skips=skips))
    if address.kind != "models" or own.action.verb == "skip":
        return [own], []
    what = f"{address.kind}/{name}/{address.version}"
    try:
        if needed := _environment_of(source, address):
            found = _look(source, target, needed, needed.name, skips=False)
            return [_Seen(needed, needed.name, found), own], []
    except ConflictError as error:
        hint = "leave --share out; the environment then gets another number at the registry"
        raise ConflictError(f"{error.message}, and {what} needs it", hint=hint) from error
    except NotFoundError as error:
        why = f"the model names it, and it cannot be read: {error.message}"
        return [own], [Loss(record=what, field="environment", why=why)]
    return [own], []


def _goal(target: Side, address: Address, name: str) -> Address:
    return Address(origin=target.origin, kind=address.kind, name=name, version=address.version)


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


def _changes(source: Side, target: Side, seen: _Seen) -> list[Loss]:
    """What it means at the registry that one thing is made there."""
    address, name, action = seen
    if action.verb != "create":
        return []
    version = source.control.version(_kind_of(address), address.name, address.version)
    ends = Ends(source.names, target.names)
    moved = latest_moved(target.control, address, name)
    return [*moved, *had_before(target.control, ends, address, name, version)]


def _shared(source: Side, target: Side, seen: _Seen) -> Iterator[Labelled]:
    """Have one thing copied unless it is there, and set the labels that it lacks."""
    address, name, action = seen
    moved = _changes(source, target, seen)
    if action.verb == "create":
        _copy(source, target, address, name)
    yield Labelled((action,), (), tuple(moved))
    if action.verb == "skip":
        return
    kind = _kind_of(address)
    version = source.control.version(kind, address.name, address.version)
    whole = source.control.container(kind, address.name)
    if kind == "models":
        what = f"{kind}/{name}/{address.version}"
        there = target.control.version(kind, name, address.version)
        yield Labelled((), tuple(lost_of_kind(what, version, there)), ())
        yield label_version(target.control, kind, name, address.name, version)
        yield label_model(target.control, name, whole)
        return
    whole_there = next(iter(target.control.named(kind, name)), Asset(name, {}))
    wholes = (whole, whole_there)
    yield label_version(target.control, kind, name, address.name, version, wholes=wholes)
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


def _look(source: Side, target: Side, address: Address, name: str, *, skips: bool) -> Action:
    """See what is to become of one thing, looking again while there is more; makes nothing."""
    look = partial(_looked, source, target, address, name, skips=skips)
    return decided(target.control, _kind_of(address), name, look)


def _looked(
    source: Side, target: Side, address: Address, name: str, *, skips: bool
) -> Action | None:
    """See what is to become of one thing; None if the target has more by now.

    Args:
        source: Where it is.
        target: The registry.
        address: Of it.
        name: That it gets.
        skips: Whether something else that is there is left alone.

    Raises:
        ConflictError: Something else is there, and is not to be left alone.
    """
    kind, version = _kind_of(address), address.version
    asked_for = source.control.version(kind, address.name, version)
    require_made(source.control.shown, f"{kind}/{address.name}/{version}", asked_for)
    versions = target.control.versions(kind, name, archived=True)
    what = f"{kind}/{name}/{version}"
    there = next((one for one in versions if one.name == version), None)
    if there is None:
        if not require_whole(target.control, kind, name, versions, [version]):
            return None
        return Action(verb="create", what=what, why="copied by the registry itself")
    if why := why_unmade(there):
        return _conflict(what, f"{what} at {target.control.shown} is none: {why}", skips=skips)
    require_made(target.control.shown, what, there)
    # A list may show it earlier than it answers itself.
    target.control.settled(kind, name, version)
    if _is_same(source, target, address, name):
        return Action(verb="keep", what=what, why="the registry has it already")
    return _conflict(what, f"{what} at {target.control.shown} is another one", skips=skips)


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
    kind, said = _kind_of(address), None
    try:
        source.control.share(asked)
    except NotFoundError as error:
        # The client asks for what was made at once, and the registry may not show it yet.
        source.control.version(kind, address.name, address.version)
        said = error
    except (ConflictError, RemoteError):
        # Somebody else may have had it copied meanwhile.
        versions = target.control.versions(kind, name, archived=True)
        if all(one.name != address.version for one in versions):
            raise
    try:
        target.control.settled(kind, name, address.version)
    except RemoteError as error:
        raise (said or error) from error
    if not _is_same(source, target, address, name):
        raise RemoteError(f"{target.control.shown} did not copy {address} as it is")


def _is_same(source: Side, target: Side, address: Address, name: str) -> bool:
    """Whether both sides hold the very same, byte by byte."""
    version = address.version
    if address.kind == "environments":
        return source.recipe(address.name, version).is_same(target.recipe(name, version))
    return _same(source.folder(address.name, version), target.folder(name, version))


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
