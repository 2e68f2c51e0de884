"""A loopback HTTP proxy that loses answers: the request takes effect, nobody hears of it.

It may also answer 500 now and then, as a server in trouble does.
"""

import contextlib
import http.client
import random
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_IDS = re.compile(r"(?<=/)(?:m-|tr-|d-)?[0-9a-f]{32}(?=/|$)|(?<=artifacts/artifacts/).*|\d+")
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(slots=True)
class Cut:
    """When answers get lost.

    Attributes:
        at: The number of the first request whose answer is lost, from 1; 0 for none.
        for_good: Whether all later requests are refused too, as by a server that went down.
        seen: Requests so far.
        unknown: Parts of paths that are answered as by a server that does not know them.
        denied: Parts of paths that are answered 403, as to a user who may not.
        tenth: Whether one of ten requests is answered 500 in place of being passed on, each time
            at another place among the ten.
        firsts: Whether the first request of each kind is answered 500 when it has taken effect.
        token: That requests must show as bearers, or are answered 401; "" for any.
        expires: The number of the request from which the token counts no more; 0 for none.
        kinds: Of requests so far: method and path without ids.
    """

    at: int = 0
    for_good: bool = False
    seen: int = 0
    unknown: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    tenth: bool = False
    firsts: bool = False
    token: str = ""
    expires: int = 0
    kinds: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


class _QuietServer(ThreadingHTTPServer):
    """A client that was killed, or a server that died, is what the proxy is for."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def cutting_proxy(upstream: str, cut: Cut) -> Iterator[str]:
    """Run a proxy in front of a server.

    Args:
        upstream: The server's URI.
        cut: What to lose; may be changed while the proxy runs.

    Yields:
        The proxy's URI.
    """
    host = urlsplit(upstream).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body go out one after the other, and neither waits 40 ms for the other.
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            kind = f"{self.command} {_IDS.sub('*', self.path.partition('?')[0])}"
            with cut.lock:
                cut.seen += 1
                number, first = cut.seen, kind not in cut.kinds
                cut.kinds.add(kind)
                if number == cut.expires:
                    cut.token = "a newer one"  # noqa: S105  (of a test)
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size)
            if cut.for_good and 0 < cut.at < number:
                self.close_connection = True
                return
            if refused := _refused(cut, self, number):
                self.send_error(refused)
                return
            status, headers, answer = _forward(host, self, body)
            if number == cut.at:
                self.close_connection = True
                return
            if cut.firsts and first:
                self.send_error(500)
                return
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815  (http.server's names)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with _QuietServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _refused(cut: Cut, request: BaseHTTPRequestHandler, number: int) -> int:
    """The status by which a request is answered in place of being passed on; 0 if it is."""
    if cut.token and request.headers.get("Authorization") != f"Bearer {cut.token}":
        return 401
    if any(part in request.path for part in cut.unknown):
        return 404
    if any(part in request.path for part in cut.denied):
        return 403
    tens, ones = divmod(number, 10)
    return 500 if cut.tenth and ones == random.Random(tens).randrange(10) else 0  # noqa: S311


def _forward(
    host: str, request: BaseHTTPRequestHandler, body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    with contextlib.closing(http.client.HTTPConnection(host, timeout=30)) as connection:
        headers = {
            n: v for n, v in request.headers.items() if n.lower() not in {"host", "connection"}
        }
        connection.request(request.command, request.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
