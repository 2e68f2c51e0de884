"""The reader's policy: which ids must be signed, by how many of which keys (spec/trust.md, 3)."""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from mlarchive.errors import ConfigError, MlarchiveError
from mlarchive.fsops import read_small
from mlarchive.trust.keys import PublicKey, key_id, public_key
from mlarchive.trust.rotation import Rotation, read_rotation, rotated
from mlarchive.trust.statement import Id
from mlarchive.trust.trustedkey import TrustedKey

_PEM = "-----BEGIN"


class _Key(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    public: str
    name: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    revoked: bool = False


class _Rotation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    file: str


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    key: Annotated[tuple[_Key, ...], Meta(min_length=1)]
    require: Annotated[tuple[Id, ...], Meta(min_length=1)] = ("package",)
    threshold: Annotated[int, Meta(ge=1)] = 1
    notes: bool = False
    rotation: tuple[_Rotation, ...] = ()


class Policy(Struct, frozen=True, kw_only=True):
    """Whom a reader believes.

    Attributes:
        path: The file that says so.
        require: The ids that must be signed.
        threshold: By how many different keys.
        keys: By key id, rotations applied.
        notes: Whether what goes beside packages must be signed too.
    """

    path: Path
    require: frozenset[Literal["content", "package", "state"]]
    threshold: int
    keys: Mapping[str, TrustedKey]
    notes: bool = False


def read_policy(path: Path) -> Policy:
    """Read a policy file, with the keys and rotations that it names.

    Raises:
        ConfigError: It, or one of those, is wrong.
        RotationError: A rotation is not signed by the keys before it.
        MlarchiveError: A file cannot be read.
    """
    raw = read_small(path)
    try:
        file = msgspec.convert(tomllib.loads(raw.decode()), _File)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise _wrong(path, str(error)) from error
    keys = _keys(path, file.key)
    if file.threshold > sum(not key.revoked for key in keys.values()):
        raise _wrong(path, f"the threshold is {file.threshold}, and fewer keys are not revoked")
    for number, named in enumerate(file.rotation, start=1):
        keys = rotated(keys, _rotation(path, named.file), number, file.threshold)
    return Policy(
        path=path,
        require=frozenset(file.require),
        threshold=file.threshold,
        keys=keys,
        notes=file.notes,
    )


def _keys(path: Path, named: Iterable[_Key]) -> Mapping[str, TrustedKey]:
    keys: dict[str, TrustedKey] = {}
    for number, key in enumerate(named, start=1):
        public = _public(path, key.public)
        name = key.name or (f"key {number}" if key.public.startswith(_PEM) else key.public)
        keyid = key_id(public)
        if keyid in keys:
            raise _wrong(path, f"{name} is the same key as {keys[keyid].name}")
        keys[keyid] = TrustedKey(
            public=public,
            name=name,
            not_before=_bound(path, name, key.not_before),
            not_after=_bound(path, name, key.not_after),
            revoked="the policy says so" if key.revoked else "",
        )
    return keys


def _bound(path: Path, name: str, when: datetime | None) -> int:
    """When a key begins or ceases to count; 0 is for one without such a bound."""
    found = _milliseconds(when) if when else 0
    if when and found <= 0:
        raise _wrong(path, f"{name} has a date before 1970-01-02, and nothing was signed then")
    return found


def _public(path: Path, text: str) -> PublicKey:
    if text.startswith(_PEM):
        return public_key(text, f"a key of {path}")
    return public_key(_text(path, text), str(path.parent / text))


def _rotation(path: Path, name: str) -> Rotation:
    return read_rotation(_text(path, name).encode(), str(path.parent / name))


def _text(path: Path, name: str) -> str:
    """A file beside the policy."""
    return read_small(path.parent / name).decode("utf-8", "replace")


def moment(text: str) -> int:
    """A time that a person gives, in ms since 1970 UTC; a day alone is its beginning.

    Args:
        text: As ISO 8601; UTC where it names no zone.

    Raises:
        ConfigError: It is no time.
    """
    try:
        return _milliseconds(datetime.fromisoformat(text))
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is no time", hint="give one such as 2026-03-05 or 2026-03-05T14:00:00Z"
        ) from error


def _milliseconds(when: datetime) -> int:
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)


def _wrong(path: Path, why: str) -> MlarchiveError:
    return ConfigError(f"the policy {path} is wrong: {why}", hint="see spec/trust.md, 3")
