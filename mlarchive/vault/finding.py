"""What a package is found by: labels for the catalog, and questions that a person asks of them.

The catalog's row of a package holds its aliases, tags, and the last value of each metric.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import BinaryIO

from msgspec import Struct

from mlarchive.errors import MlarchiveError, UsageError
from mlarchive.lastpoint import last_point
from mlarchive.package import Package
from mlarchive.records import AnyRecord
from mlarchive.records.places import names_in
from mlarchive.records.provenance import path_of
from mlarchive.vault.catalog import Kept, Labels

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
_CONDITION = re.compile(r"\s*(.+?)\s*(<=|>=|!=|=|<|>)\s*(\S+)\s*", re.DOTALL)


class MetricCondition(Struct, frozen=True, kw_only=True):
    """What the last value of a metric must be.

    Attributes:
        key: The metric's name.
        comparison: One of `< <= > >= = !=`.
        value: What it is compared with.
    """

    key: str
    comparison: str
    value: float

    @classmethod
    def parse(cls, text: str) -> "MetricCondition":
        """Read a condition such as `auc>0.9`.

        Raises:
            UsageError: It is none.
        """
        found = _CONDITION.fullmatch(text)
        try:
            key, comparison, value = found.groups() if found else ("", "", "")
            return cls(key=key, comparison=comparison, value=float(value))
        except ValueError as error:
            raise UsageError(
                f"{text!r} is no condition on a metric", hint="write KEY>NUMBER, such as auc>0.9"
            ) from error

    def holds(self, values: tuple[str, ...]) -> bool:
        """Whether one of a metric's values fits; no value fits nothing, nor does a NaN."""
        compare = _COMPARISONS[self.comparison]
        return any(value == value and compare(value, self.value) for value in map(float, values))  # noqa: PLR0124  (false of a NaN)


class Search(Struct, frozen=True, kw_only=True):
    """What is looked for in a vault; all that is given must fit.

    Attributes:
        tags: Values by key; "" for any value.
        metrics: Conditions on last values.
        since: Made at this time or later, ms since 1970 UTC; 0 for no limit.
        until: Made before this time; 0 for no limit.
    """

    tags: Mapping[str, str] = {}
    metrics: tuple[MetricCondition, ...] = ()
    since: int = 0
    until: int = 0

    def fits(self, kept: Kept) -> bool:
        """Whether a package is among what is looked for."""
        if kept.made_at < self.since or (self.until and kept.made_at >= self.until):
            return False
        labels = kept.labels
        for key, value in self.tags.items():
            values = labels.tags.get(key, ())
            if not values or (value and value not in values):
                return False
        return all(one.holds(labels.metrics.get(one.key, ())) for one in self.metrics)


def labels_of(package: Package) -> Labels:
    """What a package is found by; a metric that cannot be read is not among it."""
    tags: dict[str, list[str]] = {}
    metrics: dict[str, list[str]] = {}
    for record in package.meaning.records:
        for key, value in getattr(record, "tags", {}).items():
            _add(tags, key, value)
        for series in getattr(record, "metrics", ()):
            value = _last_value(package, series.sha256, series.points)
            if value:
                _add(metrics, series.key, value)
    return Labels(
        aliases=tuple(getattr(_subject(package), "aliases", ())),
        tags={key: tuple(values) for key, values in tags.items()},
        metrics={key: tuple(values) for key, values in metrics.items()},
        through=_way(package),
    )


def _way(package: Package) -> tuple[str, ...]:
    """The registries that an object came through; the last is its own, if that has two names."""
    native = _subject(package).native
    own = names_in(package.meaning.address.origin, native.id)
    return (*path_of(native.also), *(own if len(own) > 1 else ()))


def made_at(package: Package) -> int:
    """When the object was made, ms since 1970 UTC; 0 if its registry did not say."""
    subject = _subject(package)
    return max(0, subject.native.created or getattr(subject, "start", 0))


def _subject(package: Package) -> AnyRecord:
    meaning = package.meaning
    return next(record for record in meaning.records if record.key == meaning.subject)


def _last_value(package: Package, sha256: str, points: int) -> str:
    try:
        with package.open_object(sha256) as columns:
            return _value(columns, points)
    except MlarchiveError:
        # Of a thin package the base has it; of a damaged one verifying tells.
        return ""


def _value(columns: BinaryIO, points: int) -> str:
    value = last_point(columns, points)[2]
    return "" if value is None else repr(value)


def _add(found: dict[str, list[str]], key: str, value: str) -> None:
    values = found.setdefault(key, [])
    if value not in values:
        values.append(value)
