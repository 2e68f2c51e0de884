"""A strict stand-in for a Databricks workspace's export of notebooks, over real HTTPS.

It refuses what the real one refuses, with bodies as the real one has them, and whatever it does not
know: another path, another method, a parameter too many, a token that is not its own.
"""

import base64
import contextlib
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.azureml.authority import Authority

TOKEN = "dapi-of-the-tests"  # noqa: S105  (of no real workspace)
PATH = "/api/2.0/workspace/export"
FORMATS = ("SOURCE", "HTML", "JUPYTER", "DBC")
LARGEST = 10 << 20

Answer = tuple[int, Mapping[str, Any]]


@dataclass(slots=True)
class Workspace:
    """What it holds, and what it was asked.

    Attributes:
        host: Its address.
        bundle: The certificate that clients are to trust.
        notebooks: Bytes by path, revision and format.
        forbidden: Paths that the token may not read.
        asked: Path, revision and format of each request with a right token.
        failing: How many requests more are answered with 503.
        elsewhere: Where every answer leads; "" for nowhere.
        strangers: How many requests came without the right token.
    """

    host: str
    bundle: Path
    notebooks: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    failing: int = 0
    elsewhere: str = ""
    strangers: int = 0

    @property
    def environment(self) -> dict[str, str]:
        """What a client's user sets."""
        return {
            "DATABRICKS_HOST": self.host,
            "DATABRICKS_TOKEN": TOKEN,
            "REQUESTS_CA_BUNDLE": str(self.bundle),
        }

    def put(self, path: str, revision: str, form: str, raw: bytes) -> None:
        """Have a revision of a notebook in a format."""
        self.notebooks[path, revision, form] = raw

    def answer(self, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What a GET gets."""
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            self.strangers += 1
            return 403, {"error_code": "403", "message": "Invalid access token."}
        if self.failing:
            self.failing -= 1
            return 503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "Try again."}
        if target != PATH or headers.get("Content-Type") != "application/json":
            return 404, {
                "error_code": "ENDPOINT_NOT_FOUND",
                "message": f"No API found for {target}",
            }
        return self._export(json.loads(body))

    def _export(self, asked: Mapping[str, Any]) -> Answer:
        unknown = set(asked) - {"path", "format", "direct_download", "revision"}
        revision = asked.get("revision")
        fits = isinstance(revision, dict) and set(revision) == {"revision_timestamp"}
        path, form = asked.get("path", ""), asked.get("format", "SOURCE")
        if unknown or not fits or form not in FORMATS or asked.get("direct_download") is not False:
            return _refused(400, "MALFORMED_REQUEST", f"Could not parse request object: {asked}")
        if not str(path).startswith("/"):
            return _refused(400, "INVALID_PARAMETER_VALUE", f"Path ({path}) doesn't start with '/'")
        at = str(revision["revision_timestamp"])  # type: ignore[index]  # it fits
        self.asked.append((path, at, form))
        return self._notebook(path, at, form)

    def _notebook(self, path: str, at: str, form: str) -> Answer:
        if path in self.forbidden:
            return _refused(403, "PERMISSION_DENIED", f"User does not have permission on {path}")
        raw = self.notebooks.get((path, at, form))
        if raw is None and any(known == path for known, _, _ in self.notebooks):
            return _refused(404, "RESOURCE_DOES_NOT_EXIST", f"Revision {at} doesn't exist.")
        if raw is None:
            return _refused(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({path}) doesn't exist.")
        if len(raw) > LARGEST:
            words = f"The size of the notebook exceeds the limit ({LARGEST} bytes)"
            return _refused(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", words)
        kinds = {"SOURCE": "py", "HTML": "html", "JUPYTER": "ipynb", "DBC": "dbc"}
        return 200, {"content": base64.b64encode(raw).decode(), "file_type": kinds[form]}


def _refused(status: int, code: str, message: str) -> Answer:
    return status, {"error_code": code, "message": message}


@contextlib.contextmanager
def workspace(folder: Path) -> Iterator[Workspace]:
    """A running workspace; the certificate of its authority lies in a folder."""
    authority = Authority(folder)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, members = held.answer(self.path, dict(self.headers), body)
            text = json.dumps(members).encode()
            if held.elsewhere:
                status = 302
            self.send_response(status)
            if held.elsewhere:
                self.send_header("Location", held.elsewhere)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = authority.context("127.0.0.1").wrap_socket(server.socket, server_side=True)
    held = Workspace(host=f"https://127.0.0.1:{server.server_address[1]}", bundle=authority.bundle)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
