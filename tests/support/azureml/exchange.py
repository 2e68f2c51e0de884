"""The requests of one connection to one host of an emulated cloud, their faults, and their answers.

A control plane answers itself, blobs are answered by Azurite, MLflow by a real server.
"""

import contextlib
import socket
import ssl
import struct
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit

from tests.support.azureml import login, management, tracking
from tests.support.azureml.answers import Answer, RefusedError
from tests.support.azureml.authority import Authority
from tests.support.azureml.calls import Call
from tests.support.azureml.clouds import Cloud
from tests.support.azureml.faults import Faults
from tests.support.azureml.forwarding import Forwarded, Upstream
from tests.support.azureml.storage import Storage
from tests.support.azureml.tokens import Tokens
from tests.support.azureml.wire import Request, Wire
from tests.support.azureml.world import World

_METADATA = "/metadata/endpoints"
"""Where a cloud describes itself to anybody; what `ARM_CLOUD_METADATA_URL` names."""

_PATIENCE = 300
_PIECE = 1 << 20
_LONGEST_BODY = 4 << 20
_OURS = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What requests are answered from."""

    world: World
    tokens: Tokens
    storage: Storage
    wire: Wire
    faults: Faults
    authority: Authority


class Exchange(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    # Heads and bodies are sent apart, which would wait for an acknowledgement.
    disable_nagle_algorithm = True

    def __init__(self, secure: ssl.SSLSocket, to: Behind, cloud: Cloud, host: str) -> None:
        """Take over a connection.

        Args:
            secure: TLS is settled.
            to: What answers.
            cloud: Whose host it is.
            host: Which the client wanted.
        """
        self._secure = secure
        self._to = to
        self._cloud = cloud
        self._host = host
        self._blob = cloud.role_of(host) == "storage"
        self._upstream = Upstream(to.storage.port, to.authority.trusting())

    def run(self) -> None:
        """Answer until the client goes away."""
        try:
            super().__init__(self._secure, ("127.0.0.1", 0), None)  # type: ignore[arg-type]
        finally:
            self._upstream.close()

    def _any(self) -> None:
        seen = self._seen()
        answer = None
        try:
            answer = self._answer(seen)
        finally:
            # Noted before it is sent, so that a client that has it finds it in the log.
            lost = answer is None or seen.fault in {"reset", "truncate"}
            status = answer.status if answer and not lost else 0
            self._to.wire.add(replace(seen, status=status))
        if answer is None:
            self._cut()
        else:
            self._give(answer, seen.fault)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = _any  # noqa: N815  (http.server's names)

    # --- what is asked

    def _seen(self) -> Request:
        """The request, counted; the body of a blob is left where it is."""
        target = urlsplit(self.path)
        fault = self._to.faults.due(self.command, self._host, target.path)
        if not self._to.faults.wait(self.command, self._host, target.path):
            fault = "drop"
        number = self._to.wire.next_number()
        body = b"" if self._blob else self.rfile.read(min(self._length(), _LONGEST_BODY))
        head = f"{self.path}\n{self.headers}\n{body.decode('latin-1')}"
        return Request(
            number=number,
            method=self.command,
            host=self._host,
            path=target.path,
            query=dict(parse_qsl(target.query, keep_blank_values=True)),
            headers=dict(self.headers.items()),
            status=0,
            body=body,
            fault=fault or "",
            secrets=self._to.wire.carried(head),
        )

    def _length(self) -> int:
        return int(self.headers.get("Content-Length") or 0)

    # --- what is answered

    def _answer(self, seen: Request) -> Forwarded | None:
        """The answer; None where the connection is cut before anything happens."""
        if seen.fault == "drop":
            return None
        if seen.fault == "expire":
            for secret in seen.secrets:
                self._to.tokens.withdraw(secret)
        try:
            self._refuse_by_fault(seen)
            self._refuse_other_host()
            return self._from_azurite(seen) if self._blob else self._from_control(seen)
        except RefusedError as refused:
            return self._refusal(refused) if self._blob else _whole(refused.answer)

    def _refuse_by_fault(self, seen: Request) -> None:
        if seen.fault == "error":
            raise RefusedError(500, "InternalError", "Injected.")
        if seen.fault == "throttle":
            busy = (503, "ServerBusy") if self._blob else (429, "TooManyRequests")
            raise RefusedError(*busy, "Injected.", {"Retry-After": self._to.faults.pause})

    def _refuse_other_host(self) -> None:
        if self.headers.get("Host", "").partition(":")[0].lower() != self._host:
            raise RefusedError(421, "MisdirectedRequest", "Host is not the one connected to.")

    def _from_control(self, seen: Request) -> Forwarded:
        to = self._to
        call = Call(
            method=seen.method,
            cloud=self._cloud,
            host=self._host,
            path=seen.path,
            query=seen.query,
            headers=seen.headers,
            raw=seen.body,
        )
        if self._cloud.role_of(self._host) == "login":
            with to.world.lock:
                return _whole(login.answer(call, to.world, to.tokens))
        if call.path == _METADATA and self._host == self._cloud.resource_manager:
            return _whole(Answer(body=[self._cloud.described]))
        if call.path.startswith(tracking.ROOT):
            return tracking.answer(call, self.path, to.world, to.tokens)
        with to.world.lock:
            return _whole(management.answer(call, to.world, to.tokens, to.storage))

    def _from_azurite(self, seen: Request) -> Forwarded:
        """Hand a request to Azurite, whose own check of its secret is real."""
        for secret in seen.secrets:
            if self._to.tokens.is_withdrawn(secret.value):
                status = 403 if secret.kind == "sas" else 401
                raise RefusedError(status, "AuthenticationFailed", "The secret has expired.")
        if self.headers.get("Authorization", "").startswith("Bearer "):
            self._to.tokens.bearer(seen.headers, self._cloud, "storage")
        return self._upstream.forward(
            seen.method, self.path, seen.headers, self.rfile, self._length()
        )

    def _refusal(self, refused: RefusedError) -> Forwarded:
        """A refusal in the form of storage; what was sent is read and thrown away."""
        left = self._length()
        while left:
            left -= len(self.rfile.read(min(left, _PIECE))) or left
        error = refused.answer.body["error"]
        text = f"<Error><Code>{error['code']}</Code><Message>{error['message']}</Message></Error>"
        return _bytes(
            refused.answer.status,
            b"" if self.command == "HEAD" else f'<?xml version="1.0"?>{text}'.encode(),
            refused.answer.headers
            | {"Content-Type": "application/xml", "x-ms-error-code": error["code"]},
        )

    # --- how it is sent

    def _give(self, answer: Forwarded, fault: str) -> None:
        """Send an answer, or lose it."""
        if fault in {"reset", "truncate"}:
            raw = b"".join(answer.pieces)
            if fault == "reset" or len(raw) < 2:
                self._cut()
                return
            half = iter((raw[: len(raw) // 2],))
            answer = replace(answer, length=len(raw), pieces=half)
            self.close_connection = True
        self.send_response(answer.status)
        for name, value in answer.headers:
            if name.lower() not in _OURS:
                self.send_header(name, value)
        if answer.length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(answer.length))
        self.end_headers()
        for piece in answer.pieces:
            whole = answer.length is not None
            self.wfile.write(piece if whole else b"%x\r\n%s\r\n" % (len(piece), piece))
        if answer.length is None:
            self.wfile.write(b"0\r\n\r\n")

    def _cut(self) -> None:
        """Cut the connection so that the other side sees a reset."""
        linger = struct.pack("ii", 1, 0)
        self._secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True

    def finish(self) -> None:
        """Let go, whatever the client has done."""
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


def _whole(answer: Answer) -> Forwarded:
    headers = {"Content-Type": "application/json; charset=utf-8", **answer.headers}
    return _bytes(answer.status, answer.raw, headers)


def _bytes(status: int, raw: bytes, headers: dict[str, str]) -> Forwarded:
    pieces = iter((raw,) if raw else ())
    return Forwarded(status=status, headers=[*headers.items()], length=len(raw), pieces=pieces)
