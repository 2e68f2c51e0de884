"""What a server's answers must say to be used: names and types, as its interface has them.

Answers stay the server's own JSON; what is not named here may be anything.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from mlarchive.errors import RemoteError
from mlarchive.registries.neptune.live.failures import NO_NEPTUNE


class OddAnswerError(RemoteError):
    """A server answers with JSON that is not what its interface says."""


class _Project(Struct):
    id: str
    name: str
    organizationName: str  # noqa: N815  (the server's name, as all here)
    projectKey: str  # noqa: N815


class _Projects(Struct):
    entries: list[_Project]
    matchingItemCount: int  # noqa: N815


class _Attribute(Struct):
    name: str
    type: str


class _Object(Struct):
    attributes: list[_Attribute]


class _Entry(Struct):
    experimentId: str  # noqa: N815
    attributes: list[_Attribute]


class _Table(Struct):
    entries: list[_Entry]


class _Points(Struct):
    values: list[Any]
    totalItemCount: int  # noqa: N815


class _Count(Struct):
    totalItemCount: int  # noqa: N815


class _Prepared(Struct):
    id: str | int


class _Ready(Struct):
    downloadUrl: str | None = None  # noqa: N815


class _Refusal(Struct):
    errorDescription: str  # noqa: N815


class _Files(Struct):
    files: list[dict[str, Any]]


class _Received(Struct):
    receivedMetadata: bool  # noqa: N815


_SHAPES: Mapping[str, Any] = {
    "getProject": _Project,
    "listProjects": _Projects,
    "searchLeaderboardEntries": _Table,
    "getExperimentAttributes": _Object,
    "getFloatSeriesValues": _Points,
    "getStringSeriesValues": _Points,
    "getChannelValues": _Points,
    "getImageSeriesValues": _Count,
    "prepareForDownloadFileSetAttributeZip": _Prepared,
    "getDownloadPrepareRequest": _Ready,
    "executeOperations": list[_Refusal],
    "listArtifactFiles": _Files,
    "createNewArtifact": _Received,
}


def usable(operation: str, answer: Any, place: str) -> Any:  # noqa: ANN401  (any JSON)
    """An answer, if it can be used.

    Args:
        operation: That was asked for.
        answer: JSON.
        place: The server, as a person knows it.

    Raises:
        OddAnswerError: It cannot.
        RemoteError: There is none, as where something between broke off.
    """
    shape = _SHAPES.get(operation)
    if shape is None:
        return answer
    if answer == {}:
        raise RemoteError(f"{place} answers to {operation} with nothing", hint=NO_NEPTUNE)
    try:
        msgspec.convert(answer, shape)
    except msgspec.ValidationError as error:
        raise OddAnswerError(
            f"{place} answers to {operation} with what its interface does not say: {error}",
            hint=NO_NEPTUNE,
        ) from error
    return answer
