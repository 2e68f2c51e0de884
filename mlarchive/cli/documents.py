"""JSON documents for programs, as `spec/json.md` lists them.

Every field of a record is there; what is not known is null.
"""

import os
from pathlib import Path
from typing import Any

from mlarchive.errors import MlarchiveError

_UNKNOWN = {
    **dict.fromkeys(("size", "stored", "points", "missing", "offset"), -1),
    **dict.fromkeys(("content_id", "state_id", "package_id", "sha256", "id", "value"), ""),
}
"""What stands in a record's field where nobody knows."""


def complete(value: Any) -> Any:  # noqa: ANN401  (anything a command may say)
    """The same as builtins; a Struct gives all its fields, also those it leaves out in packages."""
    fields = getattr(value, "__struct_fields__", None)
    if fields is not None:
        return {name: _field(name, getattr(value, name)) for name in fields}
    if isinstance(value, dict):
        return {name: complete(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [complete(item) for item in value]
    if isinstance(value, str | Path):
        # A file's name need not be UTF-8, and JSON must.
        return os.fsencode(value).decode("utf-8", "replace")
    return value


def known(size: int) -> int | None:
    """A size for a program: null where nobody knows."""
    return size if size >= 0 else None


def _field(name: str, value: Any) -> Any:  # noqa: ANN401  (any field of any record)
    if name in _UNKNOWN and value == _UNKNOWN[name]:
        return None
    return complete(value)


def error_document(error: MlarchiveError) -> dict[str, object]:
    """An error for a program."""
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "exit_status": error.exit_status,
        "retryable": error.retryable,
    }
