"""HTTP around the service: tokens, latency, faults, a log of requests, and the websocket."""

import base64
import hashlib
import json
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.neptune.comparing import missing
from tests.support.neptune.service import ZIP_PATH, Asked, Bytes, Service
from tests.support.neptune.specification import OPERATIONS, SERVICES, swagger
from tests.support.neptune.store import Json, RefusedError, Store

API_TOKEN_KEY = "emulator"  # noqa: S105 (of nothing)
_REFRESH = "/auth/realms/neptune/protocol/openid-connect/token"
_CONTROL = "/emulator/"
_WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(slots=True)
class Fault:
    """What goes wrong, once.

    Attributes:
        at: With which request, counted from now, of those whose operation matches.
        operation: Its name; "" for any.
        status: What is answered; 0 for a connection that is cut: before an answer, or in the
            middle of one that has bytes.
    """

    at: int = 1
    operation: str = ""
    status: int = 503


@dataclass(frozen=True, slots=True)
class Request:
    """A line of the log."""

    operation: str
    parameters: dict[str, list[str]]
    status: int


@dataclass(slots=True)
class Emulator:
    """A running server, and what it is told to do.

    Attributes:
        address: Such as `http://127.0.0.1:40123`.
        store: What it keeps.
        service: What it answers.
        latency: Seconds that each request takes at least.
        log: Every request that named an operation.
        violations: What was refused because the interface does not know it.
        faults: What is to go wrong.
        without: Operations that it does not have, as an older server.
        token_seconds: How long a token is good for.
    """

    address: str
    store: Store
    service: Service
    latency: float = 0.0
    log: list[Request] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    without: frozenset[str] = frozenset()
    token_seconds: float = 3600
    _issued: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def api_token(self) -> str:
        """NEPTUNE_API_TOKEN."""
        said = {"api_address": self.address, "api_url": self.address, "api_key": API_TOKEN_KEY}
        return base64.b64encode(json.dumps(said).encode()).decode()

    @property
    def environment(self) -> dict[str, str]:
        """What a process of the client needs."""
        return {"NEPTUNE_API_TOKEN": self.api_token, "OAUTHLIB_INSECURE_TRANSPORT": "1"}

    @property
    def counts(self) -> Counter[str]:
        """How often each operation was asked for."""
        return Counter(request.operation for request in self.log)

    def tokens(self) -> dict[str, Json]:
        """A new pair of tokens."""
        with self._lock:
            self._issued += 1
        claims = {
            "exp": time.time() + self.token_seconds,
            "azp": "neptune-cli",
            "iss": f"{self.address}{_REFRESH.removesuffix('/protocol/openid-connect/token')}",
            "jti": self._issued,
        }
        parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims)]
        return {
            "access_token": ".".join([*parts, _base64(b"unsigned")]),
            "refresh_token": "refresh",
            "token_type": "bearer",
            "expires_in": self.token_seconds,
        }

    def fault_for(self, operation: str) -> Fault | None:
        """What goes wrong with this request."""
        with self._lock:
            for fault in self.faults:
                if fault.operation in {"", operation}:
                    fault.at -= 1
                    if fault.at == 0:
                        self.faults.remove(fault)
                        return fault
        return None


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


