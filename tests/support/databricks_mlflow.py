"""A Databricks workspace as MLflow's client sees it: a strict gate, over HTTPS, before a server.

What a workspace refuses is refused with its words; what it says by itself it says here too. All
else is a real `mlflow server`'s, whose artifacts are named by where they lie on this machine.
"""

import contextlib
import http.server
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.azureml.authority import Authority
from tests.support.databricks import TOKEN
from tests.support.mlflow_server import MlflowServer

OWNER = "robot@example.org"
REFUSED = ("mlflow.user", "mlflow.log-model.history", "mlflow.rootRunId")
REFUSED_OF_EXPERIMENTS = ("mlflow.experiment.sourceType", "mlflow.experiment.sourceId")
_API = "/api/2.0/"

Answer = tuple[int, bytes]


@dataclass(slots=True, kw_only=True)
class Gate:
    """What stands before the server.

    Attributes:
        host: Its address.
        bundle: The certificate that clients are to trust.
        behind: The real server.
        folders: Those of the workspace.
        refused: What it refused, in its words.
    """

    host: str
    bundle: Path
    behind: MlflowServer
    folders: set[str] = field(default_factory=lambda: {"/Shared"})
    refused: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What a client's user sets."""
        return {
            "DATABRICKS_HOST": self.host,
            "DATABRICKS_TOKEN": TOKEN,
            "REQUESTS_CA_BUNDLE": str(self.bundle),
        }

    def answer(self, method: str, target: str, bearer: str, body: bytes) -> Answer:
        """What a request gets."""
        if bearer != f"Bearer {TOKEN}":
            return self._refuse(403, "403", "Invalid access token.")
        path = target.partition("?")[0]
        if not path.startswith(("/api/2.0/", "/api/3.0/")):
            return self._refuse(404, "ENDPOINT_NOT_FOUND", f"No API found for {path}")
        asked = json.loads(body) if body else {}
        if path == f"{_API}workspace/mkdirs":
            self.folders.add(asked["path"])
            return 200, b"{}"
        if said := self._objection(path.removeprefix(_API), asked):
            return self._refuse(400, "INVALID_PARAMETER_VALUE", said)
        if path == f"{_API}mlflow/runs/create":
            tags = [*asked.get("tags", []), {"key": "mlflow.user", "value": OWNER}]
            asked |= {"user_id": OWNER, "tags": tags}
        return self._passed_on(method, target, json.dumps(asked).encode() if body else None)

    def _objection(self, path: str, asked: Mapping[str, Any]) -> str:
        """Why a workspace does not take a request; "" if it does."""
        about = path.removeprefix("mlflow/").partition("/")[0]
        if about == "experiments":
            return self._objection_of_experiments(path, asked)
        given = [asked, *asked.get("tags", [])] if about == "runs" else []
        for tag in given:
            if tag.get("key") in REFUSED:
                return f"Cannot update tag '{tag['key']}'"
        if path == "mlflow/runs/create" and asked.get("user_id"):
            return "The user of a run is that of the token"
        return ""

    def _objection_of_experiments(self, path: str, asked: Mapping[str, Any]) -> str:
        for tag in [asked, *asked.get("tags", [])]:
            if tag.get("key") in REFUSED_OF_EXPERIMENTS:
                return f"Cannot update tag '{tag['key']}'"
        name = str(asked.get("name", ""))
        if path == "mlflow/experiments/create" and not name.startswith("/"):
            return f"Got an invalid experiment name '{name}'. It must be an absolute path"
        if path == "mlflow/experiments/create" and name.rpartition("/")[0] not in self.folders:
            return f"Parent directory of {name} does not exist."
        return ""

    def _refuse(self, status: int, code: str, message: str) -> Answer:
        self.refused.append(message)
        return status, json.dumps({"error_code": code, "message": message}).encode()

    def _passed_on(self, method: str, target: str, body: bytes | None) -> Answer:
        places = (b"mlflow-artifacts:/", f"{(self.behind.folder / 'artifacts').as_uri()}/".encode())
        headers = {"Content-Type": "application/json"} if body else {}
        request = urllib.request.Request(  # noqa: S310  (loopback)
            self.behind.uri + target,
            data=body and body.replace(*places[::-1]),
            method=method,
            headers=headers,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  (loopback)
                return answer.status, answer.read().replace(*places)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


@contextlib.contextmanager
def gate(behind: MlflowServer, folder: Path) -> Iterator[Gate]:
    """A running gate; the certificate of its authority lies in a folder."""
    authority = Authority(folder)
    # A server makes it for its first artifact; who writes it directly must find it.
    (behind.folder / "artifacts").mkdir(exist_ok=True)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            bearer = self.headers.get("Authorization", "")
            status, text = held.answer(self.command, self.path, bearer, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_DELETE = _do  # noqa: N815  (as the class wants them)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = authority.context("127.0.0.1").wrap_socket(server.socket, server_side=True)
    host = f"https://127.0.0.1:{server.server_address[1]}"
    held = Gate(host=host, bundle=authority.bundle, behind=behind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
