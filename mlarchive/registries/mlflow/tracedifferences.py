"""What of the traces that were sent is not there as it was sent, counted (clause 3.9)."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import msgspec

from mlarchive.registries.mlflow.traceforms import holds_spans
from mlarchive.traces import Trace, encode_trace

_NAMED = 3
_BLANK = Trace(id="")


def equal(one: Trace, other: Trace, name: str) -> bool:
    """Whether a field is the same, NaN and the sign of zero too."""
    first, second = (
        encode_trace(msgspec.structs.replace(_BLANK, **{name: getattr(trace, name)}))
        for trace in (one, other)
    )
    return first == second


class Listing(Protocol):
    """What lists losses and transformations."""

    def lose(self, record: str, what: str, why: str, /) -> None:
        """List something that is lost."""

    def change(self, record: str, what: str, why: str, /) -> None:
        """List something that takes another form."""


def of_these(names: Sequence[str]) -> str:
    """How many there are, and what the first of them are called."""
    more = ", …" if len(names) > _NAMED else ""
    return f"of {len(names)} ({', '.join(names[:_NAMED])}{more})"


class Tally:
    """Losses and changes of traces by what and why, so that many traces make few lines."""

    def __init__(self) -> None:
        self._losses: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._changes: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    def lose(self, trace_id: str, what: str, why: str) -> None:
        """Note what the target cannot hold of a trace."""
        self._losses[what, why].append(trace_id)

    def change(self, trace_id: str, what: str, why: str) -> None:
        """Note what it holds in another form."""
        self._changes[what, why].append(trace_id)

    def compare(self, trace: Trace, there: Trace) -> None:
        """Note every difference between a trace as it was sent and as it came back."""
        for name in Trace.__struct_fields__:
            if equal(trace, there, name):
                continue
            if name in {"metadata", "tags"}:
                self._compare_texts(name, trace, there)
            elif name != "spans":
                self.lose(trace.id, name, "the target holds it otherwise")
            elif not holds_spans(trace.id):
                why = "MLflow takes spans for ids of `tr-` and 32 hex digits only"
                self.lose(trace.id, name, why)
            elif _only_added(trace, there):
                why = "the target adds attributes that it makes of others"
                self.change(trace.id, name, why)
            else:
                self.lose(trace.id, name, "the target holds it otherwise")

    def tell(self, to: Listing, record: str) -> None:
        """List what was noted.

        Args:
            to: Gets losses and transformations.
            record: What a person calls the traces.
        """
        for noted, tell in ((self._losses, to.lose), (self._changes, to.change)):
            for (what, why), trace_ids in noted.items():
                tell(record, what, f"{of_these(trace_ids)}: {why}")

    def _compare_texts(self, name: str, trace: Trace, there: Trace) -> None:
        wanted, held = getattr(trace, name), getattr(there, name)
        for key in sorted(held.keys() - wanted.keys()):
            self.change(trace.id, f"{name} {key}", "the target adds it by itself")
        for key in sorted(wanted):
            if held.get(key) != wanted[key]:
                self.lose(trace.id, f"{name} {key}", "the target holds another value")


def _only_added(trace: Trace, there: Trace) -> bool:
    """Whether spans differ in nothing but attributes that the target has more of."""
    kept = {span.id: span.attributes.keys() for span in trace.spans}
    cut = tuple(
        msgspec.structs.replace(
            span,
            attributes={n: v for n, v in span.attributes.items() if n in kept.get(span.id, ())},
        )
        for span in there.spans
    )
    return equal(trace, msgspec.structs.replace(there, spans=cut), "spans")
