"""The address that others look at: `/metrics`, `/health`, `/ready`, and a page for people.

It only answers GET, changes nothing, and holds no secret; put a proxy with a password before it
where strangers can reach it.
"""

import contextlib
import html
import sys
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from mlarchive.errors import MlarchiveError, StorageError
from mlarchived.addresses import cannot_listen, host_and_port
from mlarchived.condition import standings_of, troubles_of
from mlarchived.defects import contained
from mlarchived.ledger import Ledger
from mlarchived.mirrors import MirrorJob, Setting
from mlarchived.monitoring.board import Board
from mlarchived.monitoring.exposition import CONTENT_TYPE, exposed
from mlarchived.monitoring.measures import PREFIX, families
from mlarchived.service.happenings import Happening

_SECONDS = 30.0
"""After which a client that says nothing is left."""

_JSON = "application/json"
_Answer = tuple[HTTPStatus, str, str]


class _Server(ThreadingHTTPServer):
    """One whose clients may hang up."""

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (socketserver's contract)
        """A client that went before it was answered is nobody's trouble."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Endpoint:
    """Serves what a board shows; an `Observer`, which follows the configuration's address."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._server: ThreadingHTTPServer | None = None
        self._listen = ""
        self._trouble: MlarchiveError | None = None

    @property
    def address(self) -> str:
        """Where it listens, as `http://HOST:PORT`; "" if it does not."""
        if self._server is None:
            return ""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def configured(self, setting: Setting) -> None:
        """Listen where the configuration says, or go on where it said before."""
        listen, before = setting.config.monitoring.listen, self._listen
        self._trouble = None
        if listen == before:
            return
        self.close()
        try:
            self._open(listen)
        except StorageError as error:
            self._trouble = error
            with contextlib.suppress(StorageError):
                self._open(before)

    def failures(self) -> Mapping[str, MlarchiveError]:
        """That it cannot listen."""
        return {"monitoring.listen": self._trouble} if self._trouble else {}

    def _open(self, listen: str) -> None:
        if not listen:
            return
        try:
            server = _Server(host_and_port(listen), _handler(self._board))
        except (OSError, UnicodeError) as error:
            raise cannot_listen(listen, error) from error
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="endpoint", daemon=True).start()
        self._server, self._listen = server, listen

    def take(self, happening: Happening) -> None:
        """The board takes it."""

    def close(self) -> None:
        """Listen no more."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self._server, self._listen = None, ""


def answer(board: Board, path: str) -> _Answer:
    """What is said at a path: status, type, text."""
    match path.partition("?")[0]:
        case "/metrics":
            return HTTPStatus.OK, CONTENT_TYPE, exposed(families(board), prefix=PREFIX)
        case "/health":
            return _verdict(board.ailments())
        case "/ready":
            return _verdict(board.ailments() if board.ready else [f"it is {board.stage}"])
        case "/":
            return HTTPStatus.OK, "text/html; charset=utf-8", _page(board)
        case _:
            return HTTPStatus.NOT_FOUND, _JSON, '{"error":"there is nothing here"}\n'


def _verdict(ailments: list[str]) -> _Answer:
    status = HTTPStatus.SERVICE_UNAVAILABLE if ailments else HTTPStatus.OK
    text = msgspec.json.encode({"ok": not ailments, "ailments": ailments}).decode()
    return status, _JSON, text + "\n"


def _handler(board: Board) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SECONDS
        server_version = "mlarchived"
        sys_version = ""

        def do_GET(self) -> None:
            try:
                with contained():
                    status, kind, text = answer(board, self.path)
            except MlarchiveError as error:
                text = msgspec.json.encode({"error": error.message}).decode() + "\n"
                status, kind = HTTPStatus.INTERNAL_SERVER_ERROR, _JSON
            raw = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(raw)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Security-Policy", "default-src 'none'")
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:  # noqa: ANN401  (http.server's contract)
            """Nobody needs a line for each look."""

    return Handler


def _page(board: Board) -> str:
    rows = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>\n"
        for row in _rows(board)
    )
    troubles = "".join(
        f"<li>{html.escape(name)}: {html.escape(worker.trouble)}</li>\n"
        for name, worker in board.failing().items()
    )
    ailments = "".join(f"<li>{html.escape(text)}</li>\n" for text in board.ailments())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>mlarchived</title>\n'
        f"<h1>mlarchived: {html.escape(board.stage)}</h1>\n<ul>{ailments}{troubles}</ul>\n"
        "<table><tr><th>mirror<th>target<th>objects<th>behind<th>last success<th>trouble</tr>\n"
        f'{rows}</table>\n<p><a href="/metrics">metrics</a></p></html>\n'
    )


def _rows(board: Board) -> list[tuple[str, ...]]:
    setting = board.setting
    if setting is None:
        return []
    rows: list[tuple[str, ...]] = []
    with Ledger.look(setting.state) as ledger:
        for job in setting.jobs:
            for target, standing in standings_of(job, ledger).items():
                success = "never"
                if standing.succeeded_at:
                    moment = time.gmtime(standing.succeeded_at / 1000)
                    success = time.strftime("%Y-%m-%d %H:%M:%SZ", moment)
                counts = (str(standing.objects), str(standing.behind))
                trouble = standing.trouble
                if aside := _set_aside(ledger, job, target):
                    trouble = "; ".join(filter(None, (trouble, f"{aside} set aside")))
                rows.append((job.name, target, *counts, success, trouble))
    return rows


def _set_aside(ledger: Ledger, job: MirrorJob, target: str) -> int:
    """How many objects wait for a person, of those that cannot be read or not be delivered."""
    return sum(
        trouble.target in {"", target} and trouble.is_set_aside(job.set_aside_after)
        for trouble in troubles_of(job, ledger)
    )
