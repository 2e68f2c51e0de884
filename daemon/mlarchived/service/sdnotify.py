"""What the service manager is told: sd_notify(3), as one datagram for each message.

`READY=1` when everything is up, and after each reload; `WATCHDOG=1` with each beat of the main
loop in which every other loop is alive too; nothing at all where no service manager listens.
"""

import contextlib
import socket
import time
from collections.abc import Mapping
from typing import Self

from mlarchived import durations
from mlarchived.mirrors import Setting
from mlarchived.service.happenings import Beat, Happening, Staged

_MARGIN = 15
"""Seconds between the end of draining and the moment at which the manager would kill."""

_PATIENCE = 0.5
"""Seconds for which a manager that does not read its messages is waited for."""


class ServiceManager:
    """Tells systemd how the service stands; an `Observer`."""

    def __init__(self, address: str) -> None:
        """Take note of where to.

        Args:
            address: Of `NOTIFY_SOCKET`: a path, or `@` and an abstract name.
        """
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._drain = 0

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self | None:
        """The manager that started this process, if any wants to be told."""
        address = environment.get("NOTIFY_SOCKET", "")
        return cls(address) if address.startswith(("/", "@")) else None

    def configured(self, setting: Setting) -> None:
        """Learn how long draining may take."""
        self._drain = durations.seconds(setting.config.service.drain)

    def take(self, happening: Happening) -> None:
        """Pass on what concerns the manager."""
        if isinstance(happening, Staged):
            self._tell(*self._stage(happening))
        elif isinstance(happening, Beat):
            if happening.dead:
                # Not fed: the manager restarts the service when the watchdog's time is over.
                self._tell(f"STATUS=dead: {', '.join(happening.dead)}")
            else:
                self._tell("WATCHDOG=1")

    def close(self) -> None:
        """The manager sees the end of the process by itself."""

    def _stage(self, happening: Staged) -> list[str]:
        status = f"STATUS={_one_line(f'{happening.stage}: {happening.note}')}"
        match happening.stage:
            case "ready":
                return ["READY=1", status]
            case "reloading":
                return ["RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", status]
            case "draining":
                more = (self._drain + _MARGIN) * 1_000_000
                return ["STOPPING=1", f"EXTEND_TIMEOUT_USEC={more}", status]
            case _:
                return [status]

    def _tell(self, *words: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            to.settimeout(_PATIENCE)
            # A manager that takes nothing does not learn of it; the service must not wait for it.
            with contextlib.suppress(TimeoutError):
                to.sendto("\n".join(words).encode(), self._address)


def _one_line(text: str) -> str:
    return " ".join(text.split())
