"""What is signed of a package: an in-toto Statement of its three ids (spec/trust.md, 2.1)."""

import re
from typing import Literal

import msgspec
from msgspec import Struct

from mlarchive.package import canonical
from mlarchive.trust.envelope import decoded

PAYLOAD_TYPE = "application/vnd.in-toto+json"

Id = Literal["content", "package", "state"]

_KIND = "https://in-toto.io/Statement/v1"
_PREDICATE = "urn:mlpkg:signature:1"
_BESIDE = "urn:mlpkg:beside:1"
_DIGEST = re.compile("[0-9a-f]{64}")


class Ids(Struct, frozen=True, kw_only=True):
    """The ids of a package, lower-case hex.

    Attributes:
        content: What the object is.
        package: These very bytes, signatures apart.
        state: How it is labelled.
    """

    content: str
    package: str
    state: str


class _Digest(Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str


class _Subject(Struct, frozen=True, forbid_unknown_fields=True):
    digest: _Digest
    name: str


class _Statement(Struct, frozen=True, forbid_unknown_fields=True):
    kind: str = msgspec.field(name="_type")
    predicate: dict[str, str]
    predicate_type: str = msgspec.field(name="predicateType")
    subject: tuple[_Subject, ...]


def encode_statement(ids: Ids) -> bytes:
    """The statement of a package, as canonical JSON."""
    subjects = tuple(_Subject(_Digest(getattr(ids, name)), name) for name in _NAMES)
    return canonical.encode(_Statement(_KIND, {}, _PREDICATE, subjects))


def encode_file_statement(sha256: str, form: str) -> bytes:
    """The statement of a file that goes beside packages (spec/trust.md, 5.1).

    Args:
        sha256: Of its bytes, lower-case hex.
        form: The format that they say they are in.
    """
    subject = _Subject(_Digest(sha256), form)
    return canonical.encode(_Statement(_KIND, {}, _BESIDE, (subject,)))


def decode_statement(raw: bytes) -> Ids:
    """The ids that a statement names.

    Raises:
        ValueError: It is no such statement.
    """
    found = decoded(raw, _Statement)
    named = {subject.name: subject.digest.sha256 for subject in found.subject}
    if tuple(named) != _NAMES or not all(map(_DIGEST.fullmatch, named.values())):
        raise ValueError("a statement names content, package and state, each by a SHA-256")
    ids = Ids(**named)
    if encode_statement(ids) != raw:
        raise ValueError("the statement is not as signatures of packages have it")
    return ids


_NAMES = Ids.__struct_fields__
