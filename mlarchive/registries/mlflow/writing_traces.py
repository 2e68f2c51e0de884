"""Writes the traces of a run or an experiment, a few at a time, and reads back what was sent.

A trace keeps its id, so it is found by it: one that is there and equal is left alone, one that was
mirrored before is put right, somebody else's stays. The run, or the experiment, is marked when all
of them are there (clause 3.9).
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain

import msgspec
from mlflow.entities import ExperimentTag, RunTag
from mlflow.protos.service_pb2 import Trace as TraceMessage
from mlflow.tracing.constant import TraceMetadataKey

from mlarchive.errors import DamageError
from mlarchive.package import canonical
from mlarchive.records import Address, Experiment, File, Run, Traces
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.assessing import in_order, must_be_made_again
from mlarchive.registries.mlflow.assessmentforms import Ids, foreign_run
from mlarchive.registries.mlflow.elsewhere import logged_model_elsewhere, run_id_elsewhere
from mlarchive.registries.mlflow.folders import artifact_folder
from mlarchive.registries.mlflow.sameorigin import is_same
from mlarchive.registries.mlflow.selecting import quoted, run_of
from mlarchive.registries.mlflow.sending_traces import (
    Place,
    drop_assessment,
    drop_tag,
    link,
    send_assessment,
    send_info,
    send_spans,
)
from mlarchive.registries.mlflow.tracedifferences import Tally, equal
from mlarchive.registries.mlflow.tracefetching import fetch_traces, location_of, search_infos
from mlarchive.registries.mlflow.tracefiles import ATTACHED
from mlarchive.registries.mlflow.traceforms import trace_of
from mlarchive.registries.mlflow.tracemakers import Makers, makers_told, untold
from mlarchive.registries.mlflow.uploading import fill
from mlarchive.registries.mlflow.work import Work, called
from mlarchive.registries.mlflow.writing_experiment import experiment_made, experiment_there
from mlarchive.registries.mlflow.writing_run import plan_revival
from mlarchive.snapshot import Stream
from mlarchive.traces import Assessment, Trace, encode_trace, is_page, read_traces

_BATCH = 50
_AT_ONCE = 4
_BATCH_BYTES = 4 << 20
_NAMED = 20
_NOTHING = Trace(id="")
_NO_PREVIEW = "one that it does not have is an empty text at the target"


def plan_traces(work: Work, owner: Run | Experiment) -> None:
    """Plan the traces of a run or an experiment, if it has any."""
    records = [
        record
        for record in work.snapshot.records
        if isinstance(record, Traces) and owner.key in {record.run, record.experiment}
    ]
    if not records:
        return
    count = sum(record.count for record in records)
    what = f"{count} {'trace' if count == 1 else 'traces'} of {called(owner)}"
    others = _others_there(work, owner, records)
    _list_missing(work, what, records, others)
    digest = _digest(records, others)
    owner_id = work.ids.get(owner.key, "")
    if owner_id and _mark_there(work, owner, owner_id) == digest:
        work.step("keep", what, "the same")
        return
    if isinstance(owner, Run) and owner_id and _sleeps(work, owner.key, owner_id):
        plan_revival(work, owner, owner_id)
    why = "those that are not there yet, or differ"
    writing = _Writing(work, owner, what, others)
    work.step("update", what, why, lambda: writing.write(records, digest))


def _others_there(
    work: Work, owner: Run | Experiment, records: Sequence[Traces]
) -> Mapping[str, Makers]:
    """By a record's key the target's runs and logged models of other objects that made some."""
    key = owner.experiment if isinstance(owner, Run) else owner.key
    experiment = experiment_there(work, key)

    def run(named: str) -> str:
        return run_id_elsewhere(work, named, experiment)

    def model(named: str) -> str:
        return logged_model_elsewhere(work, named, experiment)

    return {record.key: makers_told(record).where_known(run, model) for record in records}


def _list_missing(
    work: Work, what: str, records: Sequence[Traces], others: Mapping[str, Makers]
) -> None:
    """List the runs and logged models that made some, and that the target cannot name."""
    found = [makers_told(record).missing(others[record.key]) for record in records]
    never = [untold(record) for record in records]
    for place, kind in enumerate(("run", "logged model")):
        field = f"which {kind} made some of them or of their assessments"
        if missing := set().union(*(ids[place] for ids in found)):
            work.await_other(what, field, f"the target does not have {_some(missing)}")
        if missing := set().union(*(ids[place] for ids in never)):
            why = f"it is not told which of them are of {_some(missing)}"
            work.lose(what, field, why)


def _some(ids: Collection[str]) -> str:
    """The first of some ids, and how many more there are."""
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return f"{', '.join(sorted(ids)[:_NAMED])}{more}"


def _digest(records: Sequence[Traces], others: Mapping[str, Makers]) -> str:
    """What the mark says: all that hangs on one owner, and what of others it names."""
    digests = sorted(marks.record_digest(record) for record in records)
    digests += sorted({one for makers in others.values() for one in makers.models.values()})
    named = (chain(makers.runs.values(), makers.assessing.values()) for makers in others.values())
    digests += sorted(set(chain.from_iterable(named)))
    return hashlib.sha256(canonical.encode(digests)).hexdigest()


def _mark_there(work: Work, owner: Run | Experiment, owner_id: str) -> str:
    if isinstance(owner, Run):
        return str(run_of(work.connection, owner_id).data.tags.get(marks.TRACES, ""))
    return str(work.connection.tracking.get_experiment(owner_id).tags.get(marks.TRACES, ""))


def _sleeps(work: Work, key: str, run_id: str) -> bool:
    """Whether a run is deleted at the target and not restored yet: it takes no mark then."""
    return (
        key not in work.revived
        and run_of(work.connection, run_id).info.lifecycle_stage == "deleted"
    )


class _Writing:
    """One owner's traces on their way."""

    def __init__(
        self, work: Work, owner: Run | Experiment, what: str, others: Mapping[str, Makers]
    ) -> None:
        self._others = others
        self._work = work
        self._owner = owner
        self._what = what
        self._tally = Tally()
        self._wanted: set[str] = set()
        self._elsewhere: set[str] = set()

    def write(self, records: Sequence[Traces], digest: str) -> None:
        """Bring what is missing, check it, and mark the owner."""
        for record in records:
            place = self._place(record)
            for batch in batches(self._traces(record)):
                self._write_batch(batch, place)
            self._attach(record)
        self._list_strays()
        self._tally.tell(self._work, self._what)
        if not self._elsewhere:
            self._mark(digest)

    def _place(self, record: Traces) -> Place:
        work, owner = self._work, self._owner
        is_run = isinstance(owner, Run)
        return Place(
            experiment_id=self._experiment_id(),
            ids=Ids(
                run=work.ids[owner.key] if is_run else "",
                model=work.ids.get(record.logged_model, "") if record.logged_model else "",
                others=self._others[record.key],
            ),
            origin=work.snapshot.address.origin,
        )

    def _experiment_id(self) -> str:
        if isinstance(self._owner, Run):
            return experiment_made(self._work, self._owner.experiment)
        return self._work.ids[self._owner.key]

    def _traces(self, record: Traces) -> Iterator[Trace]:
        pages = sorted((path, stream.open) for path, stream in self._files(record) if is_page(path))
        count = 0
        for trace in read_traces(opening() for _, opening in pages):
            count += 1
            self._wanted.add(trace.id)
            yield trace
        if count != record.count:
            raise DamageError(f"{record.key} states {record.count} traces and has {count}")

    def _files(self, record: Traces) -> Iterator[tuple[str, Stream]]:
        for stream in self._work.snapshot.streams_of(record.key):
            if isinstance(stream.entry, File):
                yield stream.entry.path, stream

    def _write_batch(self, batch: Mapping[str, tuple[Trace, bytes]], place: Place) -> None:
        held = _fetched(self._work, list(batch))
        sent = []
        for trace_id, (trace, line) in batch.items():
            there = held.get(trace_id)
            if there is not None and _is_same(there, line, place):
                continue
            if there is not None and (other := _experiment_of(there)) != place.experiment_id:
                self._elsewhere.add(trace_id)
                why = f"the target has it in its experiment {other}, where it stays"
                self._tally.lose(trace_id, "all of it", why)
            elif there is None or _is_mirror(there, place):
                sent.append(trace)
                self._work.sent += len(line)
            else:
                why = "the target has another trace of that id, which stays as it is"
                self._tally.lose(trace_id, "all of it", why)
        if sent:
            before = {i: _as_held(message, place.ids) for i, message in held.items()}
            self._send(sent, before, place)
            self._check(sent, place)
        if place.ids.run:
            linked = {trace_id for trace_id, (trace, _) in batch.items() if trace.linked}
            link(self._work.connection, place.ids.run, sorted(linked - self._elsewhere))

    def _send(self, traces: Sequence[Trace], before: Mapping[str, Trace], place: Place) -> None:
        connection = self._work.connection
        other = [t for t in traces if not equal(t, before.get(t.id, _NOTHING), "spans")]
        send_spans(connection, place, other)

        def send(trace: Trace) -> None:
            self._send_all_but_spans(trace, before.get(trace.id, _NOTHING), place)

        # A server takes one trace a request; a database file has one writer.
        with ThreadPoolExecutor(_AT_ONCE if connection.served else 1) as pool:
            for _ in pool.map(send, traces):
                pass

    def _send_all_but_spans(self, trace: Trace, there: Trace, place: Place) -> None:
        connection = self._work.connection
        if not (trace.request_preview and trace.response_preview):
            self._tally.change(trace.id, "preview", _NO_PREVIEW)
        for name in sorted(there.tags.keys() - trace.tags.keys()):
            drop_tag(connection, trace.id, name)
        first, later = self._lacking_assessments(trace, there)
        # What is told last is what holds: spans alone would set times and state anew.
        send_info(connection, place, trace, first)
        for assessment in later:
            send_assessment(connection, place, trace.id, assessment)

    def _lacking_assessments(
        self, trace: Trace, there: Trace
    ) -> tuple[list[Assessment], list[Assessment]]:
        """Those to tell with the trace, and those to make one by one; what must go is removed."""
        wanted = {assessment.id: assessment for assessment in trace.assessments}
        held = {assessment.id: assessment for assessment in there.assessments}
        if must_be_made_again(wanted, held):
            first, later = in_order(held)
            for assessment in reversed([*first, *later]):
                drop_assessment(self._work.connection, trace.id, assessment.id)
            held = {}
        first, later = in_order(wanted)
        return [a for a in first if a.id not in held], [a for a in later if a.id not in held]

    def _check(self, traces: Sequence[Trace], place: Place) -> None:
        """List what is not there as it was sent."""
        held = _fetched(self._work, [trace.id for trace in traces])
        for trace in traces:
            if trace.id in held:
                self._tally.compare(trace, trace_of(held[trace.id], place.ids))
                if not _names_others(held[trace.id], place.ids):
                    why = "the target holds it otherwise"
                    self._tally.lose(trace.id, "which run or logged model made it", why)
            else:
                why = "the target does not have it after it was sent"
                self._tally.lose(trace.id, "all of it", why)

    def _attach(self, record: Traces) -> None:
        """Upload what was attached to traces, each to its trace's place."""
        attached: defaultdict[str, list[Stream]] = defaultdict(list)
        for path, stream in self._files(record):
            folder, _, rest = path.partition("/")
            trace_id, _, name = rest.partition("/")
            is_here = folder == ATTACHED and name and trace_id not in self._elsewhere
            if is_here and isinstance(stream.entry, File):
                named = msgspec.structs.replace(stream.entry, path=name)
                attached[trace_id].append(replace(stream, entry=named))
        for trace_id, message in _fetched_one_by_one(self._work, sorted(attached)):
            folder_there = artifact_folder(self._work.connection, location_of(message.trace_info))
            streams = attached[trace_id]
            fill(self._work, f"trace {trace_id}", folder_there, streams, settled=False)

    def _list_strays(self) -> None:
        """List the traces of a run that were mirrored before and that the source has no more."""
        work = self._work
        if not isinstance(self._owner, Run):
            # Those of an experiment may be its runs' by now.
            return
        where = f"attributes.run_id = {quoted(work.ids[self._owner.key])}"
        anything = Address(origin=work.snapshot.address.origin, kind="traces", name="")
        mark = f"{marks.origin_mark(anything)}/"
        for info in search_infos(work.connection, [self._experiment_id()], where):
            is_ours = info.tags.get(marks.ORIGIN, "").startswith(mark)
            if is_ours and info.trace_id not in self._wanted:
                self._tally.change(info.trace_id, "trace", "the source has it no more; it stays")

    def _mark(self, digest: str) -> None:
        store, owner_id = self._work.connection.tracking, self._work.ids[self._owner.key]
        if isinstance(self._owner, Run):
            store.set_tag(owner_id, RunTag(marks.TRACES, digest))
        else:
            store.set_experiment_tag(owner_id, ExperimentTag(marks.TRACES, digest))


