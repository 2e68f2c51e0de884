"""What an object is after operations: its attributes so far, and what could not be done."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any, BinaryIO

from mlarchive.registries.neptune.objects import (
    Attribute,
    AttributeFile,
    FloatSeries,
    float_series,
    lines,
    step_text,
)
from mlarchive.registries.neptune.offline.locating import FileSet, Located
from mlarchive.registries.neptune.sniffing import extension

Step = float | Decimal
_LONGEST = 2**63 - 1
_MOST_NAMES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A point of a series.

    Attributes:
        step: With a fraction or without.
        time: ms since 1970 UTC.
        value: A float, a text, a histogram; of a file series None.
        open: Of a file series what opens the file.
        size: Of that file; -1 if unknown.
        suffix: Of that file, without a dot; "" if only its content may tell.
        name: Of that file.
        description: Of that file.
        located: That file, if it was found by a recorded path.
    """

    step: Step
    time: int
    value: Any = None
    open: Callable[[], BinaryIO] | None = None
    size: int = -1
    suffix: str = ""
    name: str = ""
    description: str = ""
    located: Located | None = None


@dataclass(slots=True)
class Slot:
    """An attribute so far."""

    type: str
    value: str = ""
    values: set[str] = field(default_factory=set)
    items: list[Item] = field(default_factory=list)
    files: dict[str, AttributeFile] = field(default_factory=dict)
    located: dict[str, Located] = field(default_factory=dict)
    """Those of its files that were found by recorded paths, by the same names."""


