"""Files that are sent to a tracking server's artifact proxy, and files that it gives."""

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from msgspec import Struct, field

from mlarchive.errors import (
    AccessError,
    MlarchiveError,
    NotFoundError,
    RemoteError,
    UnavailableError,
)
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.folders import (
    ArtifactFolder,
    ProxiedFolder,
    artifact_folder,
)
from mlarchive.registries.mlflow.samedisk import LOCAL_ARTIFACTS
from mlarchive.snapshot import WithheldFileError


class Taker(Struct):
    """A server that answers one status after the other to the files that it is sent."""

    statuses: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    gives: dict[str, int] = field(default_factory=dict)
    uri: str = ""

    def folder(self, *statuses: int) -> ProxiedFolder:
        """A folder there."""
        self.statuses = list(statuses)
        connection = Connection(uri=self.uri, tracking=None, models=None, served=True)  # type: ignore[arg-type]  # not asked
        return ProxiedFolder(connection, self.uri, "1/artifacts")


@pytest.fixture
def taker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Taker]:
    """It runs, and nobody pauses between tries."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    made = Taker()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            made.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(made.statuses[len(made.bodies) - 1])
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"boom")

        def do_GET(self) -> None:
            path = self.path.partition("artifacts/artifacts")[2]
            status = made.gives.get(path, 200)
            listed = [{"path": one, "is_dir": False, "file_size": 4} for one in ("a", "b")]
            above = [{"path": "artifacts", "is_dir": True}]
            found = above if path == "?path=1" else listed
            body = b"boom" if path.startswith("/") else json.dumps({"files": found}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        made.uri = f"http://127.0.0.1:{server.server_port}"
        yield made
        server.shutdown()
        thread.join()


def opening() -> io.BytesIO:
    """Opens a file."""
    return io.BytesIO(b"abc")


def test_a_file_that_is_not_taken_is_sent_again_from_its_beginning(taker: Taker) -> None:
    taker.folder(500, 503, 200).put("a.bin", opening, 3)

    assert taker.bodies == [b"abc", b"abc", b"abc"]


def test_a_server_that_never_takes_a_file_is_told_with_the_file_and_is_not_down(
    taker: Taker,
) -> None:
    with pytest.raises(RemoteError, match=r"answers 500 when sent 1/artifacts/a\.bin"):
        taker.folder(500, 500, 500).put("a.bin", opening, 3)

    assert len(taker.bodies) == 3


def test_a_server_that_is_down_can_be_tried_later(taker: Taker) -> None:
    with pytest.raises(UnavailableError, match="answers 503"):
        taker.folder(503, 503, 503).put("a.bin", opening, 3)


A, B = "/1/artifacts/a", "/1/artifacts/b"
HERE, ABOVE = "?path=1%2Fartifacts", "?path=1"


@pytest.mark.parametrize(
    ("gives", "error"),
    [
        ({A: 500}, WithheldFileError),
        ({A: 400}, WithheldFileError),
        ({A: 500, B: 500}, RemoteError),
        ({A: 400, B: 400}, RemoteError),
        ({A: 500, HERE: 500}, RemoteError),
        ({A: 401}, AccessError),
        ({A: 404}, NotFoundError),
        ({A: 503}, UnavailableError),
    ],
)
def test_a_file_is_withheld_only_where_the_server_gives_another_one(
    taker: Taker, gives: dict[str, int], error: type[MlarchiveError]
) -> None:
    taker.gives = gives
    with pytest.raises(MlarchiveError) as caught:
        taker.folder().open("a")
    assert type(caught.value) is error


def test_a_folder_is_not_listed_only_where_the_server_lists_what_is_around_it(
    taker: Taker,
) -> None:
    taker.gives = {HERE: 500}
    (listed,) = taker.folder().files()
    assert (listed.path, listed.unlisted) == ("", True)
    taker.gives = {HERE: 500, ABOVE: 500}
    with pytest.raises(RemoteError, match="answers 500 when asked for"):
        list(taker.folder().files())
    taker.gives = {HERE: 503}
    with pytest.raises(UnavailableError):
        list(taker.folder().files())


@pytest.mark.parametrize(
    ("server", "here"),
    [
        ("http://127.0.0.1:5000", True),
        ("http://[::ffff:127.0.0.1]:5000", True),
        ("http://192.0.2.7:5000", False),
    ],
)
def test_a_path_of_another_machine_is_not_one_of_this(
    server: str, *, here: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LOCAL_ARTIFACTS, raising=False)
    shared = tmp_path / "shared" / "1"
    shared.mkdir(parents=True)
    connection = Connection(uri=server, tracking=None, models=None, served=True)  # type: ignore[arg-type]  # not asked
    if here:
        artifact_folder(connection, shared.as_uri())
        return
    with pytest.raises(NotFoundError, match="on its own machine"):
        artifact_folder(connection, shared.as_uri())
    monkeypatch.setenv(LOCAL_ARTIFACTS, f"/nowhere:{tmp_path / 'shared'}")
    artifact_folder(connection, shared.as_uri())
    with pytest.raises(NotFoundError, match="on its own machine"):
        artifact_folder(connection, f"file://{shared}/../../other")


RUN = "0123456789abcdef0123456789abcdef"


class Lister(Struct):
    """A server on this machine that lists what a folder has, which may be on another disk.

    Attributes:
        top: Where it says that a run's artifacts are.
        disk: The folder that it looks into.
        asked: How often it was asked.
    """

    top: Path
    disk: Path
    asked: int = 0
    uri: str = ""

    def folder(self) -> ArtifactFolder:
        """The run's, as it is here."""
        connection = Connection(uri=self.uri, tracking=None, models=None, served=True)  # type: ignore[arg-type]  # not asked
        return artifact_folder(connection, str(self.top))


