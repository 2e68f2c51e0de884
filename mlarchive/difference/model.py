"""The answer of a comparison. The first object is *before*, the second *after*."""

from typing import Literal, TypeAlias

from msgspec import Struct

from mlarchive.records import Address, File

Sign: TypeAlias = Literal["+", "-", "~"]
"""Only after, only before, in both but not the same."""


class Change(Struct, frozen=True, kw_only=True):
    """A field of a record, or one entry of it.

    Attributes:
        sign: What happened to it.
        part: The document that it belongs to.
        field: Such as `params`, `aliases`, `description`.
        name: Of the entry: a parameter's or tag's key, an item of a list; "" for a plain field.
        before: Its text; None if there was none. Lists have an item's text in `name` alone.
        after: Likewise.
    """

    sign: Sign
    part: Literal["content", "state"]
    field: str
    name: str = ""
    before: str | None = None
    after: str | None = None


class TensorChange(Struct, frozen=True, kw_only=True):
    """A tensor of a safetensors file.

    Attributes:
        sign: What happened to it; `~` with equal forms means that its bytes differ.
        name: As the file's header has it; `__metadata__` for the header's own free text.
        before: Its dtype and shape, `F32[2,3]`; None if there was none.
        after: Likewise.
    """

    sign: Sign
    name: str
    before: str | None = None
    after: str | None = None


class FileChange(Struct, frozen=True, kw_only=True):
    """A file of a record; with two paths and one digest it was renamed.

    Attributes:
        sign: What happened to it.
        before: As it was; None if it was not there.
        after: Likewise.
        tensors: Where both are safetensors: what differs in them.
        note: What is to be said of its inside, in a few words.
    """

    sign: Sign
    before: File | None = None
    after: File | None = None
    tensors: tuple[TensorChange, ...] = ()
    note: str = ""


class SeriesChange(Struct, frozen=True, kw_only=True):
    """A history of a metric. Points are the same if step, timestamp and the value's bits are.

    Attributes:
        sign: What happened to it.
        key: The metric's name.
        dataset: What it was measured on.
        points_before: How many there were; None if the history was not there.
        points_after: Likewise.
        added: Points with a step and timestamp that were not there; None if that is not known.
        removed: Points with a step and timestamp that are not there any more; None likewise.
        changed: Points with another value at the same step and timestamp; None likewise.
        first_step: Of the first point that is not the same; None likewise.
        note: Why it is not known.
    """

    sign: Sign
    key: str
    dataset: str
    points_before: int | None = None
    points_after: int | None = None
    added: int | None = None
    removed: int | None = None
    changed: int | None = None
    first_step: int | None = None
    note: str = ""


class RecordChange(Struct, frozen=True, kw_only=True):
    """A record that is not the same; of one that came or went, all that it has.

    Attributes:
        sign: What happened to it.
        kind: Of record.
        name: Its name, or the server's id where it has none.
        key_before: Its key in the first object; None if it was not there.
        key_after: Likewise.
        changes: Of its fields.
        files: Of its files.
        metrics: Of its histories.
    """

    sign: Sign
    kind: str
    name: str
    key_before: str | None = None
    key_after: str | None = None
    changes: tuple[Change, ...] = ()
    files: tuple[FileChange, ...] = ()
    metrics: tuple[SeriesChange, ...] = ()


class Side(Struct, frozen=True, kw_only=True):
    """One of the two objects: its address and ids."""

    address: Address
    content_id: str
    state_id: str


class Difference(Struct, frozen=True, kw_only=True):
    """All that `mlarchive diff` says.

    Attributes:
        before: The first object.
        after: The second.
        content_equal: Whether they are the same thing.
        state_equal: Whether they are labelled alike.
        records: Those that differ, by kind, then by key.
        evidence: What differs in what no id covers: `address`, `losses`, or `KEY.FIELD`.
        notes: What else makes the ids differ.
    """

    before: Side
    after: Side
    content_equal: bool
    state_equal: bool
    records: tuple[RecordChange, ...] = ()
    evidence: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether they are the same in content and state."""
        return self.content_equal and self.state_equal
