"""One object of an export while it is read: its rows by attribute, and what is lost and changed."""

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mlarchive import fsops
from mlarchive.errors import DamageError, MlarchiveError
from mlarchive.registries.neptune.archives import Archives
from mlarchive.registries.neptune.export.clock import UTC_CLOCK, Clock
from mlarchive.registries.neptune.export.errorlog import ErrorLog
from mlarchive.registries.neptune.export.layout import Exported
from mlarchive.registries.neptune.export.parts import Slice
from mlarchive.registries.neptune.export.rows import Rows, by_attribute
from mlarchive.registries.neptune.objects import Attribute

_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What reading the objects of one export shares.

    Attributes:
        rows: The parts.
        archives: The file sets.
        clock: Of the machine that exported.
        log: What the exporter says that it failed to write.
    """

    rows: Rows
    archives: Archives
    clock: Clock
    log: ErrorLog


@dataclass(slots=True)
class Reading:
    """One object while it is read.

    Attributes:
        reader: What reading shares.
        exported: Where it is.
        identity: Project and id, as all its rows say.
        slices: Its rows by path and type.
        attributes: Those that are made, by path.
        losses: Field and sentence of each.
        routine: The same of what the exporter loses of every object of its kind.
        changes: The same of what is carried in another form.
        times: The first and the last of each series, as they stand in the rows.
        is_three: Whether it comes from Neptune 3.
        empty: Paths of rows without a value that Neptune 3's exporter writes for what other runs
            have, and which may yet stand for something.
        damage: The first row group that cannot be decoded.
        owners: Whose each file is: the attribute that named it first.
    """

    reader: Reader
    exported: Exported
    identity: tuple[str, str] = ("", "")
    slices: dict[tuple[str, str], list[Slice]] = field(default_factory=dict)
    attributes: dict[str, Attribute] = field(default_factory=dict)
    losses: list[tuple[str, str]] = field(default_factory=list)
    routine: list[tuple[str, str]] = field(default_factory=list)
    changes: list[tuple[str, str]] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    is_three: bool = False
    empty: list[str] = field(default_factory=list)
    damage: DamageError | None = None
    owners: dict[str, str] = field(default_factory=dict)

    def lose(self, what: str, why: str) -> None:
        """List what cannot be carried, once."""
        if (what, why) not in self.losses:
            self.losses.append((what, why))

    def lose_as_ever(self, what: str, why: str) -> None:
        """List what the exporter loses of every object: after all that this one alone has lost."""
        self.routine.append((what, why))

    def change(self, what: str, why: str) -> None:
        """List what is carried in another form."""
        self.changes.append((what, why))

    @property
    def clock(self) -> Clock:
        """Of Neptune 3 the times are right, whatever the exporting machine's clock showed."""
        return UTC_CLOCK if self.is_three else self.reader.clock

    def index(self, only: str) -> None:
        """See which attributes there are, and decode every row group that can have them.

        Args:
            only: Leave out those whose paths do not begin so; "" for none.

        Raises:
            DamageError: There is none.
        """
        found: list[Slice] = []
        first: MlarchiveError | None = None
        parts: list[Path] = []
        for part in self.exported.parts:
            try:
                if twin := next((one for one in parts if _are_same(one, part)), None):
                    why = f"it is {twin.name} a second time, byte for byte, and is left out"
                    self.lose(f"table {part.name}", why)
                    continue
                parts.append(part)
                groups, wrong = self.reader.rows.groups(part)
                for why in wrong:
                    self.lose(f"table {part.name}", why)
                for group in range(groups):
                    # The first one is decoded in any case: it says which object this is.
                    known = self.identity != ("", "")
                    if not known or self.reader.rows.may_have(part, group, only):
                        found += self._look(part, group, only)
            except MlarchiveError as error:
                first = first or error
                self.lose(f"table {part.name}", error.message)
        if not found and not only:
            raise first or self.damage or self._nothing()
        self.slices = by_attribute(iter(found))
        self.is_three = self.exported.kind == "run" and is_three(
            self._text("sys/id"), self.identity[1], self.slices
        )

    def _nothing(self) -> DamageError:
        called = f"{self.exported.folder}/{self.exported.name}"
        if self.exported.problems and not self.exported.parts:
            hint = "nothing of it is left here; look for another copy of the export"
            return DamageError(f"{called}: {self.exported.problems[0]}", hint=hint)
        hint = "the exporter was stopped before it wrote any"
        return DamageError(f"{called} has no rows at all", hint=hint)

    def _look(self, part: Path, group: int, only: str) -> list[Slice]:
        """The attributes of a row group; one that is damaged is a loss of its own."""
        try:
            slices = self.reader.rows.slices(part, group)
            named = self.reader.rows.identity(part, group)
        except DamageError as error:
            self.damage = self.damage or error
            self.lose(f"table {part.name}, row group {group}", error.message)
            return []
        self._identify(named, part)
        return [one for one in slices if one.path.startswith(only)]

    def _identify(self, named: set[tuple[str, str]], part: Path) -> None:
        """See that all rows are of one object.

        Raises:
            DamageError: They are not.
        """
        told = {pair for pair in named if all(pair)}
        if told != named:
            why = "it has rows that do not say of which object they are, taken for this one's"
            self.lose(f"table {part.name}", why)
        found = told if self.identity == ("", "") else told | {self.identity}
        if len(found) > 1:
            raise DamageError(f"{part} has rows of several objects, and they are never mixed")
        if found:
            (self.identity,) = found

    def _text(self, path: str) -> str:
        """The text of an attribute; "" if there is none that can be read."""
        with contextlib.suppress(DamageError):
            for one in self.slices.get((path, "string"), ()):
                for value in self.reader.rows.values(one, "string_value"):
                    if value is not None:
                        return str(value)
        return ""


def _are_same(one: Path, other: Path) -> bool:
    """Whether two parts have the same bytes, as no two have that the exporter wrote."""
    if one.lstat().st_size != other.lstat().st_size:
        return False
    with fsops.explaining(other, "read"), one.open("rb") as left, other.open("rb") as right:
        while (some := left.read(_AT_ONCE)) == right.read(_AT_ONCE):
            if not some:
                return True
    return False


def is_three(sys_id: str, run_id: str, attributes: Iterable[tuple[str, str]]) -> bool:
    """Whether a run comes from Neptune 3, of which the exporter calls runs by their custom ids.

    Args:
        sys_id: `sys/id`; "" if it was not exported.
        run_id: What the exporter calls the run: of Neptune 2 its `sys/id`.
        attributes: Path and type of each.
    """
    if sys_id and sys_id != run_id:
        return True
    if any(path.startswith(_THREE) or kind == "histogram_series" for path, kind in attributes):
        return True
    return not sys_id and bool(run_id) and not _SYS_ID.fullmatch(run_id)


_THREE = ("sys/experiment/", "sys/forking/", "sys/diagnostics/")
"""What servers of Neptune 3 alone have."""
_SYS_ID = re.compile("[A-Z][A-Z0-9_]*-[0-9]+")
