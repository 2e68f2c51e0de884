"""What a mirror's configuration says that decides what is done: the rules of a plan."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from mlarchived.choosing import Choice


class Deletions(Struct, frozen=True, kw_only=True):
    """What becomes of what is gone from the source.

    Attributes:
        policy: It is kept, marked as gone, or deleted.
        grace: Only when it has been gone for so many seconds.
        limit: At most so many objects at a time; if there are more, none.
    """

    policy: Literal["keep", "tombstone", "delete"] = "keep"
    grace: int = 0
    limit: int = 1


class Rules(Struct, frozen=True, kw_only=True):
    """What a mirror's configuration says that decides what is done.

    Attributes:
        targets: Names of the targets, in order; `VAULT` first where the mirror keeps one.
        locators: Of them by name, as what a command copied has them for its origin.
        keeping: Those of them whose objects each keep the labels that they were given, whatever
            others get: packages. At a server an alias that one gets is lost to another by itself.
        shared: Those of them where packages may be from others than this mirror.
        choice: Which objects are wanted.
        now: Of which ages are told, ms since 1970 UTC.
        reread: After so many ms what seems unchanged is read in full again; 0 for never.
        patient: Those of them that can take a version's number late.
        in_order: Whether other targets must get a model's versions in ascending order.
        set_aside_after: So many strikes.
        snapshots: Whether runs that still log are taken as they are.
        retry: Whether what was set aside or passed over is tried again this time.
        deletions: What becomes of what is gone from the source.
        replaces: Whether content may take the place of other content at a target.
    """

    targets: tuple[str, ...]
    locators: Mapping[str, str] = {}
    keeping: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    choice: Choice = Choice()
    now: int = 0
    reread: int = 0
    patient: frozenset[str] = frozenset()
    in_order: bool = True
    set_aside_after: int = 5
    snapshots: bool = False
    retry: bool = False
    deletions: Deletions = Deletions()
    replaces: bool = False
