"""The contract of a registry: few methods, synchronous, typed.

A registry is a source, a target, or both. Everything is one: a server, a folder, a vault, a
package. `mlarchive.registries.opening` turns a locator into one.

The laws each implementation keeps, and `mlarchive.testing` checks:

* `read` gives the whole object, or the whole object with its losses listed, or an error. Never a
  silent subset.
* `write` is idempotent by (origin, object) -> (content_id, state_id): repeating it changes
  nothing, a crash at any point is mended by running it again.
* What `plan_write` says is what `write` then does; it changes nothing itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, Protocol, Self, TypeAlias, runtime_checkable

from msgspec import Struct

from mlarchive.errors import ConflictError, MlarchiveError, UnsupportedError
from mlarchive.records import Address, Loss
from mlarchive.snapshot import Snapshot


class PlaceTakenError(ConflictError):
    """A name and number can never be given at a target: taken by something else, or passed."""


class Selector(Struct, frozen=True, kw_only=True):
    """Which objects are meant: what stands after `#` in a locator.

    Attributes:
        kind: `models`, `runs`, `experiments`, `folders`; "" for all the registry's own kinds.
        name: Exact name or id, or a pattern with `*` and `?` if `pattern` is set; "" for all.
        version: Exact version; "" for all.
        alias: Only the version this alias points at; "" for no such limit.
        pattern: Whether `name` is a pattern.
        named: `id` or `name` where the locator settles which of the two `name` is; else "".
        path: A file or folder within the object, for commands that look inside.
        archived: Whether those are meant too that the registry hides; never said by a locator.
    """

    kind: str = ""
    name: str = ""
    version: str = ""
    alias: str = ""
    pattern: bool = False
    named: Literal["", "id", "name"] = ""
    path: str = ""
    archived: bool = False


class Traits(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a registry tells of an object from afar that it may be chosen by.

    None where the registry does not tell it, which is something else than that there is none.

    Attributes:
        aliases: That name this version.
        stage: Of this version; "" for none.
        tags: Values by key; several where several records of the object have the key.
        made_at: When it was made, or a run started, ms since 1970 UTC.
        deleted: Whether it is deleted where it is, and can still be read.
        experiments: Names of those that it belongs to; an experiment's own.
        archived: Whether lists of its registry hide it, by itself or with all of its name.
    """

    aliases: tuple[str, ...] | None = None
    stage: str | None = None
    tags: Mapping[str, tuple[str, ...]] | None = None
    made_at: int | None = None
    deleted: bool | None = None
    experiments: tuple[str, ...] | None = None
    archived: bool | None = None


class Listing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `mlarchive ls`.

    Attributes:
        address: The object.
        title: A few words for a person.
        facts: Further facts by name: aliases, stage, run, status.
        size: Bytes it takes, -1 where the registry cannot say cheaply.
        content_id: Where known.
        state_id: Where known.
        description: In full; None where it is not told.
        source: Where a version's files are, by its registry's word; None where it is not told.
        updated_at: When it was changed last, ms since 1970 UTC; None where it is not told.
        traits: What objects may be chosen by.
    """

    address: Address
    title: str = ""
    facts: dict[str, str] = {}
    size: int = -1
    content_id: str = ""
    state_id: str = ""
    description: str | None = None
    source: str | None = None
    updated_at: int | None = None
    traits: Traits = Traits()


def tag_traits(tags: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    """Tags of a single record as `Traits` has them."""
    return {key: (value,) for key, value in tags.items()}


class Ref(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An object as a mirror sees it from afar, without reading its bytes.

    A mark is an opaque digest over all that the registry tells cheaply. Equal marks mean that
    nothing cheaply visible changed. The content mark covers what content is made of (ids, times,
    params, latest metrics, the listing of artifacts with sizes), the state mark covers tags,
    aliases, stage, descriptions and lifecycle.

    Attributes:
        address: The object.
        content_mark: Over what content is made of.
        state_mark: Over what state is made of.
        settled: Whether the object is complete: a run that still logs is not.
        unfinished: Why it is no object yet, where a write goes on or was broken off; else "". What
            comes after it does not wait for it, since it may never become one.
        unreadable: Why nobody knows how it is now, though it is there; else "".
        unreadable_status: Exit status of the error that says so; 0 if there is none.
        origin: The address the object was mirrored from, where this registry remembers one.
        adopted: Whether it was here before the same thing came from there.
        through: The registries it came through before, the first one first, where remembered.
        traits: What a mirror may choose by.
        lasting: What marks at targets call it for good, where another object may get its address;
            else "".
    """

    address: Address
    content_mark: str
    state_mark: str
    settled: bool = True
    unfinished: str = ""
    unreadable: str = ""
    unreadable_status: int = 0
    origin: str = ""
    adopted: bool = False
    through: tuple[str, ...] = ()
    traits: Traits = Traits()
    lasting: str = ""


