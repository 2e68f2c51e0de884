"""Where artifacts are: folders to list, read and fill, whatever keeps them.

A server's own artifact proxy is streamed over HTTP, a local folder is opened directly; for
everything else (S3, Azure, GCS, …) mlflow's own repository fetches one file at a time into a
private place that is removed when the file is closed. Knows nothing of records.
"""

import contextlib
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol
from urllib.parse import quote, urlsplit

from mlflow.environment_variables import (
    MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR,
    MLFLOW_HTTP_REQUEST_MAX_RETRIES,
)
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri, validate_path_is_safe

from mlarchive import fsops
from mlarchive.errors import (
    MlarchiveError,
    NotFoundError,
    RemoteError,
    UnavailableError,
    UnsupportedError,
)
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.failures import FAILS_EACH_TIME, speaking
from mlarchive.registries.mlflow.listed import NOTHING_IN_IT, Listed, ReadableFolder
from mlarchive.registries.mlflow.samedisk import (
    LOCAL_ARTIFACTS,
    is_owned,
    is_shared,
    is_the_same,
    told,
)
from mlarchive.registries.mlflow.sidebyside import AT_ONCE
from mlarchive.registries.mlflow.tracefolders import gives, is_of_traces
from mlarchive.registries.mlflow.transport import Upload, download, temporary
from mlarchive.registries.redaction import redacted_text, without_credentials
from mlarchive.snapshot import WithheldFileError

if TYPE_CHECKING:
    import requests

_PROXY = "/mlflow-artifacts/artifacts"
_BLOCK = 1 << 20

_ANSWERS_500 = " answers 500: "
# A server stores a large file somewhere before it answers.
_LONGEST_SILENCE_SECONDS = 600
_REFUSED = "INVALID_PARAMETER_VALUE"
_OTHERS_TRIED = 5
_NOT_HERE = "its folder is not on this machine, so nobody knows what is in it"
_UNLISTED = "the server lists the folder around it, and this one not, so nobody knows what is in it"


class ArtifactFolder(ReadableFolder, Protocol):
    """A folder of artifacts."""

    at_once: int
    """How many files it takes and gives at a time."""

    def folders(self) -> list[str]:
        """The names of the folders directly in it."""

    def put(self, path: str, opening: Callable[[], BinaryIO], size: int) -> None:
        """Store one file, replacing what has its name.

        Args:
            path: Below the folder.
            opening: Opens it, anew each time it is sent.
            size: In bytes.
        """

    def refuses(self, path: str) -> str:
        """Why the folder cannot hold a file of that name, in a few words; "" if it can."""


def artifact_folder(connection: Connection, uri: str) -> ArtifactFolder:
    """The folder that an artifact URI of a server's answer means.

    Raises:
        NotFoundError: It is a folder on the server's own machine, and not here.
        UnsupportedError: Only the server can reach it, and its database is open.
    """
    if is_local_uri(uri):
        return _local_folder(connection, uri)
    if urlsplit(uri).scheme == "mlflow-artifacts":
        if not connection.served:
            raise UnsupportedError(
                f"{connection.uri} is the database of a server that serves the artifacts itself",
                hint="name the server instead: mlflow+http://HOST:PORT",
            )
        uri = MlflowArtifactsRepository.resolve_uri(uri, connection.uri)
    if uri.startswith(f"{connection.uri}/") and _PROXY in uri:
        base, _, root = uri.partition(_PROXY)
        return ProxiedFolder(connection, base, root.strip("/"))
    place = without_credentials(uri)
    with _speaking_for_a_store(place):
        return RepositoryFolder(get_artifact_repository(uri, connection.uri, connection.uri), place)


def is_plain(path: str) -> bool:
    """Whether every kind of folder holds a file of that name."""
    try:
        return bool(validate_path_is_safe(f"x/{path}") == f"x/{path}")
    except (MlflowException, ValueError):
        return False


