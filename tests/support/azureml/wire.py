"""What went over the wire: every request, and which secret it carried to which host."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

Kind = Literal["client-secret", "token", "sas", "account-key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret that the emulator gave out or was told.

    Attributes:
        kind: What it is.
        value: The characters that no other host may see.
        hosts: The only hosts that it is for; what begins with a dot is the end of a host's name.
    """

    kind: Kind
    value: str = field(repr=False)
    hosts: tuple[str, ...]

    def is_for(self, host: str) -> bool:
        """Whether a host may see it."""
        return any(host == one or (one[0] == "." and host.endswith(one)) for one in self.hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the gateway saw it.

    Attributes:
        number: From 1, over all hosts of the emulator.
        method: Such as `GET`.
        host: The name that the client wanted.
        path: Percent-encoded, without the query.
        query: Decoded; the last value of each name.
        headers: As sent.
        status: Of the answer; 0 where the connection was cut instead.
        body: What was sent, where it is no blob.
        fault: What was injected; "" for nothing.
        secrets: What it carried.
    """

    number: int
    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    status: int
    body: bytes
    fault: str = ""
    secrets: tuple[Secret, ...] = ()

    @property
    def leaked(self) -> tuple[Secret, ...]:
        """The secrets in it that are not for this host."""
        return tuple(secret for secret in self.secrets if not secret.is_for(self.host))


class Wire:
    """The log of an emulator; threads may share it."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._secrets: list[Secret] = []
        self._counted = 0
        self._refused: list[str] = []

    def begin(self) -> None:
        """Forget what was seen, and the secrets of what is no more; clients keep the others."""
        with self._lock:
            self._requests.clear()
            self._refused.clear()
            lasting = {"client-secret", "token"}
            self._secrets = [secret for secret in self._secrets if secret.kind in lasting]

    @property
    def requests(self) -> tuple[Request, ...]:
        """All answered requests so far, in the order of their answers."""
        with self._lock:
            return tuple(self._requests)

    @property
    def refused_hosts(self) -> tuple[str, ...]:
        """Hosts that a client wanted and that no cloud has; it was told 403."""
        with self._lock:
            return tuple(self._refused)

    @property
    def leaks(self) -> tuple[Request, ...]:
        """The requests that carried a secret to a host that it was not for."""
        return tuple(request for request in self.requests if request.leaked)

    def know(self, secret: Secret) -> None:
        """Watch for a secret from now on."""
        with self._lock:
            self._secrets.append(secret)

    def next_number(self) -> int:
        """Count a request that begins."""
        with self._lock:
            self._counted += 1
            return self._counted

    def carried(self, head: str) -> tuple[Secret, ...]:
        """The secrets that stand in the text of a request, plain or percent-encoded."""
        with self._lock:
            known = tuple(self._secrets)
        return tuple(s for s in known if s.value in head or quote(s.value, safe="") in head)

    def add(self, request: Request) -> None:
        """Note a request that has been answered."""
        with self._lock:
            self._requests.append(request)

    def refuse(self, host: str) -> None:
        """Note a host that is not emulated."""
        with self._lock:
            self._refused.append(host)
