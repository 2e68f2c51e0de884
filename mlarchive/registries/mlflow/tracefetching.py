"""Fetches traces with all their spans by id, wherever the server keeps the spans (clause 2.9).

A few at a time, so that memory does not grow with their number.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.message import Message
from mlflow.entities import Trace as MlflowTrace
from mlflow.entities.trace_data import TraceData
from mlflow.exceptions import MlflowException
from mlflow.protos.service_pb2 import (
    BatchGetTraceInfos,
    BatchGetTraces,
    GetTrace,
    SearchTracesV3,
)
from mlflow.protos.service_pb2 import Trace as TraceMessage
from mlflow.protos.service_pb2 import TraceInfoV3 as InfoMessage
from mlflow.tracing.constant import SpansLocation, TraceTagKey
from mlflow.utils.mlflow_tags import MLFLOW_ARTIFACT_LOCATION
from mlflow.utils.proto_json_utils import message_to_json

from mlarchive.errors import MlarchiveError, RemoteError
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.failures import speaking
from mlarchive.registries.mlflow.folders import artifact_folder
from mlarchive.registries.mlflow.tracefolders import is_elsewhere, spans_given
from mlarchive.snapshot import WithheldFileError

SPANS_FILE = "traces.json"
"""Where spans are that are not in the server's database, among a trace's artifacts."""

TRACES_API = "/api/3.0/mlflow/traces"
_FETCHED = 20
_SEARCHED = 500
_BY_SERVER = {SpansLocation.TRACKING_STORE.value, SpansLocation.ARCHIVE_REPO.value}


def search_infos(
    connection: Connection, experiment_ids: Sequence[str], where: str = "", *, most: int = 0
) -> Iterator[InfoMessage]:
    """What a server tells of the traces of experiments without their spans, oldest first.

    Args:
        connection: To the server.
        experiment_ids: Theirs; at least one.
        where: A filter in mlflow's own words.
        most: The newest ones only, newest first, as many as these; 0 for all.
    """
    token = ""
    while True:
        request = SearchTracesV3(
            filter=where,
            max_results=most or _SEARCHED,
            order_by=[f"timestamp_ms {'DESC' if most else 'ASC'}"],
            page_token=token,
        )
        with speaking(connection.uri):
            found, token = _search(connection, experiment_ids, request)
        yield from found
        if not token or most:
            return


def fetch_traces(
    connection: Connection, trace_ids: Sequence[str], *, from_files: bool = True
) -> Iterator[Mapping[str, TraceMessage]]:
    """Traces with their spans, by id, a few at a time; those that are not there are left out.

    Args:
        connection: To the server.
        trace_ids: Of the traces.
        from_files: Whether spans are wanted too that are among a trace's artifacts.

    Raises:
        RemoteError: The server, or its artifact store, cannot give a trace's spans.
    """
    for start in range(0, len(trace_ids), _FETCHED):
        ids = trace_ids[start : start + _FETCHED]
        with speaking(connection.uri):
            infos = {info.trace_id: info for info in _infos(connection, ids)}
        yield dict(_with_spans(connection, infos, from_files=from_files))


def location_of(info: InfoMessage) -> str:
    """Where a trace's artifacts are; "" if the server does not say."""
    return str(info.tags.get(MLFLOW_ARTIFACT_LOCATION, ""))


def keeps_spans_in_file(info: InfoMessage) -> bool:
    """Whether the spans are among the trace's artifacts, as MLflow kept them before 3.4."""
    return info.tags.get(TraceTagKey.SPANS_LOCATION) not in _BY_SERVER


def ask(connection: Connection, request: Message, endpoint: str) -> Any:  # noqa: ANN401  (the answer's message)
    """One call of mlflow's own client, which knows credentials, retries and errors.

    Args:
        connection: To a server.
        request: Its message; mlflow knows the method and the answer's message by its type.
        endpoint: The path.
    """
    body = message_to_json(request)
    return connection.tracking._call_endpoint(type(request), body, endpoint)  # noqa: SLF001  (its entities lose fields)


