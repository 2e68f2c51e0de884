"""Lengths of time as a configuration writes them: `90s`, `15m`, `6h`, `1d`."""

from typing import Annotated, TypeAlias

from msgspec import Meta

PATTERN = r"^[1-9][0-9]{0,5}[smhd]$(?!\n)"

Duration: TypeAlias = Annotated[
    str, Meta(pattern=PATTERN, description="A number and a unit: `90s`, `15m`, `6h`, `1d`.")
]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> int:
    """How many seconds a `Duration` is."""
    return int(text[:-1]) * _UNITS[text[-1]]
