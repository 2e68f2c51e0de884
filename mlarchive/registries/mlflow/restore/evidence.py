"""What a record's evidence says of its place in a server: ids, and the server's own answer.

Evidence is under no id and may hold anything, so every value is checked for its type, and every
id for its form, before it is used as a key or as part of a path.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from mlarchive.errors import UnsupportedError
from mlarchive.records import AnyRecord, Tags
from mlarchive.registries.mlflow.marks import PREFIX

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_LOGGED_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,35}")
_NUMBER = re.compile(r"[0-9]{1,10}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,49}")
_LARGEST_NUMBER = 2**31 - 1
_AGAIN = "pack it again from its MLflow server"


def answer(record: AnyRecord) -> Mapping[str, Any]:
    """The server's answer about a record; empty where the package has none."""
    try:
        said = msgspec.json.decode(record.native.verbatim or "{}")
    except msgspec.DecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def part(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within an answer; empty if it is none."""
    value = said.get(name)
    return value if isinstance(value, dict) else {}


def items(said: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects in a list of an answer."""
    value = said.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(said: Mapping[str, Any], name: str) -> str:
    """A text of an answer; "" if it is none."""
    value = said.get(name)
    return value if isinstance(value, str) else ""


def whole(said: Mapping[str, Any], name: str) -> int:
    """A whole number of an answer; 0 if it is none."""
    value = said.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def texts(said: Mapping[str, Any], name: str) -> Tags:
    """The texts by name within an answer."""
    return {key: value for key, value in part(said, name).items() if isinstance(value, str)}


def marks_of(record: AnyRecord) -> Tags:
    """The tags of an earlier mirror that the object carried at its source."""
    tags = {**texts(answer(record), "tags"), **record.native.also}
    return {name: value for name, value in tags.items() if name.startswith(PREFIX)}


def workspace_of(record: AnyRecord) -> str:
    """The workspace that an object belongs to."""
    return text(answer(record), "workspace") or "default"


def experiment_id(said: str, of: str) -> int:
    """An experiment's id as the database has it.

    Args:
        said: By the evidence.
        of: What it is the id of, for the error.

    Raises:
        UnsupportedError: It is none.
    """
    return _number(said, of, "experiment")


def run_id(said: str, of: str) -> str:
    """A run's id.

    Raises:
        UnsupportedError: It is none.
    """
    if not _RUN.fullmatch(said):
        raise _no_id(of, "run", said)
    return said


def logged_model_id(said: str, of: str) -> str:
    """A logged model's id.

    Raises:
        UnsupportedError: It is none.
    """
    if not _LOGGED_MODEL.fullmatch(said):
        raise _no_id(of, "logged model", said)
    return said


def plain_id(said: str, of: str, kind: str) -> str:
    """The id of a dataset, a scorer, a webhook or a trace: letters, digits, `-` and `_`.

    Args:
        said: By the evidence, or by a trace.
        of: What it is the id of, for the error.
        kind: The kind of object, for the error.

    Raises:
        UnsupportedError: It is none.
    """
    if not _PLAIN.fullmatch(said):
        raise _no_id(of, kind, said)
    return said


def version_number(said: str, of: str) -> int:
    """A version's number.

    Raises:
        UnsupportedError: It is none.
    """
    return _number(said, of, "version")


def _number(said: str, of: str, kind: str) -> int:
    if not _NUMBER.fullmatch(said) or int(said) > _LARGEST_NUMBER:
        raise _no_id(of, kind, said)
    return int(said)


def _no_id(of: str, kind: str, said: str) -> UnsupportedError:
    what = f"{said!r} is not one that MLflow gives" if said else "it has none"
    return UnsupportedError(f"{of} does not say the server's id of its {kind}: {what}", hint=_AGAIN)
