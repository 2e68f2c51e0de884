"""What is known of one object: at its source, in the ledger, in the vault and at each target.

The input of `plan`. Plain data; whoever gathers it talks to registries, the ledger and the vault.
What there is of each object of a mirror has `gc=False`: nothing in it can lead back to itself, and
of a hundred thousand the collector of such cycles took a tenth of an idle round.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from mlarchive.records import Address
from mlarchive.registries.base import Holding, Ref

VAULT = "vault:"
"""What the vault is called among the targets; no registry can have a name with a colon."""

SPOOL = "spool:"
"""What the place is called where packages are kept only until they are delivered."""


class Marks(Struct, frozen=True, kw_only=True, gc=False):
    """How an object looked from afar (see `Ref`)."""

    content: str
    state: str


class Ids(Struct, frozen=True, kw_only=True, gc=False):
    """What an object is and how it is labelled (see `Documents`)."""

    content: str
    state: str


class Packed(Struct, frozen=True, kw_only=True, gc=False):
    """When the object was last read and packed: how it looked, and what it was.

    Attributes:
        marks: How it looked from afar just before it was read, its labels as they were read.
        ids: What was read.
        read_at: When all of it was read last, ms since 1970 UTC; 0 if nobody knows.
    """

    marks: Marks
    ids: Ids
    read_at: int = 0


class Before(Struct, frozen=True, kw_only=True, gc=False):
    """What a vault was given of an object before the ledger began.

    Attributes:
        ids: Of what it was given last; None if nobody knows.
        pruned: Whether its retention removed it.
        targets: Of which nobody knows whether they ever got it.
    """

    ids: Ids | None
    pruned: bool
    targets: tuple[str, ...] = ()


class Trouble(Struct, frozen=True, kw_only=True, gc=False):
    """The last thing that went wrong, until it goes right.

    Attributes:
        sentence: For a person.
        strikes: Failures in a row that waiting does not mend.
    """

    sentence: str
    strikes: int


class Delivered(Struct, frozen=True, kw_only=True, gc=False):
    """What the ledger knows of an object at one target.

    Attributes:
        given: What it was last given; None if it never was.
        ids: What it said that it held after that. Differs from `given` where it cannot hold all,
            as a plain folder of files cannot hold labels.
        passed_over: What the target's policy passed over, because it held other content.
        trouble: What went wrong since.
        marked: Whether it is marked there as gone from its source.
        pruned: Whether the vault's retention removed what it was given.
        withheld: Why it waits for a person though nothing failed; "" if it does not.
        owed: Whether it is to get what the mirror took of the object last, and has not got it.
        doubted: Whether nobody knows if it ever got that, since the ledger began later.
        awaited: Whether it lacked others that the object names, and has got something since.
    """

    given: Ids | None = None
    ids: Ids | None = None
    passed_over: Ids | None = None
    trouble: Trouble | None = None
    marked: bool = False
    pruned: bool = False
    withheld: str = ""
    owed: bool = False
    doubted: bool = False
    awaited: bool = False


NOTHING_GIVEN = Delivered()
"""What the ledger knows where it knows nothing."""


class Rival(Struct, frozen=True, kw_only=True):
    """Another mirror that brings an object, or others of its name, from elsewhere to a target.

    Attributes:
        mirror: Its name.
        first: Whether it comes first in the configuration.
        content: The content_id of what it brought of this very object; "" if it does not.
    """

    mirror: str
    first: bool
    content: str = ""

    @property
    def has_it(self) -> bool:
        """Whether it brings this very object."""
        return bool(self.content)


Stored: TypeAlias = Literal["nothing", "pruned", "content", "package"]
"""Whether the vault holds the package of `Packed.ids`, only its content, or neither; and whether
its retention removed the package."""


class View(Struct, frozen=True, kw_only=True, gc=False):
    """All that is known of one object.

    Attributes:
        address: At its source.
        ref: How the source shows it now; None if it is no longer there.
        seen: How it looked when it was last looked at; troubles are about that look.
        packed: From the ledger; None if it was never packed, or the ledger was lost.
        stored: What the vault has of `packed`; of what is gone, of what it was given last.
        in_vault: Whether the vault has any package of this address.
        trouble: What went wrong when it was read.
        delivered: What the ledger knows, by target.
        holdings: What the targets say themselves, by target; None where one holds nothing.
        silent: Targets that could not be asked, and why.
        gone_at: Since when the source shows it no more, ms since 1970 UTC; 0 if it does, or if
            what the source was asked for is not about it.
        gone_for: For how long it was seen to be gone, in ms.
        touched: With what people labelled it at targets, of what may have to go there.
        past: What the vault has of it or had, where a target that others may write to has
            something else of it than the ledger knows.
        clash: Why it cannot be where another object would have the same name; "" if it can.
        rivals: Who else brings it, or others of its name, there, by target.
        hidden: Why the source may have it though it does not show it; "" if that cannot be.
        succeeded: Of what is gone, what the source shows of which targets' copies of it are the
            copies, by target.
    """

    address: Address
    ref: Ref | None
    seen: Marks | None = None
    packed: Packed | None = None
    stored: Stored = "nothing"
    in_vault: bool = False
    trouble: Trouble | None = None
    delivered: Mapping[str, Delivered] = {}
    holdings: Mapping[str, Holding | None] = {}
    silent: Mapping[str, str] = {}
    gone_at: int = 0
    gone_for: int = 0
    hidden: str = ""
    touched: Mapping[str, str] = {}
    past: frozenset[Ids] = frozenset()
    clash: str = ""
    rivals: Mapping[str, tuple[Rival, ...]] = {}
    succeeded: Mapping[str, str] = {}

    @property
    def look(self) -> Marks | None:
        """How the source shows it now; None if it is no longer there."""
        if self.ref is None:
            return None
        return Marks(content=self.ref.content_mark, state=self.ref.state_mark)

    @property
    def taken(self) -> Ids | None:
        """What the mirror took of it last; None if that was nothing, or not what was seen last."""
        given = self.delivered.get(VAULT, NOTHING_GIVEN).given
        if given or self.packed is None:
            return given
        seen = self.look or self.seen
        is_last = seen is None or seen.content == self.packed.marks.content
        return self.packed.ids if is_last else None

    @property
    def unread(self) -> bool:
        """Whether what was seen last, be it labels alone, was never read: only what was before."""
        given = self.delivered.get(VAULT, NOTHING_GIVEN).given
        seen = self.look or self.seen
        if self.packed is None or seen is None or given not in {None, self.packed.ids}:
            return False
        return seen != self.packed.marks

    @property
    def wanted(self) -> Ids | None:
        """What targets are to have of it; None while nobody knows, since it was not read yet."""
        if self.ref is None:
            return self.taken
        return self.packed.ids if self.packed and self.packed.marks == self.look else None