@contextlib.contextmanager
def _speaking_for_a_store(place: str) -> Iterator[None]:
    """Raise errors of this project for whatever a store's own client raises inside the block.

    Raises:
        UnsupportedError: The client is not installed.
        RemoteError: It raises an error of its own.
    """
    try:
        with speaking(place):
            yield
    except MlarchiveError:
        raise
    except ImportError as error:
        raise UnsupportedError(
            f"{place} cannot be reached without the Python package {error.name}",
            hint="install the client library that MLflow's documentation names for such a store",
        ) from error
    except Exception as error:  # each store's client has errors of its own
        raise RemoteError(
            f"{place} cannot be used: {redacted_text(str(error))}",
            hint="see that its credentials are set as its own client wants them",
        ) from error


def _local_folder(connection: Connection, uri: str) -> "LocalFolder":
    root = Path(local_file_uri_to_path(uri))
    if not connection.served or is_shared(root):
        return LocalFolder(root)
    if not _is_here(connection.creds(connection.uri).host):
        raise _kept_elsewhere(connection, root, "and what has that path here may be something else")
    # What logged nothing has no folder yet; the one of its experiment is there all the same.
    asked = is_owned(root) or is_of_traces(root)
    if not asked and not any(place.is_dir() for place in (root, *root.parents[:3])):
        raise _kept_elsewhere(connection, root, "which is not here")
    return ServersFolder(connection, root)


def _kept_elsewhere(connection: Connection, root: Path, why: str) -> NotFoundError:
    return NotFoundError(
        f"{connection.uri} keeps artifacts in {root} on its own machine, {why}",
        hint="run this on the server's machine, or start the server with --serve-artifacts;"
        f" where both machines have the same disk, set {LOCAL_ARTIFACTS} to its folder",
    )


@cache
def _is_here(host: str) -> bool:
    """Whether a server listens on an address of this machine: a socket is given no other one."""
    name = urlsplit(host).hostname
    if not name:
        return False
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                probe.bind((address[0], 0))
    except OSError:
        return False
    return True


class LocalFolder:
    """A folder of this machine's file system."""

    is_remote = False
    at_once = 1

    def __init__(self, root: Path) -> None:
        self._root = root

    def files(self) -> Iterator[Listed]:
        """Everything below it; symbolic links are named as problems and not followed."""
        for here, folders, names in os.walk(self._root, onerror=self._unlisted):
            if not (folders or names) and Path(here) != self._root:
                relative = Path(here).relative_to(self._root).as_posix()
                yield Listed(relative, -1, NOTHING_IN_IT, empty=True)
            for name in sorted([*names, *folders]):
                path = Path(here, name)
                relative = path.relative_to(self._root).as_posix()
                if path.is_symlink():
                    yield Listed(relative, -1, "it is a symbolic link")
                elif name in names:
                    found = path.stat()
                    regular = stat.S_ISREG(found.st_mode)
                    problem = "" if regular else "it is no regular file"
                    yield Listed(relative, found.st_size if regular else -1, problem)

    def folders(self) -> list[str]:
        """The names of the folders directly in it; none if it is not there."""
        if not self._root.is_dir():
            return []
        return [place.name for place in self._root.iterdir() if place.is_dir()]

    def open(self, path: str) -> BinaryIO:
        """Open the file itself."""
        with fsops.explaining(self._root / path, "read"):
            return (self._root / path).open("rb")

    def put(self, path: str, opening: Callable[[], BinaryIO], size: int) -> None:  # noqa: ARG002  (a protocol)
        """Write the file; it appears whole or not at all."""
        with opening() as source, fsops.atomic_file(self._within(path)) as file:
            shutil.copyfileobj(source, file, _BLOCK)

    def refuses(self, path: str) -> str:
        """Only names that lead out of the folder."""
        parts = PurePosixPath(path).parts
        return "it leads out of its folder" if ".." in parts or path.startswith("/") else ""

    def _unlisted(self, error: OSError) -> None:
        """A run that logged nothing has no folder; what cannot be read is not passed over.

        Raises:
            MlarchiveError: There is a folder.
        """
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise fsops.explain(error, error.filename or self._root, "list") from error

    def _within(self, path: str) -> Path:
        target = self._root / path
        if not target.resolve().is_relative_to(self._root.resolve()):
            raise NotFoundError(f"{target} leads out of {self._root}")
        return target


