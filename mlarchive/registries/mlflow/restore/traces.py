"""Traces of a restore: written by MLflow's own store, in the transaction of all other rows.

Its tables of traces hold much that MLflow makes of spans and of what is told of a trace: columns to
search by, token counts, costs. So the store makes the rows, and what it gives back is compared with
the package trace by trace.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, cast

import sqlalchemy
from mlflow.entities.entity_type import EntityAssociationType
from mlflow.store.db.utils import _get_managed_session_maker
from mlflow.store.tracking.dbmodels.models import (
    SqlAssessmentDailyRollup,
    SqlAssessments,
    SqlEntityAssociation,
    SqlExperiment,
    SqlSpan,
    SqlSpanCostDailyRollup,
    SqlSpanMetrics,
    SqlTraceInfo,
    SqlTraceMetadata,
    SqlTraceMetricDailyRollup,
    SqlTraceMetrics,
    SqlTraceRollupRebuild,
    SqlTraceTag,
)
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracing.constant import TraceTagKey
from sqlalchemy.orm import sessionmaker

from mlarchive.records import Experiment, LoggedModel, Run, Traces
from mlarchive.registries.mlflow.assessing import in_order
from mlarchive.registries.mlflow.assessmentforms import Ids
from mlarchive.registries.mlflow.connection import Connection, TrackingStore
from mlarchive.registries.mlflow.restore import evidence
from mlarchive.registries.mlflow.restore.merging import Held, Merged
from mlarchive.registries.mlflow.restore.resolving import experiment_of, makers_of
from mlarchive.registries.mlflow.restore.rows import Row, made_id
from mlarchive.registries.mlflow.sending_traces import (
    Place,
    send_assessment,
    send_info,
    send_spans,
)
from mlarchive.registries.mlflow.tracedifferences import Tally
from mlarchive.registries.mlflow.tracefetching import fetch_traces
from mlarchive.registries.mlflow.traceforms import trace_of
from mlarchive.registries.mlflow.tracemakers import Makers, makers_told, untold
from mlarchive.registries.mlflow.writing_traces import batches
from mlarchive.traces import Trace, encode_trace, read_traces

MADE_BY_MLFLOW: frozenset[str] = frozenset(
    model.__tablename__
    for model in (
        SqlTraceInfo,
        SqlTraceTag,
        SqlTraceMetadata,
        SqlTraceMetrics,
        SqlSpan,
        SqlSpanMetrics,
        SqlAssessments,
        SqlTraceMetricDailyRollup,
        SqlSpanCostDailyRollup,
        SqlAssessmentDailyRollup,
        SqlTraceRollupRebuild,
    )
)
"""Tables whose rows the store makes, and that are compared by what they mean."""


@dataclass(slots=True, kw_only=True)
class TraceFilling:
    """Takes traces; writes them if it has a connection, and remembers in any case which.

    Attributes:
        merged: Gets what the database cannot hold as a loss.
        connection: In the transaction of the rows that traces refer to; None to write nothing.
        shown: As a person names the database.
        seen: Ids of all traces so far.
    """

    merged: Merged
    connection: sqlalchemy.Connection | None = None
    shown: str = ""
    seen: set[str] = field(default_factory=set)
    _linked: set[tuple[str, str, str]] = field(default_factory=set)

    def add(self, held: Held, pages: Iterable[BinaryIO]) -> Iterator[Row]:
        """Write the traces of one record; gives the rows of their links, which the caller adds.

        Args:
            held: The record.
            pages: Its pages in order; each is closed.
        """
        place = _place(held, self.merged)
        tally = Tally()
        with self._writable(int(place.experiment_id)) as store:
            for batch in batches(read_traces(pages)):
                traces = [trace for trace, _ in batch.values()]
                for trace in traces:
                    evidence.plain_id(trace.id, held.called, "trace")
                    self.seen.add(trace.id)
                    yield from self._links(trace, place.ids.run)
                if store is not None:
                    _write(store, place, traces)
                    _compare(store, place, traces, tally)
        tally.tell(self.merged, held.called)

    def compare(self, held: Held, pages: Iterable[BinaryIO]) -> None:
        """List how the traces of a record differ from those that are there."""
        assert self.connection is not None  # noqa: S101  (it is asked of a filled database)
        place, tally = _place(held, self.merged), Tally()
        store = store_within(self.connection, self.shown)
        for batch in batches(read_traces(pages)):
            _compare(store, place, [trace for trace, _ in batch.values()], tally)
        tally.tell(self.merged, held.called)

    def _links(self, trace: Trace, run: str) -> Iterator[Row]:
        """To the run that it was linked to, and to the prompts that it names."""
        ends = [(EntityAssociationType.RUN, run)] if run and trace.linked else []
        ends += [(EntityAssociationType.PROMPT_VERSION, one) for one in _prompts(trace)]
        for kind, end in ends:
            if (trace.id, kind, end) in self._linked:
                continue
            self._linked.add((trace.id, kind, end))
            yield (
                SqlEntityAssociation,
                {
                    "association_id": made_id(trace.id, kind, end),
                    "source_type": EntityAssociationType.TRACE,
                    "source_id": trace.id,
                    "destination_type": kind,
                    "destination_id": end,
                    "created_time": trace.time,
                },
            )

    @contextlib.contextmanager
    def _writable(self, experiment: int) -> Iterator[Connection | None]:
        """A store that takes traces of an experiment, which for that is not deleted."""
        if self.connection is None:
            yield None
            return
        deleted = self._is_deleted(experiment)
        if deleted:
            self._set_lifecycle(experiment, "active")
        yield store_within(self.connection, self.shown)
        self._drop_empty_previews()
        if deleted:
            self._set_lifecycle(experiment, "deleted")

    def _drop_empty_previews(self) -> None:
        """An empty one keeps the store from making one; a server that has none says nothing."""
        assert self.connection is not None  # noqa: S101  (the caller has seen it)
        table = SqlTraceInfo.__table__
        for column in (table.c.request_preview, table.c.response_preview):
            self.connection.execute(table.update().where(column == "").values({column: None}))

    def _is_deleted(self, experiment: int) -> bool:
        held = self.merged.of(Experiment)[(experiment,)].record
        return isinstance(held, Experiment) and held.lifecycle == "deleted"

    def _set_lifecycle(self, experiment: int, lifecycle: str) -> None:
        assert self.connection is not None  # noqa: S101  (the caller has seen it)
        table = SqlExperiment.__table__
        mine = table.c.experiment_id == experiment
        self.connection.execute(table.update().where(mine).values(lifecycle_stage=lifecycle))


def traces_there(connection: sqlalchemy.Connection) -> int:
    """How many traces a database holds."""
    count = sqlalchemy.select(sqlalchemy.func.count()).select_from(SqlTraceInfo.__table__)
    return int(connection.scalar(count) or 0)


def store_within(connection: sqlalchemy.Connection, shown: str) -> Connection:
    """MLflow's store on a connection whose transaction somebody else ends.

    Args:
        connection: To a database with MLflow's schema.
        shown: As a person names the database.
    """
    # Its constructor would open a connection of its own, which sees no row of this one.
    store = SqlAlchemyStore.__new__(SqlAlchemyStore)
    store.db_uri = connection.engine.url.render_as_string(hide_password=True)
    store.db_type = connection.dialect.name
    store.engine = connection.engine
    store.read_engine = None  # type: ignore[assignment]  # as its constructor does
    sessions = sessionmaker(bind=connection, join_transaction_mode="create_savepoint")
    store.ManagedSessionMaker = _get_managed_session_maker(sessions, store.db_type)
    return Connection(
        uri=shown,
        tracking=cast("TrackingStore", store),
        models=None,  # type: ignore[arg-type]  # traces ask nothing of a registry
        served=False,
    )


def _place(held: Held, merged: Merged) -> Place:
    run, model = makers_of(held)
    ids = Ids(run=run, model=model, others=_others(held, merged))
    return Place(experiment_id=str(experiment_of(held)), ids=ids, origin="")


def _others(held: Held, merged: Merged) -> Makers:
    """Runs and logged models of other packages that made some; which no package has, is a loss."""
    assert isinstance(held.record, Traces)  # noqa: S101  (nothing else has traces)
    told = makers_told(held.record)

    def known(kind: type[Run | LoggedModel], name: str) -> str:
        if (name,) in merged.of(kind):
            return name
        what = "run" if kind is Run else "logged model"
        why = f"no package holds {what} {name}, which they name"
        merged.lose(held.called, f"which {what} made some of them or of their assessments", why)
        return ""

    for kind, names in zip((Run, LoggedModel), untold(held.record), strict=True):
        what = "runs" if kind is Run else "logged models"
        if names:
            why = f"the package does not say which traces name them: {', '.join(sorted(names))}"
            merged.lose(held.called, f"{what} that made some of them or of their assessments", why)
    return told.where_known(partial(known, Run), partial(known, LoggedModel))


def _write(store: Connection, place: Place, traces: Sequence[Trace]) -> None:
    # One that another record brought is there already, and differs in nothing but its links.
    there = _fetched(store, place, traces)
    missing = [trace for trace in traces if trace.id not in there]
    send_spans(store, place, missing)
    for trace in traces:
        held = there.get(trace.id)
        if held is not None and encode_trace(held) == encode_trace(trace):
            continue
        made = {one.id for one in held.assessments} if held else set()
        wanted = {one.id: one for one in trace.assessments if one.id not in made}
        first, later = in_order(wanted)
        send_info(store, place, trace, first)
        for assessment in later:
            send_assessment(store, place, trace.id, assessment)


def _compare(store: Connection, place: Place, traces: Iterable[Trace], tally: Tally) -> None:
    wanted = list(traces)
    there = _fetched(store, place, wanted)
    for trace in wanted:
        if trace.id in there:
            tally.compare(trace, there[trace.id])
        else:
            tally.lose(trace.id, "all of it", "the database does not have it")


def _fetched(store: Connection, place: Place, traces: Sequence[Trace]) -> dict[str, Trace]:
    # Their spans are in the database; a location may be one that only a server resolves.
    several = fetch_traces(store, [trace.id for trace in traces], from_files=False)
    return {
        trace_id: trace_of(message, place.ids)
        for few in several
        for trace_id, message in few.items()
    }


def _prompts(trace: Trace) -> list[str]:
    """The versions of prompts that a trace names, as MLflow's links call them."""
    try:
        named = json.loads(trace.tags.get(TraceTagKey.LINKED_PROMPTS, "[]"))
        return sorted({f"{one['name']}/{one['version']}" for one in named})
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
