"""Files and file sets on their way to a server, by the client's own uploads."""

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from neptune.common.backends.api_model import MultipartConfig
from neptune.exceptions import MetadataInconsistency
from neptune.internal.backends.hosted_file_operations import (
    FileUploadTarget,
    _attribute_upload_response_handler,
    _build_multipart_urlset,
    _multichunk_upload,
    upload_raw_data,
)
from neptune.internal.backends.utils import build_operation_url

from mlarchive.errors import NotFoundError, RemoteError
from mlarchive.records import Field, FieldFile, File
from mlarchive.registries.neptune.live.connection import Connection
from mlarchive.registries.neptune.live.failures import speaking
from mlarchive.registries.neptune.live.work import Work

if TYPE_CHECKING:
    from neptune.common.storage.storage_utils import UploadEntry

_TOGETHER = 1 << 20
"""Bytes: smaller members of a file set go in one archive."""
_ARCHIVE = 4 << 20
_FAST = 1


class _Entry:
    """A stream as the client wants what it uploads."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self.source = source
        self._size = size

    def get_stream(self) -> BinaryIO:
        return self.source

    def length(self) -> int:
        return self._size

    def is_stream(self) -> bool:
        return True


def upload_file(connection: Connection, run_id: str, work: Work, field: Field) -> int:
    """Send a file; returns its bytes."""
    (file,) = field.files
    query = {"experimentIdentifier": run_id, "attribute": field.path, "ext": _extension(field)}
    return _send(connection, work, file, query, FileUploadTarget.FILE_ATOM)


def _extension(field: Field) -> str:
    """The extension that the source knew apart from the path; it was put behind it."""
    (file,) = field.files
    stem = field.path.rpartition("/")[2]
    named = file.name or file.path.rpartition("/")[2]
    return named.removeprefix(f"{stem}.") if named.startswith(f"{stem}.") else ""


def upload_set(connection: Connection, run_id: str, work: Work, field: Field) -> int:
    """Send a file set, whose members keep their names; returns their bytes."""
    sent, reset = 0, True
    names = _names(field)
    for together in _packages(work, field.files):
        if len(together) == 1 and _size(work, together[0]) >= _TOGETHER:
            name = names[together[0].path]
            query = {"experimentIdentifier": run_id, "attribute": field.path, "subPath": name}
            _send(connection, work, together[0], query, FileUploadTarget.FILE_SET)
        else:
            members = {names[file.path]: file for file in together}
            _send_archive(connection, run_id, work, field, members, reset=reset)
        sent, reset = sent + sum(_size(work, file) for file in together), False
    return sent


def _names(field: Field) -> Mapping[str, str]:
    """What the members of a set are called there, by path: of one name only the first is so."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for file in field.files:
        kept = file.path.removeprefix(f"{field.path}/")
        wanted = file.name or kept
        found[file.path] = kept if wanted in taken else wanted
        taken.add(found[file.path])
    return found


def _packages(work: Work, files: Sequence[FieldFile]) -> Iterator[list[FieldFile]]:
    """Members that are sent together; the first ones may be none, which makes the set."""
    small = [file for file in files if _size(work, file) < _TOGETHER]
    batch: list[FieldFile] = []
    size = 0
    for file in small:
        batch.append(file)
        size += _size(work, file)
        if size >= _ARCHIVE:
            yield batch
            batch, size = [], 0
    if batch or not files:
        yield batch
    yield from ([file] for file in files if _size(work, file) >= _TOGETHER)


def _size(work: Work, file: FieldFile) -> int:
    entry = work.streams[file.path].entry
    assert isinstance(entry, File)  # noqa: S101  (a field's files are files)
    return entry.size


def _send_archive(  # noqa: PLR0913
    connection: Connection,
    run_id: str,
    work: Work,
    field: Field,
    members: Mapping[str, FieldFile],
    *,
    reset: bool,
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=_FAST) as archive:
        for name, file in members.items():
            item = tarfile.TarInfo(name)
            item.size = _size(work, file)
            with work.streams[file.path].open() as source:
                archive.addfile(item, source)
    client = connection.backend.leaderboard_client
    path = client.api.uploadFileSetAttributeTar.operation.path_name
    query = {"experimentId": run_id, "attribute": field.path, "reset": str(reset)}
    with speaking(connection.place):
        answer = upload_raw_data(
            http_client=client.swagger_spec.http_client,
            url=build_operation_url(client.swagger_spec.api_url, path),
            data=packed.getvalue(),
            headers={"Content-Type": "application/octet-stream"},
            query_params=query,
        )
        _accepted(lambda: _attribute_upload_response_handler(answer), field.path)


def _accepted(done: Callable[[], object], path: str) -> None:
    try:
        done()
    except MetadataInconsistency as error:
        raise RemoteError(f"the server does not take {path!r}: {error}") from error


def _send(
    connection: Connection,
    work: Work,
    file: FieldFile,
    query: dict[str, str],
    target: FileUploadTarget,
) -> int:
    size = _size(work, file)
    try:
        _upload(connection, work, file, query, target)
    except NotFoundError:
        # That it is whole was not heard, and the client asked about an upload that was over.
        _upload(connection, work, file, query, target)
    return size


def _upload(
    connection: Connection,
    work: Work,
    file: FieldFile,
    query: dict[str, str],
    target: FileUploadTarget,
) -> None:
    client = connection.backend.leaderboard_client
    with speaking(connection.place), closing(work.streams[file.path].open()) as source:
        # The client asks no more of an entry than this one has.
        entry = cast("UploadEntry", _Entry(source, _size(work, file)))
        config: Any = connection.backend._client_config.multipart_config  # noqa: SLF001
        _accepted(
            lambda: _multichunk_upload(
                entry,
                client,
                query,
                config or MultipartConfig.get_default(),
                _build_multipart_urlset(client, target),
            ),
            query["attribute"],
        )