class ServersFolder(LocalFolder):
    """A folder of this machine that a server means by its path, once it says that it is that.

    Every method but `refuses` and `folders` asks it first, once.

    Raises:
        NotFoundError: What the server lists there is not what is here.
        MlarchiveError: The server does not answer.
    """

    def __init__(self, connection: Connection, root: Path) -> None:
        super().__init__(root)
        self._connection = connection
        self._written = False
        self._is_known = cache(partial(is_the_same, connection, root))

    def files(self) -> Iterator[Listed]:
        """As of any folder; one that is not here, and that no server can be asked for, is said."""
        self._require_same()
        if self._is_known() is None and not (self._root.is_dir() or is_of_traces(self._root)):
            yield Listed("", -1, _NOT_HERE, unlisted=True)
            return
        yield from super().files()

    def open(self, path: str) -> BinaryIO:
        """Open the file itself."""
        self._require_same()
        return super().open(path)

    def put(self, path: str, opening: Callable[[], BinaryIO], size: int) -> None:
        """Write the file; the first one goes again if the server does not list it."""
        self._require_same()
        known = any(place.is_dir() for place in self._root.parents[2:3])
        super().put(path, opening, size)
        if self._written:
            return
        if not self._is_there(path, known=known):
            self._remove(path)
            raise self._elsewhere()
        self._written = True

    def _is_there(self, path: str, *, known: bool) -> bool:
        """Whether the server has what was written here; what it cannot be asked for is believed.

        Args:
            path: Of a file.
            known: Whether the folder of the experiment was here before.
        """
        if is_of_traces(self._root):
            given = gives(self._connection, self._root, path)
            return known if given is None else given
        there = told(self._connection, self._root)
        return there is None or PurePosixPath(path).parts[0] in there

    def _remove(self, path: str) -> None:
        place = self._root / path
        place.unlink()
        with contextlib.suppress(OSError):
            while place != self._root:
                place = place.parent
                place.rmdir()

    def _require_same(self) -> None:
        if self._is_known() is False and not self._written:
            raise self._elsewhere()

    def _elsewhere(self) -> NotFoundError:
        why = "and lists there what is not in the folder of that path here, or not what is in it"
        return _kept_elsewhere(self._connection, self._root, why)