def _with_spans(
    connection: Connection, infos: Mapping[str, InfoMessage], *, from_files: bool
) -> Iterator[tuple[str, TraceMessage]]:
    filed = {trace_id for trace_id, info in infos.items() if keeps_spans_in_file(info)}
    served = [trace_id for trace_id in infos if trace_id not in filed]
    whole = {t.trace_info.trace_id: t for t in _batch(connection, served)}
    for trace_id, info in infos.items():
        if trace_id in whole:
            yield trace_id, whole[trace_id]
        elif trace_id in filed:
            spans = _filed_spans(connection, info) if from_files else []
            yield trace_id, TraceMessage(trace_info=info, spans=spans)
        else:
            # The server leaves out traces that have fewer spans than they say.
            yield trace_id, _partial(connection, trace_id)


def _filed_spans(connection: Connection, info: InfoMessage) -> list[Any]:
    """The spans in a trace's file; none if it has no file, as a trace that never ended."""
    location = location_of(info)
    if not location:
        return []
    try:
        text = _spans_file(connection, info.trace_id, location)
        if text is None:
            return []
        data = TraceData.from_dict(json.loads(text))
        return [span.to_otel_proto() for span in data.spans]
    except (MlflowException, ValueError, TypeError, KeyError) as error:
        raise RemoteError(
            f"the spans of trace {info.trace_id} at {connection.uri} cannot be read: {error}",
            hint=f"they are in the file {SPANS_FILE} among its artifacts; delete the trace, or"
            " mend the file",
        ) from error


def _spans_file(connection: Connection, trace_id: str, location: str) -> bytes | None:
    """What is in the file of a trace's spans; None if there is none."""
    if is_elsewhere(connection, location):
        return spans_given(connection, trace_id)
    folder = artifact_folder(connection, location)
    try:
        with folder.open(SPANS_FILE) as file:
            return file.read()
    except WithheldFileError as error:
        # A page has the spans of other traces as well.
        raise RemoteError(error.message, hint=error.hint) from error
    except MlarchiveError as error:
        # Stores differ in how they say that a file is not there.
        found = () if error.retryable else folder.files()
        if error.retryable or any(one.path == SPANS_FILE or one.unlisted for one in found):
            raise
        return None


def _search(
    connection: Connection, experiment_ids: Sequence[str], request: SearchTracesV3
) -> tuple[list[InfoMessage], str]:
    if connection.served:
        for experiment_id in experiment_ids:
            location = request.locations.add()
            location.type = location.MLFLOW_EXPERIMENT
            location.mlflow_experiment.experiment_id = experiment_id
        answer = ask(connection, request, f"{TRACES_API}/search")
        return list(answer.traces), str(answer.next_page_token)
    infos, token = connection.tracking.search_traces(
        locations=list(experiment_ids),
        filter_string=request.filter or None,
        max_results=request.max_results,
        order_by=list(request.order_by),
        page_token=request.page_token or None,
    )
    return [info.to_proto() for info in infos], token or ""


def _infos(connection: Connection, trace_ids: Sequence[str]) -> list[InfoMessage]:
    if connection.served:
        request = BatchGetTraceInfos(trace_ids=trace_ids)
        return list(ask(connection, request, f"{TRACES_API}/batchGetInfos").trace_infos)
    infos = connection.tracking.batch_get_trace_infos(list(trace_ids))
    return [info.to_proto() for info in infos]


def _batch(connection: Connection, trace_ids: Sequence[str]) -> list[TraceMessage]:
    if not trace_ids:
        return []
    with speaking(connection.uri):
        if connection.served:
            request = BatchGetTraces(trace_ids=trace_ids)
            return list(ask(connection, request, f"{TRACES_API}/batchGet").traces)
        return [_message(t) for t in connection.tracking.batch_get_traces(list(trace_ids))]


def _partial(connection: Connection, trace_id: str) -> TraceMessage:
    with speaking(connection.uri):
        if connection.served:
            request = GetTrace(trace_id=trace_id, allow_partial=True)
            trace: TraceMessage = ask(connection, request, f"{TRACES_API}/get").trace
            return trace
        return _message(connection.tracking.get_trace(trace_id, allow_partial=True))


def _message(trace: MlflowTrace) -> TraceMessage:
    return trace.to_proto()  # type: ignore[no-any-return]  # untyped in mlflow
