"""The way into the emulated clouds: a CONNECT proxy on loopback that is every host behind it.

Clients keep Azure's own host names and reach them through `HTTPS_PROXY`. For a host of an emulated
cloud the gateway speaks TLS with a certificate for that name. Every other host is refused with
403, so that a test that passes has contacted nobody else.
"""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.support.azureml.authority import Authority
from tests.support.azureml.clouds import Cloud
from tests.support.azureml.exchange import Behind, Exchange

_PATIENCE = 300


@contextlib.contextmanager
def running_gateway(behind: Behind) -> Iterator[str]:
    """Run a gateway on a free loopback port; gives its address for `HTTPS_PROXY`."""

    class Bound(_Door):
        to = behind

    with ThreadingHTTPServer(("127.0.0.1", 0), Bound) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Door(BaseHTTPRequestHandler):
    """Lets a client through to a host that there is."""

    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    to: Behind

    def do_CONNECT(self) -> None:
        host = self.path.rpartition(":")[0].lower()
        self.close_connection = True
        cloud = self.to.world.cloud_of(host)
        if cloud is None or not self._exists(cloud, host):
            self._refuse(host)
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        context = self.to.authority.context(host)
        with (
            contextlib.suppress(OSError),
            context.wrap_socket(self.connection, server_side=True) as secure,
        ):
            Exchange(secure, self.to, cloud, host).run()

    def _exists(self, cloud: Cloud, host: str) -> bool:
        if cloud.role_of(host) != "storage":
            return True
        return self.to.world.cloud_of_account(host.partition(".")[0]) is cloud

    def _any(self) -> None:
        """Without TLS there is no host."""
        self.close_connection = True
        self._refuse(urlsplit(self.path).hostname or self.path)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = _any  # noqa: N815  (http.server's names)

    def _refuse(self, host: str) -> None:
        self.to.wire.refuse(host)
        self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    def log_message(self, *words: object) -> None:
        """Say nothing."""


def variables(proxy: str, authority: Authority) -> dict[str, str]:
    """The variables by which a client comes through the gateway, and to nobody else."""
    bundle = str(authority.bundle)
    return {
        "HTTPS_PROXY": proxy,
        "HTTP_PROXY": proxy,
        "https_proxy": proxy,
        "http_proxy": proxy,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "REQUESTS_CA_BUNDLE": bundle,
        "CURL_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
    }