class ProxiedFolder:
    """A folder behind a tracking server's artifact proxy."""

    is_remote = True
    at_once = AT_ONCE

    def __init__(self, connection: Connection, base: str, root: str) -> None:
        self._connection = connection
        self._root = root
        # The proxy's prefix stands between the host and `/mlflow-artifacts/…`.
        self._host = connection.uri
        self._prefix = base.removeprefix(connection.uri)

    def files(self) -> Iterator[Listed]:
        """Everything below it, one request for each folder; more for one that is not listed."""
        waiting = [""]
        while waiting:
            here = waiting.pop()
            entries = self._entries_if_listed(here)
            if entries is None:
                yield Listed(here, -1, _UNLISTED, unlisted=True)
            elif here and not entries:
                yield Listed(here, -1, NOTHING_IN_IT, empty=True)
            for entry in entries or ():
                path = f"{here}/{entry['path']}" if here else str(entry["path"])
                problem = self.refuses(path)
                if not entry.get("is_dir"):
                    yield Listed(path, int(entry.get("file_size", -1)), problem)
                elif problem:
                    yield Listed(path, -1, problem)
                else:
                    waiting.append(path)

    def folders(self) -> list[str]:
        """The names of the folders directly in it, by one request."""
        return [str(entry["path"]) for entry in self._entries("") if entry.get("is_dir")]

    def open(self, path: str) -> BinaryIO:
        """Stream the file from the server.

        Raises:
            WithheldFileError: It lists this file and gives another, and this one not, again.
        """
        try:
            response = self._get(path)
        except RemoteError as error:
            if not self._is_alone(path, error):
                raise
            response = self._get_withheld(path, error)
        self._connection.given[self._host] = self._endpoint(path)
        return download(response, f"{path} from {self._host}")

    def _get(self, path: str) -> "requests.Response":
        with self._asking(path):
            return self._connection.request(
                "GET", self._endpoint(path), stream=True, timeout=_LONGEST_SILENCE_SECONDS
            )

    def _get_withheld(self, path: str, before: RemoteError) -> "requests.Response":
        """Ask once more for what was refused before.

        Raises:
            WithheldFileError: It is refused again.
        """
        try:
            return self._ask_once(self._endpoint(path))
        except (RemoteError, UnavailableError) as error:
            if isinstance(error, UnavailableError) and _ANSWERS_500 not in str(error):
                raise
            why = str(before).removeprefix(f"{self._host} ")
            raise WithheldFileError(
                f"{self._host} gives other files, and {self._root}/{path} not: it {why}",
                why=f"the server gives other files, and not this one: it {why}",
                hint="read the server's log; it may be a link, or a file that it may not read",
            ) from error

    def _is_alone(self, path: str, error: RemoteError) -> bool:
        """Whether it is this file alone that a server will not give, and no outage.

        It must list it still; where it does not say itself that it refuses it, it must also give
        another one.
        """
        folder, _, name = path.rpartition("/")
        if not any(entry["path"] == name for entry in self._entries(folder)):
            return False
        return _REFUSED in str(error) or any(self._gives(other) for other in self._others(path))

    def _others(self, path: str) -> Iterator[str]:
        """Files to compare with: the last one that was given, and some that lie in the folder."""
        asked = self._endpoint(path)
        if (last := self._connection.given.get(self._host, asked)) != asked:
            yield last
        found = (one.path for one in self.files() if not one.problem and one.path != path)
        yield from (self._endpoint(one) for one in islice(found, _OTHERS_TRIED))

    def _gives(self, endpoint: str) -> bool:
        try:
            with self._ask_once(endpoint) as response:
                return response.ok
        except MlarchiveError:
            return False

    def _ask_once(self, endpoint: str) -> "requests.Response":
        with speaking(self._host):
            return self._connection.request(
                "GET",
                endpoint,
                stream=True,
                retries=0,
                raise_on_status=False,
                timeout=_LONGEST_SILENCE_SECONDS,
            )

    def put(self, path: str, opening: Callable[[], BinaryIO], size: int) -> None:
        """Stream the file to the server, again from its beginning where that fails.

        Raises:
            RemoteError: It answers 500 however often the file is sent.
        """
        retries = MLFLOW_HTTP_REQUEST_MAX_RETRIES.get()
        for tried in range(retries + 1):
            try:
                with opening() as source:
                    self._send(path, source, size)
            except UnavailableError as error:
                if tried < retries:
                    time.sleep(MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR.get() * 2**tried)
                    continue
                if _ANSWERS_500 not in str(error):
                    raise
                raise RemoteError(
                    f"{self._host} answers 500 when sent {self._root}/{path}",
                    hint="read the server's log, then run the same command again",
                ) from error
            return

    def _send(self, path: str, source: BinaryIO, size: int) -> None:
        body = Upload(source, size)
        with body.blaming_the_source(), speaking(self._host):
            self._connection.request(
                "PUT",
                self._endpoint(path),
                # A body is read once; it is opened anew for another try.
                retries=0,
                raise_on_status=False,
                timeout=_LONGEST_SILENCE_SECONDS,
                # A stream of length 0 would be sent in chunks; no bytes are sent as none.
                data=body if size else b"",
                extra_headers={"Content-Type": "application/octet-stream"},
            )

    def refuses(self, path: str) -> str:
        """The proxy decodes what looks percent-encoded, escapes control characters, bars `#`."""
        return "" if is_plain(path) else "the server's artifact proxy cannot handle its name"

    def _entries_if_listed(self, folder: str) -> list[dict[str, Any]] | None:
        """What is in a folder; None if a server lists what is around it, and it not, again."""
        try:
            return self._entries(folder)
        except RemoteError:
            around, _, name = f"{self._root}/{folder}".rstrip("/").rpartition("/")
            if not around or all(entry["path"] != name for entry in self._listed(around)):
                raise
        try:
            return self._entries(folder)
        except RemoteError:
            return None

    def _entries(self, folder: str) -> list[dict[str, Any]]:
        return self._listed(f"{self._root}/{folder}" if folder else self._root)

    def _listed(self, path: str) -> list[dict[str, Any]]:
        with self._asking(path):
            response = self._connection.request(
                "GET", f"{self._prefix}{_PROXY}", params={"path": path}
            )
            entries: list[dict[str, Any]] = response.json().get("files", [])
        return entries

    @contextlib.contextmanager
    def _asking(self, path: str) -> Iterator[None]:
        """As `speaking`; a server that fails again and again over one path is up all the same.

        Raises:
            RemoteError: It answers 500 however often it is asked.
        """
        try:
            with speaking(self._host):
                yield
        except UnavailableError as error:
            if FAILS_EACH_TIME not in str(error.__cause__):
                raise
            raise RemoteError(
                f"{self._host} answers 500 when asked for {self._root}/{path}".rstrip("/"),
                hint="read the server's log; it may be a file's name that it cannot say",
            ) from error

    def _endpoint(self, path: str) -> str:
        return f"{self._prefix}{_PROXY}/{quote(f'{self._root}/{path}', safe='/')}"