KEEPING_NAMES = frozenset({"vault", "dir", "outbox"})
"""Schemes of targets that keep names and version numbers as they are at the source."""


AWAIT_SECONDS = 300
"""As MLflow's own client waits."""


class WritePolicy(Struct, frozen=True, kw_only=True):
    """How a target treats what it is given.

    Attributes:
        versions: `preserve` keeps the source's version number (an error where the target cannot),
            `next` takes the next free one.
        conflict: What to do when the name and version are taken by other content: `fail`, `skip`,
            or `new-version`.
        rename: The name to write under, in which `{name}` stands for the source's; "" keeps that.
        experiment: The experiment at an MLflow target that experiments and all in them go into,
            likewise.
        delete_first: Whether the model, prompt or evaluation dataset that has the name at an MLflow
            target is deleted before, with all versions.
        mlmodel: Whether `MLmodel` files at an MLflow target name run and model there (`follow`), or
            those at the source (`keep`).
        source_tags: Whether objects at an MLflow target get tags that tell what they were at the
            source, under the names of mlflow-export-import.
        await_seconds: How long to wait for a version at an MLflow target to be ready; 0 not to.
        model_type: What a folder is registered as where models have types (Azure ML), such as
            `mlflow_model`; "" leaves it to the target.
        stage: Where a target without stages keeps a model version's: in a `field`, or as a `tag`.
        labels: Whose word counts where a target's own people labelled an object: the `source`'s,
            or, with `merge`, of each label theirs.
        unsaid: What becomes of a label of a folder, which has none of its own, that was given once
            and is given no more: it `goes`, or it `stays`.
    """

    versions: Literal["preserve", "next"] = "preserve"
    conflict: Literal["fail", "skip", "new-version"] = "fail"
    rename: str = ""
    experiment: str = ""
    delete_first: bool = False
    source_tags: bool = False
    await_seconds: int = AWAIT_SECONDS
    mlmodel: Literal["follow", "keep"] = "follow"
    model_type: str = ""
    stage: Literal["field", "tag"] = "field"
    labels: Literal["source", "merge"] = "source"
    unsaid: Literal["goes", "stays"] = "goes"

    def named(self, name: str) -> str:
        """What something that has a name at its source is written under."""
        return self.rename.replace("{name}", name) or name

    def experiment_named(self, name: str) -> str:
        """What an experiment that has a name at its source is called at the target."""
        return self.experiment.replace("{name}", name) or name

    def is_beside(self, address: Address) -> bool:
        """Whether an object that is written to its own registry gets another place than it has."""
        if address.kind == "experiments":
            return self.experiment_named(address.name) != address.name
        if address.kind == "runs":
            return bool(self.experiment)
        return self.named(address.name) != address.name

    @property
    def one_experiment(self) -> bool:
        """Whether all experiments become one."""
        return bool(self.experiment) and "{name}" not in self.experiment


Verb: TypeAlias = Literal["create", "update", "delete", "keep", "skip"]