def batches(traces: Iterator[Trace]) -> Iterator[dict[str, tuple[Trace, bytes]]]:
    """Traces with their lines, by id, as many as fit into memory with ease."""
    batch: dict[str, tuple[Trace, bytes]] = {}
    size = 0
    for trace in traces:
        line = encode_trace(trace)
        if batch and (len(batch) == _BATCH or size + len(line) > _BATCH_BYTES):
            yield batch
            batch, size = {}, 0
        batch[trace.id] = trace, line
        size += len(line)
    if batch:
        yield batch


def _fetched_one_by_one(work: Work, trace_ids: Sequence[str]) -> Iterator[tuple[str, TraceMessage]]:
    few = fetch_traces(work.connection, trace_ids)
    return chain.from_iterable(messages.items() for messages in few)


def _fetched(work: Work, trace_ids: Sequence[str]) -> dict[str, TraceMessage]:
    return dict(_fetched_one_by_one(work, trace_ids))


def _experiment_of(message: TraceMessage) -> str:
    return str(message.trace_info.trace_location.mlflow_experiment.experiment_id)


def _is_mirror(message: TraceMessage, place: Place) -> bool:
    info = message.trace_info
    return is_same(str(info.tags.get(marks.ORIGIN, "")), place.mark(info.trace_id))