class RepositoryFolder:
    """A folder in a store that mlflow's own client reaches, of which not all are for threads."""

    is_remote = True
    at_once = 1

    def __init__(self, repository: Any, place: str) -> None:  # noqa: ANN401  (untyped in mlflow)
        self._repository = repository
        self._place = place

    def files(self) -> Iterator[Listed]:
        """Everything below it, one request for each folder."""
        waiting: list[str | None] = [None]
        while waiting:
            with _speaking_for_a_store(self._place):
                entries = self._repository.list_artifacts(waiting.pop())
            for entry in entries:
                if entry.is_dir:
                    waiting.append(entry.path)
                else:
                    yield Listed(entry.path, -1 if entry.file_size is None else entry.file_size)

    def folders(self) -> list[str]:
        """The names of the folders directly in it, by one request."""
        with _speaking_for_a_store(self._place):
            entries = self._repository.list_artifacts(None)
        return [str(entry.path) for entry in entries if entry.is_dir]

    def open(self, path: str) -> BinaryIO:
        """Fetch this one file into a private place; closing it removes it."""
        place = tempfile.mkdtemp(prefix="mlarchive-")
        try:
            with _speaking_for_a_store(self._place):
                local = self._repository.download_artifacts(path, place)
            return temporary(Path(local), lambda: shutil.rmtree(place, ignore_errors=True))
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    def put(self, path: str, opening: Callable[[], BinaryIO], size: int) -> None:  # noqa: ARG002  (a protocol)
        """Send the file by way of a private place, as mlflow's client needs one."""
        target = PurePosixPath(path)
        folder = "" if target.parent == PurePosixPath() else str(target.parent)
        with tempfile.TemporaryDirectory(prefix="mlarchive-") as place:
            local = Path(place, target.name)
            with opening() as source, fsops.explaining(local, "write"), local.open("xb") as file:
                shutil.copyfileobj(source, file, _BLOCK)
            with _speaking_for_a_store(self._place):
                self._repository.log_artifact(str(local), folder or None)

    def refuses(self, path: str) -> str:
        """Only names that lead out of the folder."""
        return "it leads out of its folder" if ".." in PurePosixPath(path).parts else ""
