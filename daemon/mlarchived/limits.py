"""Limits of a registry: how many bytes and objects a second, whoever in this process asks.

A limited registry is a registry again; whoever uses it waits.
"""

import functools
import io
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO

from msgspec import Struct

from mlarchive.errors import MlarchiveError
from mlarchive.records import Address
from mlarchive.registries.base import (
    Bringing,
    Holding,
    Listing,
    Receipt,
    Ref,
    Selector,
    Source,
    Target,
    Unread,
    WritePlan,
    WritePolicy,
    forgetting,
    holdings,
    is_gone,
    lagging,
    owed,
    unread,
)
from mlarchive.snapshot import Snapshot


class Limits(Struct, frozen=True, kw_only=True):
    """What a registry may be asked for.

    Attributes:
        bytes: Of files a second, in each direction; 0 for no limit.
        requests: Objects a second; 0 for no limit.
    """

    bytes: int = 0
    requests: int = 0


class Throttle:
    """Lets so much pass a second, over all threads; what was not used in time is lost."""

    def __init__(self, rate: int) -> None:
        """Begin now.

        Args:
            rate: How much a second; 0 for no limit.
        """
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def take(self, amount: int) -> None:
        """Wait until so much may pass."""
        if not self._rate or not amount:
            return
        with self._lock:
            now = time.monotonic()
            begins = max(now, self._free_at)
            self._free_at = begins + amount / self._rate
        time.sleep(begins - now)

    def portion(self, amount: int) -> int:
        """How much of some amount to ask for at once, so that no wait is long."""
        return max(1, min(amount, self._rate // 4)) if self._rate else amount


class Throttles(Struct, frozen=True):
    """Those of one registry."""

    requests: Throttle
    read: Throttle
    written: Throttle


@functools.cache
def throttles(registry: str, limits: Limits) -> Throttles:
    """Those of a registry, the same for all in this process.

    Args:
        registry: Its locator.
        limits: As its configuration says.
    """
    del registry
    return Throttles(Throttle(limits.requests), Throttle(limits.bytes), Throttle(limits.bytes))


class LimitedSource:
    """A source that is read slowly."""

    def __init__(self, source: Source, throttles: Throttles) -> None:
        self._source = source
        self._throttles = throttles

    @property
    def origin(self) -> str:
        """As the source's."""
        return self._source.origin

    def ls(self, selector: Selector) -> Iterator[Listing]:
        """As the source's."""
        self._throttles.requests.take(1)
        yield from self._source.ls(selector)

    def changes(self, selector: Selector) -> Iterator[Ref]:
        """As the source's."""
        for ref in self._source.changes(selector):
            self._throttles.requests.take(1)
            yield ref

    def unread(self, selector: Selector) -> Sequence[Unread]:
        """As the source's."""
        return unread(self._source, selector)

    def lagging(self) -> Mapping[str, MlarchiveError]:
        """As the source's."""
        return lagging(self._source)

    def buried(self, address: Address) -> bool:
        """As the source's."""
        return is_gone(self._source, address)

    def owed(self) -> Sequence[MlarchiveError]:
        """As the source's."""
        return owed(self._source)

    def read(self, address: Address) -> Snapshot:
        """As the source's; its streams are slow."""
        self._throttles.requests.take(1)
        return _slow(self._source.read(address), self._throttles.read)

    def brought(self, version: Address) -> Iterator[tuple[Address, Callable[[], Snapshot]]]:
        """As the source's, if it tells; its streams are slow."""
        if isinstance(self._source, Bringing):
            for address, read in self._source.brought(version):
                yield address, partial(self._slowly, read)

    def _slowly(self, read: Callable[[], Snapshot]) -> Snapshot:
        self._throttles.requests.take(1)
        return _slow(read(), self._throttles.read)


class LimitedTarget:
    """A target that is written slowly."""

    def __init__(self, target: Target, throttles: Throttles) -> None:
        self._target = target
        self._throttles = throttles

    @property
    def origin(self) -> str:
        """As the target's."""
        return self._target.origin

    def holding(self, source: Address, policy: WritePolicy) -> Holding | None:
        """As the target's."""
        self._throttles.requests.take(1)
        return self._target.holding(source, policy)

    def holdings(self, sources: Sequence[Address], policy: WritePolicy) -> Iterable[Holding | None]:
        """As the target's."""
        for held in holdings(self._target, sources, policy):
            self._throttles.requests.take(1)
            yield held

    def plan_write(self, snapshot: Snapshot, policy: WritePolicy) -> WritePlan:
        """As the target's."""
        self._throttles.requests.take(1)
        return self._target.plan_write(snapshot, policy)

    def write(self, snapshot: Snapshot, policy: WritePolicy) -> Receipt:
        """As the target's; it reads slow streams."""
        self._throttles.requests.take(1)
        return self._target.write(_slow(snapshot, self._throttles.written), policy)

    def delete(self, source: Address, policy: WritePolicy) -> None:
        """As the target's."""
        self._throttles.requests.take(1)
        forgetting(self._target).delete(source, policy)

    def touched(self, source: Address, policy: WritePolicy) -> str:
        """As the target's."""
        self._throttles.requests.take(1)
        return forgetting(self._target).touched(source, policy)

    def mark_gone(self, source: Address, policy: WritePolicy, *, since: int) -> None:
        """As the target's."""
        self._throttles.requests.take(1)
        forgetting(self._target).mark_gone(source, policy, since=since)


def _slow(snapshot: Snapshot, throttle: Throttle) -> Snapshot:
    streams = tuple(
        replace(stream, open=_slowly(stream.open, throttle)) for stream in snapshot.streams
    )
    original = snapshot.original
    if original is not None:
        original = replace(original, open=_slowly(original.open, throttle))
    return replace(snapshot, streams=streams, original=original)


def _slowly(opening: Callable[[], BinaryIO], throttle: Throttle) -> Callable[[], BinaryIO]:
    return lambda: io.BufferedReader(_Slow(opening(), throttle), buffer_size=1 << 16)


class _Slow(io.RawIOBase):
    def __init__(self, file: BinaryIO, throttle: Throttle) -> None:
        super().__init__()
        self._file = file
        self._throttle = throttle

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401  (any buffer)
        block = self._file.read(self._throttle.portion(len(buffer)))
        buffer[: len(block)] = block
        self._throttle.take(len(block))
        return len(block)

    def close(self) -> None:
        self._file.close()
        super().close()
