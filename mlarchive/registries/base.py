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

from collections.abc import Iterator
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from mlarchive.records import Address, Loss
from mlarchive.snapshot import Snapshot


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
    """

    kind: str = ""
    name: str = ""
    version: str = ""
    alias: str = ""
    pattern: bool = False
    named: Literal["", "id", "name"] = ""
    path: str = ""


class Listing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `mlarchive ls`.

    Attributes:
        address: The object.
        title: A few words for a person.
        facts: Further facts by name: aliases, stage, run, status.
        size: Bytes it takes, -1 where the registry cannot say cheaply.
        content_id: Where known.
        state_id: Where known.
    """

    address: Address
    title: str = ""
    facts: dict[str, str] = {}
    size: int = -1
    content_id: str = ""
    state_id: str = ""


class Ref(Struct, frozen=True, kw_only=True, omit_defaults=True):
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
        origin: The address the object was mirrored from, where this registry remembers one.
        through: The registries it came through before, the first one first, where remembered.
    """

    address: Address
    content_mark: str
    state_mark: str
    settled: bool = True
    origin: str = ""
    through: tuple[str, ...] = ()


class WritePolicy(Struct, frozen=True, kw_only=True):
    """How a target treats what it is given.

    Attributes:
        versions: `preserve` keeps the source's version number (an error where the target cannot),
            `next` takes the next free one.
        conflict: What to do when the name and version are taken by other content: `fail`, `skip`,
            or `new-version`.
        rename: The name to write under; "" keeps the source's.
    """

    versions: Literal["preserve", "next"] = "preserve"
    conflict: Literal["fail", "skip", "new-version"] = "fail"
    rename: str = ""


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
        transformations: What the target holds in another form, such as ids it assigns itself.
    """

    target: Address
    actions: tuple[Action, ...] = ()
    losses: tuple[Loss, ...] = ()
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
        transformations: What it holds in another form.
        bytes: How many bytes of files were sent.
    """

    source: Address
    target: Address
    content_id: str
    state_id: str
    actions: tuple[Action, ...] = ()
    losses: tuple[Loss, ...] = ()
    transformations: tuple[Loss, ...] = ()
    bytes: int = 0

    @property
    def idle(self) -> bool:
        """Whether nothing was changed."""
        return all(action.verb in {"keep", "skip"} for action in self.actions)


class Holding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a target holds for an object of some origin.

    Attributes:
        address: The object's address at the target.
        content_id: As recorded when it was written.
        state_id: As recorded when it was last labelled.
    """

    address: Address
    content_id: str
    state_id: str


class Source(Protocol):
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

    def read(self, address: Address) -> Snapshot:
        """Read one object; the streams stay valid while the registry is open.

        Raises:
            NotFoundError: It is not there.
        """


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


class Registry(Source, Target, Protocol):
    """Both."""
