"""What an object of Neptune is, whichever way it was read: its attributes by path.

A source (an export, an offline folder, a live server) fills these; `snapshots.py` makes a snapshot
of them. Types are those of `spec/fields.md`, which are Neptune's own names.
"""

import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import BinaryIO, Literal

import msgspec
import numpy as np

from mlarchive.package.columns import encode_columns
from mlarchive.records import Loss

Kind = Literal["run", "model", "model-version", "project"]
"""A project as an object is what was logged to itself."""

MOST_DECIMALS = 9
"""Of a step, after the point. Neptune 3 and its exporter keep six."""
_LONGEST = 2**63

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeFile:
    """A file that holds an attribute, or a part of it.

    Attributes:
        path: Where it should stand among the files of its object, `/`-separated: the attribute's
            path with the extension, a member of a file set below it. What no package can hold is
            renamed, and that is listed.
        open: Opens the bytes for one forward read.
        size: In bytes; -1 if it is not known yet.
        waits: Whether opening waits for a server's answer.
        name: What Neptune calls it: a member's path in its file set, an item's name.
        step: Of an item of a series, as `step_text` writes it; "" if unknown.
        time: Of an item, ms since 1970 UTC; 0 if unknown.
        description: Of an item.
    """

    path: str
    open: Callable[[], BinaryIO]
    size: int = -1
    waits: bool = False
    name: str = ""
    step: str = ""
    time: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatSeries:
    """The points of a float series.

    Attributes:
        points: How many.
        decimals: Of the steps in the columns, see `MetricSeries.step_decimals`.
        open: Opens the columns as `MetricSeries` lays them out.
        rounded: How many points have a step with more digits than the columns can hold.
        waits: Whether opening waits for a server's answer.
    """

    points: int
    decimals: int
    open: Callable[[], BinaryIO]
    rounded: int = 0
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute.

    Attributes:
        path: Its namespaces and name, with `/` between them.
        type: As `spec/fields.md` names it; an unknown one is kept as it is.
        value: Its text, where it is one value (`text_of` writes it).
        values: What a string set holds.
        series: The points of a `float_series`.
        files: What holds the bytes of anything that has some, in the order of their steps.
    """

    path: str
    type: str
    value: str = ""
    values: tuple[str, ...] = ()
    series: FloatSeries | None = None
    files: tuple[AttributeFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NeptuneObject:
    """A run, a model, a model version, or a project as an object.

    Attributes:
        kind: Which of these.
        project: `WORKSPACE/PROJECT`; "" if unknown.
        id: `sys/id`; in Neptune 3 the run's id.
        attributes: All of them, each path once.
        model: Of a version the id of its model.
        model_attributes: Of a version what is known of its model's own `sys/`.
        aliases: Of a version the aliases that stand for its stage.
        location: Where it was read, for the evidence.
        verbatim: The source's own words, JSON text without secrets, as far as they are few.
        losses: What the source could not give.
        transformations: What it gives in another form.
    """

    kind: Kind
    project: str
    id: str
    attributes: tuple[Attribute, ...]
    model: str = ""
    model_attributes: tuple[Attribute, ...] = ()
    aliases: tuple[str, ...] = ()
    location: str = ""
    verbatim: str = ""
    losses: tuple[Loss, ...] = ()
    transformations: tuple[Loss, ...] = ()

    @property
    def called(self) -> str:
        """What losses call it."""
        return f"{self.kind.replace('-', ' ')} {self.id}"

    @property
    def version(self) -> str:
        """Of a version its number, which ends its id (`MOD-CHURN-1`)."""
        return self.id.removeprefix(f"{self.model}-")

    def with_changes(
        self, losses: Iterable[tuple[str, str]], transformations: Iterable[tuple[str, str]]
    ) -> "NeptuneObject":
        """The object with what it lost and what was changed: a field and a sentence each."""
        lost, changed = (
            tuple(Loss(record=self.called, field=field, why=why) for field, why in some)
            for some in (losses, transformations)
        )
        return replace(self, losses=lost, transformations=changed)


def text_of(value: bool | float | str | datetime) -> str:  # noqa: FBT001  (a value)
    """A value as its field's text (`spec/fields.md`, 2)."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return time_text(milliseconds(value))
    if isinstance(value, float) and value != value:  # noqa: PLR0124  (NaN)
        return "NaN"
    if isinstance(value, float) and value in {float("inf"), float("-inf")}:
        return "Infinity" if value > 0 else "-Infinity"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 UTC, of a time that says its zone."""
    return (moment - _EPOCH) // _MILLISECOND


def time_text(time: int) -> str:
    """Milliseconds since 1970 UTC as text: `2023-11-14T22:13:20.123Z`."""
    moment = _EPOCH + time * _MILLISECOND
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def step_text(step: float | Decimal) -> str:
    """A step in the fewest digits, without an exponent: `0`, `0.5`, `20`.

    Raises:
        ValueError: It is no finite number.
    """
    if not math.isfinite(step):
        raise ValueError(f"{step} is no step")
    if step == step // 1:
        return str(int(step))
    text = format(Decimal(repr(float(step))) if isinstance(step, float) else step, "f")
    return text.rstrip("0")


def whole_steps(steps: Sequence[float | Decimal]) -> tuple[list[int], int, int]:
    """Steps as whole numbers.

    Args:
        steps: In any order, with fractions or without.

    Returns:
        The steps times ten to the power of the decimals; the decimals, the fewest that make all
        whole, at most `MOST_DECIMALS` and as many as 64 bits hold; how many steps had more, and
        were rounded.

    Raises:
        ValueError: A step is no finite number, or too large for 64 bits.
    """
    if all(step == step // 1 and -_LONGEST <= step < _LONGEST for step in steps):
        return [int(step) for step in steps], 0, 0
    texts = [step_text(step) for step in steps]
    exact = [Decimal(text) for text in texts]
    lengths = [len(text.partition(".")[2]) for text in texts]
    most = max(abs(step) for step in exact)
    decimals = min(max(lengths), MOST_DECIMALS)
    while decimals and most.scaleb(decimals) >= _LONGEST - 1:
        decimals -= 1
    if most >= _LONGEST - 1:
        raise ValueError(f"the step {most:.3e} does not fit into 64 bits")
    whole = [round(step.scaleb(decimals)) for step in exact]
    return whole, decimals, sum(length > decimals for length in lengths)


def float_series(
    steps: Sequence[float | Decimal], times: Sequence[int], values: Sequence[float]
) -> FloatSeries:
    """A series of which all points are at hand; they are kept in memory.

    Args:
        steps: With fractions or without.
        times: ms since 1970 UTC.
        values: Of the same length.

    Raises:
        ValueError: As `whole_steps`.
    """
    whole, decimals, rounded = whole_steps(steps)
    columns = encode_columns(
        np.array(whole, np.int64), np.array(times, np.int64), np.array(values, np.float64)
    )
    return FloatSeries(
        points=len(whole),
        decimals=decimals,
        open=partial(io.BytesIO, columns),
        rounded=rounded,
    )


def lines(items: Iterable[tuple[str, int, object]]) -> bytes:
    """A series of texts or histograms as the lines of its file (`spec/fields.md`, 3).

    Args:
        items: Step as `step_text` writes it, time in ms since 1970 UTC, value; in their order.
    """
    return b"".join(
        msgspec.json.encode({"step": step, "time": time, "value": value}) + b"\n"
        for step, time, value in items
    )
