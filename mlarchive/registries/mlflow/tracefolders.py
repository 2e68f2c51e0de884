"""Artifacts of traces that a server keeps in folders of its own machine (clause 2.9).

No request lists what a trace has, so a server whose folder is not here is asked for what the spans
name, file by file.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mlflow.protos.service_pb2 import Trace as TraceMessage
from mlflow.tracing.attachments import Attachment
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from mlarchive.errors import MlarchiveError, NotFoundError, RemoteError, UnavailableError
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.failures import FAILS_EACH_TIME, speaking
from mlarchive.registries.mlflow.samedisk import is_shared
from mlarchive.registries.mlflow.transport import download
from mlarchive.snapshot import WithheldFileError

ATTACHMENTS = "attachments"
"""The folder of what its spans name, among a trace's artifacts."""

_OF_TRACES = re.compile(r".*/traces(?:/([^/]+)/artifacts)?")
_GIVEN = "/ajax-api/2.0/mlflow/get-trace-artifact"
_NAMED = re.compile(rb"mlflow-attachment://[0-9a-f-]{36}\?[\w%&=.;+-]+")


def is_of_traces(root: Path) -> bool:
    """Whether a path is where MLflow puts what traces have."""
    return bool(_OF_TRACES.fullmatch(root.as_posix()))


def is_elsewhere(connection: Connection, location: str) -> bool:
    """Whether a folder of traces is one of the server's machine, and not here."""
    if not connection.served or not is_local_uri(location):
        return False
    root = Path(local_file_uri_to_path(location))
    return not (root.is_dir() or is_shared(root))


def named_in(message: TraceMessage) -> Iterator[tuple[str, int]]:
    """Paths and sizes in bytes of the attachments that a trace's spans name; -1 for no size."""
    yield from sorted(_named(message.trace_info.trace_id, message.SerializeToString()).items())


def named_in_line(trace_id: str, line: bytes) -> Iterator[str]:
    """Paths of the attachments that a trace names, which is a line of a page."""
    yield from sorted(_named(trace_id, line))


def _named(trace_id: str, text: bytes) -> dict[str, int]:
    found = {}
    for reference in _NAMED.findall(text):
        parsed = Attachment.parse_ref(reference.decode())
        if parsed and parsed["trace_id"] == trace_id:
            size = parsed.get("size")
            path = f"{ATTACHMENTS}/{parsed['attachment_id']}"
            found[path] = size if isinstance(size, int) else -1
    return found


def spans_given(connection: Connection, trace_id: str) -> bytes | None:
    """The file of a trace's spans, as its server gives it; None if it has none.

    Raises:
        MlarchiveError: The server does not answer.
    """
    try:
        with (
            speaking(connection.uri),
            connection.request("GET", _GIVEN, params={"request_id": trace_id}) as response,
        ):
            return response.content
    except NotFoundError:
        return None


def open_given(connection: Connection, trace_id: str, path: str) -> BinaryIO:
    """Stream an attachment of a trace from its server.

    Raises:
        WithheldFileError: The server does not give it, however often it is asked.
        MlarchiveError: It does not answer.
    """
    asked = {"request_id": trace_id, "path": path.rpartition("/")[2]}
    try:
        with speaking(connection.uri):
            response = connection.request("GET", _GIVEN, params=asked, stream=True)
    except (NotFoundError, RemoteError, UnavailableError) as error:
        if isinstance(error, UnavailableError) and FAILS_EACH_TIME not in str(error.__cause__):
            raise
        raise WithheldFileError(
            f"{connection.uri} does not give {path} of trace {trace_id}",
            why="the server does not give it, and a span names it",
            hint="see whether it is still among the trace's artifacts there",
        ) from error
    return download(response, f"{path} of trace {trace_id} from {connection.uri}")


def gives(connection: Connection, root: Path, path: str) -> bool | None:
    """Whether a server has a file in a trace's folder; None if it cannot be asked.

    Raises:
        MlarchiveError: It does not answer.
    """
    match = _OF_TRACES.fullmatch(root.as_posix())
    folder, _, name = path.rpartition("/")
    if not match or not match[1] or folder != ATTACHMENTS:
        return None
    asked = {"request_id": match[1], "path": name}
    try:
        with speaking(connection.uri):
            connection.request(
                "GET", _GIVEN, params=asked, stream=True, retries=0, raise_on_status=False
            ).close()
    except MlarchiveError:
        connection.require_mlflow()
        return False
    return True
