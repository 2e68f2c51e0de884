"""What a registry and the process of its cloud say to each other: frames of MessagePack.

Each frame is its length (four bytes, big-endian) and the message. Answers carry the number of
their question, since several are asked at once.
"""

import struct
from typing import IO, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from mlarchive.registries.azureml.access import Cloud
from mlarchive.registries.azureml.places import Place

M = TypeVar("M")

_LENGTH = struct.Struct(">I")


class Start(Struct, frozen=True, kw_only=True, tag="start"):
    """Which cloud it is; said once, before all else, and not answered."""

    cloud: str
    endpoints: Cloud | None
    interactive: bool


class Connect(Struct, frozen=True, kw_only=True, tag="connect"):
    """Log in and connect to a place. The answer is a `Connected`."""

    place: Place


class Request(Struct, frozen=True, kw_only=True, tag="request"):
    """One request to a place's control plane.

    Attributes:
        place: Whose.
        method: Such as `GET`.
        path: Of the resource, or a whole URL that an answer of the same server named.
        api_version: Of the interface.
        query: Further parameters.
        body: JSON, or nothing.
    """

    place: Place
    method: str
    path: str
    api_version: str
    query: dict[str, str] = {}
    body: bytes = b""


class Token(Struct, frozen=True, kw_only=True, tag="token"):
    """An access token for a scope; "" for that of the control plane. The answer is a `Bearer`."""

    scope: str = ""


class Share(Struct, frozen=True, kw_only=True, tag="share"):
    """Let a registry of the same tenant copy an asset of a workspace by itself."""

    place: Place
    kind: str
    name: str
    version: str
    registry: str
    as_name: str
    as_version: str


Question: TypeAlias = Start | Connect | Request | Token | Share


class Ask(Struct, frozen=True):
    """A question with its number."""

    number: int
    question: Question


class Connected(Struct, frozen=True, kw_only=True):
    """What only the client knows once it is connected.

    Attributes:
        storage: What a storage account's host ends with in this cloud.
        subscription: The place's; discovery tells a registry's.
        group: Likewise.
        registry: A registry's name as the service spells it; "" where it does not say.
    """

    storage: str
    subscription: str
    group: str
    registry: str = ""


class Bearer(Struct, frozen=True, kw_only=True):
    """An access token.

    Attributes:
        token: Itself.
        expires_on: When it ends, seconds since 1970 UTC.
    """

    token: str
    expires_on: int


class Answer(Struct, frozen=True, kw_only=True):
    """The answer to one question.

    Attributes:
        number: The question's.
        status: The HTTP status; 0 if it was no request.
        body: What the server said, byte by byte; or JSON of a `Connected` or a `Bearer`.
        failure: The code of an error of this project, if there was no answer.
        words: What it says.
        hint: What a person can do, where it says that; "" leaves it to the parent.
    """

    number: int
    status: int = 0
    body: bytes = b""
    failure: str = ""
    words: str = ""
    hint: str = ""


def send(stream: IO[bytes], message: Struct) -> None:
    """Write one frame."""
    raw = msgspec.msgpack.encode(message)
    stream.write(_LENGTH.pack(len(raw)) + raw)
    stream.flush()


def receive(stream: IO[bytes], kind: type[M]) -> M | None:
    """Read one frame; None at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    return msgspec.msgpack.decode(stream.read(length), type=kind)
