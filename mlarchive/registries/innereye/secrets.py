"""Secrets of a document: found by the names of their members, never kept, never written.

A registry's password stands in `docker.baseImageRegistry`, others in environment variables.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mlarchive.registries.redaction import REDACTED

NEVER_KEPT = "a secret is never kept; set it again"


def hidden(kept: Any, original: Any, where: str = "") -> Iterator[str]:  # noqa: ANN401  (any JSON)
    """The places, such as `docker.baseImageRegistry.password`, where a secret is left out.

    Args:
        kept: The redacted document.
        original: As it was.
        where: The place of both.
    """
    if isinstance(kept, Mapping) and isinstance(original, Mapping):
        for name, value in original.items():
            yield from hidden(kept[name], value, f"{where}.{name}" if where else name)
    elif isinstance(kept, list) and isinstance(original, list):
        for number, pair in enumerate(zip(kept, original, strict=True)):
            yield from hidden(*pair, f"{where}[{number}]")
    elif kept != original or _was_secret(kept):
        yield where


def without(value: Any) -> Any:  # noqa: ANN401  (any JSON)
    """A redacted document as it can be written: nothing where a secret was."""
    if isinstance(value, Mapping):
        return {name: without(item) for name, item in value.items()}
    if isinstance(value, list):
        # Items of lists keep their places: of `NAME=VALUE` the name stays.
        return [
            item.replace(REDACTED, "") if _was_secret(item) else without(item) for item in value
        ]
    return None if _was_secret(value) else value


def _was_secret(value: object) -> bool:
    """Whether a secret was in a text; one that is left out in part is of no use."""
    return isinstance(value, str) and REDACTED in value