_EXACT: Final = {(one.method, one.path): name for name, one in OPERATIONS.items()}
_PATTERNS: Final = [
    (one.method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", one.path)), name)
    for name, one in OPERATIONS.items()
    if "{" in one.path
]


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: "_Server"

    def log_message(self, *_: object) -> None:
        """The log is the emulator's own."""

    def _handle(self) -> None:
        emulator = self.server.emulator
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if parts.path.startswith("/api/notifications/"):
            self._websocket()
            return
        if emulator.latency and not parts.path.startswith(_CONTROL):
            time.sleep(emulator.latency)
        parameters = parse_qs(parts.query, keep_blank_values=True)
        operation = self._operation(parts.path, parameters)
        fault = emulator.fault_for(operation) if operation else None
        status = 200
        if fault and fault.status:
            status = fault.status
            answer = Bytes(json.dumps({"title": "a fault"}).encode(), "application/json")
        else:
            try:
                answer = self._answer(operation, parts.path, parameters, body)
            except RefusedError as error:
                status = error.status
                said = {"title": str(error), "errorType": error.kind}
                answer = Bytes(json.dumps(said).encode(), "application/json")
        # Before the answer: who has got it may look at the log at once.
        if operation:
            emulator.log.append(Request(operation, parameters, status))
        self._send(answer, status, cut=fault is not None and not fault.status)

    do_GET = do_POST = do_PUT = _handle  # noqa: N815

    def _operation(self, path: str, parameters: dict[str, list[str]]) -> str:
        method = self.command.lower()
        name = _EXACT.get((method, path), "")
        for other, pattern, found in _PATTERNS:
            if not name and other == method and (match := pattern.fullmatch(path)):
                parameters |= {key: [unquote(value)] for key, value in match.groupdict().items()}
                name = found
        return "" if name in self.server.emulator.without else name

    def _answer(
        self, operation: str, path: str, parameters: dict[str, list[str]], body: bytes
    ) -> Json:
        emulator = self.server.emulator
        if not operation:
            return self._beside(path, parameters, body)
        self._check(operation, parameters)
        if operation == "getClientConfig":
            return emulator.service.config(emulator.address)
        if operation == "exchangeApiToken":
            tokens = emulator.tokens()
            return {
                "accessToken": tokens["access_token"],
                "refreshToken": tokens["refresh_token"],
                "username": "emulator",
            }
        headers = {key.lower(): value for key, value in self.headers.items()}
        asked = Asked(parameters, body, headers | {"x-address": emulator.address})
        return emulator.service.answers[operation](asked)

    def _check(self, operation: str, parameters: dict[str, list[str]]) -> None:
        """Refuse what the interface does not know, and who has no token."""
        one, emulator = OPERATIONS[operation], self.server.emulator
        said = parameters.keys() - {"channelId"}
        if not one.needed <= said <= one.known:
            what = f"{operation} with {sorted(said)}"
            emulator.violations.append(what)
            raise RefusedError(400, what)
        if "X-Neptune-Api-Token" in one.headers:
            if self.headers.get("X-Neptune-Api-Token") != emulator.api_token:
                raise RefusedError(401, "this API token is not known")
            return
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token.count(".") != 2:
            emulator.violations.append(f"{operation} without a token")
            raise RefusedError(401, "no token")
        claims = token.split(".")[1]
        padded = claims + "=" * (-len(claims) % 4)
        if json.loads(base64.urlsafe_b64decode(padded))["exp"] < time.time():
            raise RefusedError(401, "the token has expired", "AUTHORIZATION_TOKEN_EXPIRED")

    def _beside(self, path: str, parameters: dict[str, list[str]], body: bytes) -> Json:
        """What is no operation: descriptions, tokens, zips, and how tests steer the server."""
        emulator = self.server.emulator
        for service in SERVICES:
            if path == f"/api/{service}/swagger.json":
                return swagger(service, emulator.address, without=emulator.without)
        if path == _REFRESH:
            return emulator.tokens()
        if path == ZIP_PATH:
            return emulator.service.zip(parameters["id"][0])
        if path.startswith(_CONTROL):
            return self._steered(path.removeprefix(_CONTROL), parameters, body)
        emulator.violations.append(f"{self.command} {path}")
        raise RefusedError(404, f"no operation {self.command} {path}")

    def _steered(self, what: str, parameters: dict[str, list[str]], body: bytes) -> Json:
        """How another process steers the server, and learns what only it knows."""
        emulator = self.server.emulator
        match what:
            case "faults":
                emulator.faults.append(Fault(**json.loads(body)))
            case "latency":
                emulator.latency = json.loads(body)
            case "missing":
                return missing(emulator.store, parameters["project"][0])
            case _:
                return {"counts": emulator.counts, "violations": emulator.violations}
        return {}

    def _send(self, answer: Json, status: int, *, cut: bool = False) -> None:
        if not isinstance(answer, Bytes):
            answer = Bytes(json.dumps(answer).encode(), "application/json")
        if cut and len(answer.data) < 2:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", answer.type)
        self.send_header("Content-Length", str(len(answer.data)))
        if answer.name:
            self.send_header("Content-Disposition", f'attachment; filename="{answer.name}"')
        self.end_headers()
        self.wfile.write(answer.data[: len(answer.data) // 2] if cut else answer.data)
        self.wfile.flush()
        self.close_connection = self.close_connection or cut

    def _websocket(self) -> None:
        """Signals of a run: none ever come, but a client that says goodbye must be answered."""
        key = self.headers.get("Sec-WebSocket-Key", "")
        accept = base64.b64encode(hashlib.sha1((key + _WEBSOCKET).encode()).digest())  # noqa: S324
        self.send_response(101)
        for name, value in (
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept.decode()),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        while len(head := self.rfile.read(2)) == 2:
            length, kind = head[1] & 127, head[0] & 15
            if length > 125:
                length = int.from_bytes(self.rfile.read(2 if length == 126 else 8), "big")
            mask = self.rfile.read(4)
            data = bytes(
                byte ^ mask[number % 4] for number, byte in enumerate(self.rfile.read(length))
            )
            if kind in {8, 9}:
                self.wfile.write(bytes([0x80 | (8 if kind == 8 else 10), len(data)]) + data)
                self.wfile.flush()
            if kind == 8:
                return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    emulator: Emulator

    def handle_error(self, request: Json, client_address: Json) -> None:
        """A client that is gone is no error; all else is told."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def serve(*, port: int = 0) -> tuple[_Server, Emulator]:
    """A server that listens, and is not served yet."""
    server = _Server(("127.0.0.1", port), _Handler)
    store = Store()
    address = f"http://127.0.0.1:{server.server_port}"
    server.emulator = Emulator(address, store, Service(store))
    return server, server.emulator