@dataclass(slots=True)
class State:
    """An object so far.

    Attributes:
        slots: By path.
        losses: Field and sentence of each.
        changes: The same of what is carried in another form.
        numbered: Paths of series whose steps the server would have given.
        located: How many files were found by recorded paths.
    """

    slots: dict[str, Slot] = field(default_factory=dict)
    losses: list[tuple[str, str]] = field(default_factory=list)
    changes: list[tuple[str, str]] = field(default_factory=list)
    numbered: set[str] = field(default_factory=set)
    located: int = 0

    def lose(self, what: str, why: str) -> None:
        """List something that cannot be carried, once."""
        if (what, why) not in self.losses:
            self.losses.append((what, why))

    def slot(self, path: str, kind: str) -> Slot:
        """The attribute at a path; of another type, one that counts for nothing, and a loss.

        A server keeps what it has, and refuses what is of another type.
        """
        found = self.slots.setdefault(path, Slot(kind))
        if found.type == kind:
            return found
        self.lose(path, f"a {kind} was written to it, which a server refuses: it is a {found.type}")
        return Slot(kind)

    def takes(self, path: str, kind: str) -> bool:
        """Whether the attribute at a path is of a type, or not there yet; if not, it is a loss."""
        return self.slot(path, kind) is self.slots[path]

    def assign(self, path: str, kind: str, value: str) -> None:
        """Give an attribute one value."""
        self.slot(path, kind).value = value

    def append(self, path: str, kind: str, item: Item, *, step: Step | None) -> None:
        """Add an item to a series.

        Args:
            path: Of the series.
            kind: Its type.
            item: Whose own step does not count.
            step: None leaves it to the server, which counts on.
        """
        if step is not None and not -_LONGEST < step < _LONGEST:
            self.lose(path, f"an item of it has the step {step}, which there cannot be")
            return
        time = item.time
        if not -_LONGEST <= time < _LONGEST:
            self.lose(path, "an item of it has a time that there cannot be, which is left out")
            time = 0
        if not self.takes(path, kind):
            return
        items = self.slots[path].items
        if step is None:
            self.numbered.add(path)
            step = items[-1].step + 1 if items else 0
        items.append(replace(item, step=step, time=time))

    def put(self, path: str, located: Located | str, suffix: str) -> None:
        """Make an attribute of a file that was found, or list why it was not."""
        if not self.takes(path, "file"):
            return
        slot = self.slots[path] = Slot("file")
        if isinstance(located, str):
            self.lose(path, located)
            return
        self.located += 1
        slot.located[""] = located
        slot.files[""] = AttributeFile(
            path=with_suffix(path, suffix), open=located.opener, size=located.file.size
        )

    def add_files(self, path: str, located: FileSet | str, *, reset: bool) -> None:
        """Add files to a set."""
        if not self.takes(path, "file_set"):
            return
        slot = self.slots[path]
        if reset:
            slot.files.clear()
        if isinstance(located, str):
            self.lose(path, located)
            return
        for name, why in located.missing:
            self.lose(f"{path}/{name}" if name else path, why)
        self.located += len(located.files)
        for one in located.files:
            slot.located[one.name] = one
            slot.files[one.name] = AttributeFile(
                path=f"{path}/{one.name}", open=one.opener, size=one.file.size, name=one.name
            )

    def attributes(self) -> tuple[Attribute, ...]:
        """What there is in the end."""
        found = []
        for path, slot in sorted(self.slots.items()):
            made = self._attribute(path, slot)
            if made is not None:
                found.append(made)
        for path in sorted(self.numbered & self.slots.keys()):
            why = "its steps were left to the server, which counts on; so they are counted here"
            self.changes.append((path, why))
        self._list_places()
        if self.located:
            why = f"{self.located} are those that lie there now; nothing says what was in them then"
            self.changes.append(("files", why))
        return tuple(found)

    def _list_places(self) -> None:
        """Say which folders were cut off to find files, and which files two paths would be."""
        found: list[tuple[str, Located]] = []
        for path, slot in sorted(self.slots.items()):
            found += [(path, one) for name, one in slot.located.items() if name in slot.files]
            found += [(path, item.located) for item in slot.items if item.located]
        owners: dict[str, dict[str, str]] = {}
        for path, one in found:
            owners.setdefault(str(one.place), {}).setdefault(one.cut, path)
        for path, one in found:
            for cut, other in owners[str(one.place)].items():
                if cut != one.cut:
                    why = (
                        f"{one.place} was taken for what lay below {one.cut or '/'}; for {other}"
                        f" it was taken for what lay below {cut or '/'}, and it cannot be both"
                    )
                    self.lose(path, why)
        if cuts := sorted({one.cut for _, one in found if one.cut}):
            more = f" and {len(cuts) - _MOST_NAMES} more" if len(cuts) > _MOST_NAMES else ""
            names = ", ".join(cuts[:_MOST_NAMES]) + more
            self.changes.append(
                ("files", f"found without the first folders of their paths: {names}")
            )

    def _attribute(self, path: str, slot: Slot) -> Attribute | None:
        series: FloatSeries | None = None
        files = tuple(slot.files.values())
        if slot.type == "float_series":
            try:
                series = _floats(slot.items)
            except ValueError as error:
                self.lose(path, f"it cannot be kept: {error}")
                return None
        elif slot.type in {"string_series", "histogram_series"}:
            opener = partial(_text_lines, tuple(slot.items))
            files = (AttributeFile(path=f"{path}.jsonl", open=opener),)
        elif slot.type == "file_series":
            files = tuple(_item_files(path, slot.items))
        elif slot.type == "file" and not files:
            return None
        return Attribute(
            path=path,
            type=slot.type,
            value=slot.value,
            values=tuple(sorted(slot.values)),
            series=series,
            files=files,
        )


def with_suffix(path: str, suffix: str) -> str:
    """A path with an extension, where there is one that it does not have yet."""
    return path if not suffix or path.endswith(f".{suffix}") else f"{path}.{suffix}"


def _floats(items: Sequence[Item]) -> FloatSeries:
    return float_series(
        [item.step for item in items],
        [item.time for item in items],
        [float(item.value) for item in items],
    )


def _text_lines(items: Sequence[Item]) -> BinaryIO:
    return io.BytesIO(lines((step_text(item.step), item.time, item.value) for item in items))


def _item_files(path: str, items: Sequence[Item]) -> list[AttributeFile]:
    files = []
    for item in items:
        if item.open is None:
            continue
        suffix = item.suffix
        if not suffix:
            with item.open() as file:
                suffix = extension(file)
        step = step_text(item.step)
        files.append(
            AttributeFile(
                path=with_suffix(f"{path}/{step}", suffix),
                open=item.open,
                size=item.size,
                name=item.name,
                step=step,
                time=item.time,
                description=item.description,
            )
        )
    return files
