"""How much time has passed, though clocks are set and machines are off.

While a machine is up, only that counts for how long it has been. Over a restart its clock is
believed for a day at most, so that one that was wrong once cannot end a time of grace.
"""

import contextlib
import time
from pathlib import Path

from msgspec import Struct

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_MOST_OVER_A_RESTART = 86_400_000


class Moment(Struct, frozen=True, kw_only=True):
    """A time on two clocks.

    Attributes:
        at: ms since 1970 UTC, as the machine believes.
        boot: Names the start of the machine; "" if the system does not tell.
        up: For how long it has been up since, in ms, asleep or not.
    """

    at: int
    boot: str
    up: int


def now() -> Moment:
    """This moment."""
    boot = ""
    with contextlib.suppress(OSError):
        boot = _BOOT.read_text(encoding="ascii").strip()
    return Moment(
        at=time.time_ns() // 1_000_000,
        boot=boot,
        up=time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000,
    )


def between(before: Moment, after: Moment) -> int:
    """Milliseconds that have passed for certain, or are likely to have."""
    if before.boot and before.boot == after.boot:
        return max(0, after.up - before.up)
    return min(max(0, after.at - before.at), _MOST_OVER_A_RESTART) if before.at else 0