def _is_same(message: TraceMessage, line: bytes, place: Place) -> bool:
    return (
        _experiment_of(message) == place.experiment_id
        and _names_others(message, place.ids)
        and encode_trace(trace_of(message, place.ids)) == line
    )


def _names_others(message: TraceMessage, ids: Ids) -> bool:
    """Whether a trace at the target names its logged model, and runs that are not its record's."""
    info = message.trace_info
    metadata = info.trace_metadata
    return (
        ids.model_of(info.trace_id) in {"", metadata.get(TraceMetadataKey.MODEL_ID, "")}
        and ids.others.runs.get(info.trace_id, "")
        in {"", metadata.get(TraceMetadataKey.SOURCE_RUN, "")}
        and not _unassigned(message, ids)
    )


def _unassigned(message: TraceMessage, ids: Ids) -> set[str]:
    """Ids of assessments at the target that do not name the other run that made them."""
    return {
        one.assessment_id
        for one in message.trace_info.assessments
        if ids.others.assessing.get(one.assessment_id, "") not in {"", foreign_run(one, ids)}
    }


def _as_held(message: TraceMessage, ids: Ids) -> Trace:
    """A trace at the target; assessments that name another run than they should differ in that."""
    trace, others = trace_of(message, ids), _unassigned(message, ids)
    held = tuple(
        msgspec.structs.replace(one, of_run=not one.of_run) if one.id in others else one
        for one in trace.assessments
    )
    return msgspec.structs.replace(trace, assessments=held)