class Action(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a write does at its target.

    Attributes:
        verb: What is done.
        what: To what, as a person would name it at the target.
        why: The reason, in a few words.
    """

    verb: Verb
    what: str
    why: str = ""


class WritePlan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a write would do, and what it could not keep.

    Attributes:
        target: The address it would have at the target.
        actions: In order. None other than `keep` means that there is nothing to do.
        losses: What the target cannot hold.
        awaiting: Those of the losses that end when other objects come to the target.
        transformations: What the target holds in another form, such as ids it assigns itself.
    """

    target: Address
    actions: tuple[Action, ...] = ()
    losses: tuple[Loss, ...] = ()
    awaiting: tuple[Loss, ...] = ()
    transformations: tuple[Loss, ...] = ()

    @property
    def idle(self) -> bool:
        """Whether nothing would change."""
        return all(action.verb in {"keep", "skip"} for action in self.actions)


class Receipt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a write did.

    Attributes:
        source: The object's address at its source.
        target: Its address at the target.
        content_id: What arrived, as recorded at the target.
        state_id: How it is labelled there.
        actions: What was done.
        losses: What the target could not hold.
        awaiting: Those of the losses that end when other objects come to the target.
        transformations: What it holds in another form.
        bytes: How many bytes of files were sent.
        pending: Whether it is under way, and will be held when it is known to have arrived.
    """

    source: Address
    target: Address
    content_id: str
    state_id: str
    actions: tuple[Action, ...] = ()
    losses: tuple[Loss, ...] = ()
    awaiting: tuple[Loss, ...] = ()
    transformations: tuple[Loss, ...] = ()
    bytes: int = 0
    pending: bool = False

    @classmethod
    def of_one(cls, snapshot: Snapshot, target: Address, action: Action, sent: int) -> Self:
        """Of a write that is one action, at a target that holds a snapshot as it is.

        Args:
            snapshot: What was written.
            target: Its address at the target.
            action: What was done.
            sent: Bytes.
        """
        return cls(
            source=snapshot.address,
            target=target,
            content_id=snapshot.content_id,
            state_id=snapshot.state_id,
            actions=(action,),
            bytes=sent,
        )

    @property
    def idle(self) -> bool:
        """Whether nothing was changed."""
        return all(action.verb in {"keep", "skip"} for action in self.actions)


class Holding(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a target holds for an object of some origin.

    Attributes:
        address: The object's address at the target.
        content_id: As recorded when it was written.
        state_id: As recorded when it was last labelled.
        aliases: Those that it was given with these labels, as far as the target tells.
        lasting: Of what objects it is the copy, as `Ref.lasting` calls these, as far as the target
            tells.
        also: The addresses of what else, there or elsewhere, it is the copy of, or was.
        deleted: Whether it is deleted there, and can be deleted no further.
    """

    address: Address
    content_id: str
    state_id: str
    aliases: tuple[str, ...] = ()
    lasting: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    deleted: bool = False


class Readable(Protocol):
    """What objects can be read from."""

    def read(self, address: Address) -> Snapshot:
        """Read one object; the streams stay valid while the registry is open.

        Raises:
            NotFoundError: It is not there.
        """


class Source(Readable, Protocol):
    """A registry that can be read."""

    @property
    def origin(self) -> str:
        """The registry's own name, which mirrors remember."""

    def ls(self, selector: Selector) -> Iterator[Listing]:
        """List what there is.

        Raises:
            NotFoundError: The selector names one thing, and it is not there.
        """

    def changes(self, selector: Selector) -> Iterator[Ref]:
        """See every selected object from afar, newest first where that is known."""


class Unread(Struct, frozen=True, kw_only=True):
    """Something in a registry that cannot be read, so that what it is may be anything.

    Attributes:
        what: It, as a person would find it.
        why: The reason, as one sentence.
    """

    what: str
    why: str


@runtime_checkable
class PartlyRead(Protocol):
    """A source that can hold what it cannot read, and therefore does not show."""

    def unread(self, selector: Selector) -> Sequence[Unread]:
        """All that may be among the selected objects and cannot be read."""


def unread(source: Source, selector: Selector) -> Sequence[Unread]:
    """What a source holds and cannot read: while there is any, nothing is known to be gone."""
    return source.unread(selector) if isinstance(source, PartlyRead) else ()


Choose: TypeAlias = Callable[[Iterable[Listing]], list[Listing]]
"""Those of a list that are wanted, in their order."""


class SideBySide:
    """Marks a registry of which several threads may read and write several objects at a time."""


@runtime_checkable
class Placed(Protocol):
    """A registry that is changed where it is copied into itself."""

    @property
    def place(self) -> str:
        """Where it is, in one spelling of several."""


def is_itself(source: object, target: object) -> bool:
    """Whether a target is the very source, as far as their addresses tell."""
    return (
        isinstance(source, Placed) and isinstance(target, Placed) and source.place == target.place
    )


@runtime_checkable
class Owing(Protocol):
    """A source that knows what it should hold and cannot tell of."""

    def owed(self) -> Sequence[MlarchiveError]:
        """What is damaged, or was announced and has not come; a sentence for each.

        What is there can be read all the same, but whoever read it has not seen everything.
        """


@runtime_checkable
class Burying(Protocol):
    """A source that is told of deletions, so that what it does not show need not be gone."""

    def buried(self, address: Address) -> bool:
        """Whether it was told that an object is gone."""


@runtime_checkable
class Answering(Protocol):
    """A source that can be asked for one object itself.

    Its lists may be behind, or leave out what others bring.
    """

    def has(self, address: Address) -> bool:
        """Whether an object is there, whatever lists show."""


@runtime_checkable
class Lagging(Protocol):
    """A source that can tell where its lists are behind what it has."""

    def lagging(self) -> Mapping[str, MlarchiveError]:
        """Why its lists so far did not show all of a name, by `KIND/NAME`; a sentence for each."""


def lagging(source: Source) -> Mapping[str, MlarchiveError]:
    """Names of which a source's lists so far did not show all: while any is, nothing is gone."""
    return source.lagging() if isinstance(source, Lagging) else {}


def is_gone(source: Source, address: Address) -> bool:
    """Whether an object that a source does not show is gone from it."""
    if isinstance(source, Burying):
        return source.buried(address)
    if isinstance(source, Answering) and source.has(address):
        return False
    whole = f"{address.kind}/{address.name}"
    if whole in lagging(source):
        return False
    return {whole, f"{whole}/{address.version}"}.isdisjoint(archived_unlisted(source))


def owed(source: Source) -> Sequence[MlarchiveError]:
    """What a source should hold and cannot tell of, but for what is `unread`."""
    return source.owed() if isinstance(source, Owing) else ()


@runtime_checkable
class Archiving(Protocol):
    """A source that archives versions, which its lists leave out unless they are asked for."""

    def archived_unlisted(self) -> Sequence[str]:
        """What its lists left out so far, as `KIND/NAME/VERSION`, or `KIND/NAME` for all of it."""


def archived_unlisted(source: Source) -> Sequence[str]:
    """What lists of a source left out so far since it is archived."""
    return source.archived_unlisted() if isinstance(source, Archiving) else ()


@runtime_checkable
class WholeSource(Protocol):
    """A source whose objects depend on each other, read as a whole."""

    def everything(self, choose: Choose = list) -> Iterator[Address]:
        """All objects, each once, in the order in which a target should get them.

        Args:
            choose: Which of those in a list are wanted. What would come with an object that is not
                wanted comes by itself, if it is wanted.
        """


@runtime_checkable
class Bringing(Protocol):
    """A source in which versions bring what is then no object by itself."""

    def brought(self, version: Address) -> Iterator[tuple[Address, Callable[[], Snapshot]]]:
        """The run and the registered model of a version, and what reads each by itself."""


class Target(Protocol):
    """A registry that can be written."""

    @property
    def origin(self) -> str:
        """The registry's own name."""

    def holding(self, source: Address, policy: WritePolicy) -> Holding | None:
        """What this target remembers of an object of a source; None if it never got it whole."""

    def plan_write(self, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:
        """Say what `write` would do now."""

    def write(self, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
        """Make the target hold the snapshot; it comes from a package, so its ids are known.

        Raises:
            ConflictError: The name and version are taken by other content, and the policy is
                `fail`.
        """


@runtime_checkable
class ManyHoldings(Protocol):
    """A target that can be asked of many objects at once, for less than of each alone."""

    def holdings(self, sources: Sequence[Address], policy: WritePolicy) -> Iterable[Holding | None]:
        """What `holding` says of each, in their order."""


def holdings(
    target: Target, sources: Sequence[Address], policy: WritePolicy
) -> Iterable[Holding | None]:
    """What a target remembers of some objects, in their order; one by one where it must be."""
    if isinstance(target, ManyHoldings):
        return target.holdings(sources, policy)
    return (target.holding(source, policy) for source in sources)


@runtime_checkable
class Forgetting(Protocol):
    """A target that can be told that an object is gone from its source."""

    def delete(self, source: Address, policy: WritePolicy) -> None:
        """Delete what it holds of an object; nothing if it holds none.

        Raises:
            UnsupportedError: It cannot delete such an object.
        """

    def touched(self, source: Address, policy: WritePolicy) -> str:
        """With what people labelled what it holds of an object; "" with nothing."""

    def mark_gone(self, source: Address, policy: WritePolicy, *, since: int) -> None:
        """Say of what it holds of an object that this is gone from its source.

        Args:
            source: The object.
            policy: As it was written.
            since: When it went, ms since 1970 UTC; 0 if it is there again.

        Raises:
            UnsupportedError: It has no place to say so.
        """


def forgetting(target: Target) -> Forgetting:
    """A target as one that can be told what is gone.

    Raises:
        UnsupportedError: It cannot.
    """
    if isinstance(target, Forgetting):
        return target
    raise UnsupportedError(
        f"{target.origin} cannot be told what is gone from a source",
        hint="leave `deletions` out for it",
    )


class Registry(Source, Target, Protocol):
    """Both."""
