"""How a drop folder is read; plain data, for the configuration."""

from pathlib import Path

from msgspec import Struct


class DropRules(Struct, frozen=True, kw_only=True):
    """How a drop folder is read.

    Attributes:
        folder: The drop folder.
        settle: Seconds that something must stand still which nothing proves complete.
        pattern: Of the paths of model folders, such as `{name}/{version}`; "" for none.
        rescan: Seconds between two scans that nothing has hinted at.
        poll: Whether to rely on scans alone.
        replaces: Whether other content may come under a name and version that are taken.
    """

    folder: Path
    settle: int
    pattern: str
    rescan: int
    poll: bool
    replaces: bool = False