@pytest.fixture
def lister(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lister]:
    """Its disk is this one, until a test says otherwise."""
    monkeypatch.delenv(LOCAL_ARTIFACTS, raising=False)
    top = tmp_path / RUN / "artifacts"
    made = Lister(top=top, disk=top)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == f"/api/2.0/mlflow/artifacts/list?run_id={RUN}"
            made.asked += 1
            files = [
                {"path": one.name, "is_dir": one.is_dir()}
                | ({} if one.is_dir() else {"file_size": one.stat().st_size})
                for one in (made.disk.iterdir() if made.disk.is_dir() else ())
            ]
            body = json.dumps({"root_uri": str(top), "files": files}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.uri = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_on_this_disk_is_asked_once(lister: Lister) -> None:
    assert list(lister.folder().files()) == []
    (lister.top / "model").mkdir(parents=True)
    (lister.top / "model" / "w").write_bytes(b"weights")
    (lister.top / "log").write_bytes(b"")
    lister.asked = 0
    folder = lister.folder()
    assert sorted(one.path for one in folder.files()) == ["log", "model/w"]
    with folder.open("model/w") as file:
        assert file.read() == b"weights"
    assert lister.asked == 1
    folder.put("model/more", lambda: io.BytesIO(b"more"), 4)
    folder.put("other", lambda: io.BytesIO(b"other"), 5)
    assert lister.asked == 2


@pytest.mark.parametrize("side", ["there", "here", "both"])
def test_a_server_in_a_container_does_not_mean_the_folder_of_this_machine(
    lister: Lister, tmp_path: Path, side: str
) -> None:
    lister.disk = tmp_path / "hidden"
    (tmp_path / "neighbour").mkdir()
    for folder, name in ((lister.disk, "there"), (lister.top, "here")):
        if side in {name, "both"}:
            folder.mkdir(parents=True)
            (folder / "w").write_bytes(name.encode())
    with pytest.raises(NotFoundError, match="on its own machine, and lists there what is not"):
        list(lister.folder().files())
    with pytest.raises(NotFoundError, match="on its own machine"):
        lister.folder().open("w")


def test_what_is_written_where_a_server_does_not_see_it_goes_again(
    lister: Lister, tmp_path: Path
) -> None:
    lister.disk = tmp_path / "hidden"
    with pytest.raises(NotFoundError, match="on its own machine"):
        lister.folder().put("model/w", lambda: io.BytesIO(b"weights"), 7)
    assert not lister.top.exists()


def test_a_file_of_this_machine_is_not_written_over_for_a_server_elsewhere(
    lister: Lister, tmp_path: Path
) -> None:
    lister.disk = tmp_path / "hidden"
    lister.top.mkdir(parents=True)
    (lister.top / "w").write_bytes(b"somebody's")
    with pytest.raises(NotFoundError, match="on its own machine"):
        lister.folder().put("w", lambda: io.BytesIO(b"weights"), 7)
    assert (lister.top / "w").read_bytes() == b"somebody's"


def test_a_folder_that_is_not_here_and_that_no_request_lists_is_a_loss(
    lister: Lister, tmp_path: Path
) -> None:
    lister.top = tmp_path / "elsewhere"
    (listed,) = lister.folder().files()
    assert (listed.path, listed.unlisted) == ("", True)
