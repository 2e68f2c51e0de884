"""The text format of Prometheus, version 0.0.4: families of metrics as lines.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Family(Struct, frozen=True, kw_only=True):
    """A metric with all its samples.

    Attributes:
        name: Without the prefix.
        kind: `counter` or `gauge`.
        help: One sentence.
        labels: Names of the labels, in the order of the samples' keys.
        samples: Values by the labels' values.
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...]
    samples: Mapping[tuple[str, ...], float]


def exposed(families: Iterable[Family], *, prefix: str) -> str:
    """Families as text; a family without samples is left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        name = f"{prefix}_{family.name}"
        lines.append(f"# HELP {name} {_escaped(family.help)}")
        lines.append(f"# TYPE {name} {family.kind}")
        for values, number in sorted(family.samples.items()):
            lines.append(f"{name}{_labelled(family.labels, values)} {_number(number)}")
    return "\n".join(lines) + "\n"


def _labelled(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    if not names:
        return ""
    pairs = zip(names, values, strict=True)
    inside = ",".join(f'{name}="{_escaped(value, quotes=True)}"' for name, value in pairs)
    return f"{{{inside}}}"


def _escaped(text: str, *, quotes: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
