"""Hands requests on to a real server on loopback, as streams."""

import contextlib
import http.client
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

_PIECE = 1 << 20
_PATIENCE = 300
_IDLE_SECONDS = 2.0
_HOP = {"connection", "proxy-connection", "keep-alive"}


class Readable(Protocol):
    """What a body is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """An answer on its way.

    Attributes:
        status: Of HTTP.
        headers: In order; those of the connection are the sender's own.
        length: Of the body in bytes; None where it is not known before it ends.
        pieces: The body.
    """

    status: int
    headers: list[tuple[str, str]]
    length: int | None
    pieces: Iterator[bytes]


class Upstream:
    """A connection to a server, made when it is needed and kept while it is used."""

    def __init__(self, port: int, context: ssl.SSLContext | None) -> None:
        """Remember where.

        Args:
            port: On 127.0.0.1.
            context: For TLS; None for none.
        """
        self._port = port
        self._context = context
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def forward(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Readable,
        length: int,
    ) -> Forwarded:
        """Send a request on and give its answer as it comes.

        Args:
            method: Such as `GET`.
            target: Path and query, as they were sent.
            headers: All of them; those of the connection are left out.
            body: Where the request's body is read from.
            length: Of the body, in bytes.
        """
        connection = self._fresh()
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                connection.putheader(name, value)
        connection.endheaders()
        left = length
        while left:
            piece = body.read(min(left, _PIECE))
            if not piece:
                self.close()
                raise ConnectionAbortedError
            connection.send(piece)
            left -= len(piece)
        answer = connection.getresponse()
        return Forwarded(
            status=answer.status,
            headers=answer.getheaders(),
            length=_length(method, answer),
            pieces=self._pieces(answer),
        )

    def _fresh(self) -> http.client.HTTPConnection:
        if self._connection and time.monotonic() - self._used > _IDLE_SECONDS:
            self.close()
        if self._connection is None:
            self._connection = (
                http.client.HTTPSConnection(
                    "127.0.0.1", self._port, timeout=_PATIENCE, context=self._context
                )
                if self._context
                else http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
            )
        return self._connection

    def _pieces(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        with contextlib.closing(answer):
            while piece := answer.read(_PIECE):
                yield piece
        self._used = time.monotonic()


def _length(method: str, answer: http.client.HTTPResponse) -> int | None:
    stated = answer.getheader("Content-Length")
    if method == "HEAD" or answer.status in {204, 304}:
        return int(stated or 0)
    return int(stated) if stated is not None else None
