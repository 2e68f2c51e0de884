"""The interface: operations with their parameters and answers, as the client is told in Swagger.

Names, paths and parameters are those of Neptune's published `leaderboard_swagger.json` and
`backend.json`. The paths of the artifacts' service were never published; any will do, since the
client takes them from what it is told here.
"""

from dataclasses import dataclass, field
from typing import Any, Final

LEADERBOARD: Final = "/api/leaderboard/v1"
BACKEND: Final = "/api/backend/v1"
ARTIFACTS: Final = "/api/artifacts/v1"

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_INTEGER: Schema = {"type": "integer", "format": "int64"}
_NUMBER: Schema = {"type": "number", "format": "double"}
_BOOLEAN: Schema = {"type": "boolean"}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_ANY: Schema = {"type": "object"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        method: Of HTTP.
        path: With `{NAME}` for what stands in it.
        query: Parameters after the `?`; `!` before a name says that it is needed, `:integer` and
            the like behind it its type, `[]` that it may be repeated.
        body: Name of the body; "" for none that the client describes.
        headers: Parameters among the headers.
        answer: Of status 200; None for bytes, or for nothing.
    """

    method: str
    path: str
    query: tuple[str, ...] = ()
    body: str = ""
    headers: tuple[str, ...] = ()
    answer: Schema | None = None
    needed: frozenset[str] = field(init=False)
    known: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        names = [_parameter(text) for text in self.query]
        needed = frozenset(str(one["name"]) for one in names if one["required"])
        object.__setattr__(self, "needed", needed)
        object.__setattr__(self, "known", frozenset(str(one["name"]) for one in names))


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _parameter(text: str) -> Schema:
    needed, text = text.startswith("!"), text.removeprefix("!")
    many, text = text.endswith("[]"), text.removesuffix("[]")
    name, _, kind = text.partition(":")
    shared = {"name": name, "in": "query", "required": needed}
    if many:
        return {**shared, "type": "array", "items": _TEXT, "collectionFormat": "multi"}
    return {**shared, "type": kind or "string"}


def _attribute(place: str, answer: str, *more: str) -> Operation:
    query = ("!attribute", "!experimentId", *more)
    return Operation("get", f"{LEADERBOARD}/attributes/{place}", query, answer=_ref(answer))


BACKEND_OPERATIONS = {
    "getClientConfig": Operation(
        "get",
        f"{BACKEND}/clients/config",
        ("alpha",),
        headers=("X-Neptune-Api-Token",),
        answer=_ref("ClientConfig"),
    ),
    "exchangeApiToken": Operation(
        "get",
        f"{BACKEND}/authorization/oauth-token",
        headers=("X-Neptune-Api-Token",),
        answer=_ref("NeptuneOauthToken"),
    ),
    "getProject": Operation(
        "get", f"{BACKEND}/projects/get", ("!projectIdentifier",), answer=_ref("ProjectDTO")
    ),
    "listProjects": Operation(
        "get",
        f"{BACKEND}/projects",
        (
            "organizationIdentifier",
            "userRelation",
            "searchTerm",
            "sortBy[]",
            "sortDirection[]",
            "offset:integer",
            "limit:integer",
        ),
        answer=_ref("ProjectListDTO"),
    ),
    "listOrganizations": Operation(
        "get", f"{BACKEND}/myOrganizations", answer=_list(_ref("OrganizationDTO"))
    ),
}

BACKEND_TYPES = {
    "ClientConfig": _object(
        apiUrl=_TEXT,
        applicationUrl=_TEXT,
        pyLibVersions=_ref("ClientVersions"),
        artifacts=_ref("ArtifactsConfig"),
        multiPartUpload=_ref("MultiPartConfig"),
        sysNameSetByBackend=_BOOLEAN,
    ),
    "ClientVersions": _object(
        minRecommendedVersion=_TEXT, minCompatibleVersion=_TEXT, maxCompatibleVersion=_TEXT
    ),
    "ArtifactsConfig": _object(enabled=_BOOLEAN, apiVersion=_INTEGER),
    "MultiPartConfig": _object(
        enabled=_BOOLEAN,
        minChunkSize=_INTEGER,
        maxChunkSize=_INTEGER,
        maxChunkCount=_INTEGER,
        maxSinglePartSize=_INTEGER,
    ),
    "NeptuneOauthToken": _object(accessToken=_TEXT, refreshToken=_TEXT, username=_TEXT),
    "ProjectDTO": _object(
        id=_TEXT,
        name=_TEXT,
        organizationName=_TEXT,
        organizationId=_TEXT,
        projectKey=_TEXT,
        version=_INTEGER,
    ),
    "ProjectListDTO": _object(
        entries=_list(_ref("ProjectDTO")), matchingItemCount=_INTEGER, totalItemCount=_INTEGER
    ),
    "OrganizationDTO": _object(id=_TEXT, name=_TEXT),
}

_UPLOADED = _ref("OperationErrorsListDTO")


def _uploads() -> dict[str, Operation]:
    """Single and multipart upload, of a file and of a member of a file set."""
    found = {}
    whose = ("!attribute", "!experimentIdentifier")
    for name, place, extra in (
        ("fileAtom", "file", "!ext"),
        ("fileSetFile", "fileset", "!subPath"),
    ):
        path = f"{LEADERBOARD}/attributes/storage/{place}/upload"
        again = () if place == "file" else (extra,)
        found[f"{name}Upload"] = Operation("post", path, (*whose, extra), answer=_UPLOADED)
        found[f"{name}MultipartUploadStart"] = Operation(
            "post",
            f"{path}/start",
            (*whose, extra, "!totalLength:integer"),
            answer=_ref("UploadMetadataDTO"),
        )
        found[f"{name}MultipartUploadPart"] = Operation(
            "post",
            f"{path}/part",
            (*whose, *again, "!uploadId", "!uploadPartIdx:integer"),
            answer=_UPLOADED,
        )
        found[f"{name}MultipartUploadFinish"] = Operation(
            "post", f"{path}/finish", (*whose, *again, "!uploadId"), answer=_UPLOADED
        )
    return found


LEADERBOARD_OPERATIONS = {
    "getExperiment": Operation(
        "get", f"{LEADERBOARD}/experiments", ("!experimentId",), answer=_ref("Experiment")
    ),
    "createExperiment": Operation(
        "post",
        f"{LEADERBOARD}/experiments",
        body="experimentCreationParams",
        headers=("X-Neptune-CliVersion",),
        answer=_ref("Experiment"),
    ),
    "ping": Operation("post", f"{LEADERBOARD}/attributes/ping", ("!experimentId",)),
    "executeOperations": Operation(
        "post",
        f"{LEADERBOARD}/attributes/operations",
        ("!experimentId",),
        body="operations",
        answer=_list(_ref("OperationError")),
    ),
    "getExperimentAttributes": Operation(
        "get",
        f"{LEADERBOARD}/attributes",
        ("!experimentId",),
        answer=_ref("ExperimentAttributesDTO"),
    ),
    "getFloatAttribute": _attribute("floats", "FloatAttributeDTO"),
    "getIntAttribute": _attribute("integers", "IntAttributeDTO"),
    "getBoolAttribute": _attribute("booleans", "BoolAttributeDTO"),
    "getStringAttribute": _attribute("strings", "StringAttributeDTO"),
    "getDatetimeAttribute": _attribute("datetimes", "DatetimeAttributeDTO"),
    "getFileAttribute": _attribute("files", "FileAttributeDTO"),
    "getArtifactAttribute": _attribute("artifacts", "ArtifactAttributeDTO"),
    "getStringSetAttribute": _attribute("stringSets", "StringSetAttributeDTO"),
    "getFloatSeriesAttribute": _attribute("floatSeries", "FloatSeriesAttributeDTO"),
    "getStringSeriesAttribute": _attribute("stringSeries", "StringSeriesAttributeDTO"),
    "getFloatSeriesValues": _attribute(
        "series/float", "FloatSeriesValuesDTO", "limit:integer", "offset:integer"
    ),
    "getStringSeriesValues": _attribute(
        "series/string", "StringSeriesValuesDTO", "limit:integer", "offset:integer"
    ),
    "getImageSeriesValues": _attribute(
        "series/image", "ImageSeriesValuesDTO", "limit:integer", "offset:integer"
    ),
    "getImageSeriesValue": Operation(
        "get",
        f"{LEADERBOARD}/attributes/series/image/single",
        ("!attribute", "!experimentId", "!index:integer"),
    ),
    "getChannelValues": Operation(
        "get",
        f"{LEADERBOARD}/channels/{{channelId}}/values",
        ("limit:integer", "offset:integer"),
        answer=_ref("LimitedChannelValuesDTO"),
    ),
    "lsFileSetAttribute": Operation(
        "get",
        f"{LEADERBOARD}/attributes/ls",
        ("!attribute", "!experimentId", "path"),
        answer=_list(_ref("FileEntry")),
    ),
    "downloadAttribute": Operation(
        "get", f"{LEADERBOARD}/attributes/download", ("!attribute", "!experimentId")
    ),
    "prepareForDownloadFileSetAttributeZip": Operation(
        "post",
        f"{LEADERBOARD}/attributes/downloadFileSetZipRequest",
        ("!attribute", "!experimentId"),
        answer=_ref("DownloadPrepareRequest"),
    ),
    "getDownloadPrepareRequest": Operation(
        "get",
        f"{LEADERBOARD}/download/downloadRequest",
        ("!id",),
        answer=_ref("DownloadPrepareRequest"),
    ),
    "searchLeaderboardAttributes": Operation(
        "post",
        f"{LEADERBOARD}/leaderboard/attributes/search",
        ("!projectIdentifier", "search", "type[]"),
        body="params",
        answer=_ref("AttributesSearchResultDTO"),
    ),
    "searchLeaderboardEntries": Operation(
        "post",
        f"{LEADERBOARD}/leaderboard/entries/search",
        ("!projectIdentifier", "type[]"),
        body="params",
        answer=_ANY,
    ),
    "uploadFileSetAttributeTar": Operation(
        "post",
        f"{LEADERBOARD}/attributes/uploadFileSetTar",
        ("!attribute", "!experimentId", "reset"),
    ),
    **_uploads(),
}


def _valued(value: Schema) -> Schema:
    return _object(attributeName=_TEXT, attributeType=_TEXT, value=value)


def _described(**more: Schema) -> Schema:
    return _object(attributeName=_TEXT, attributeType=_TEXT, **more)


_BY_TYPE = {
    "float": "FloatAttributeDTO",
    "int": "IntAttributeDTO",
    "bool": "BoolAttributeDTO",
    "string": "StringAttributeDTO",
    "datetime": "DatetimeAttributeDTO",
    "experimentState": "RunStateAttributeDTO",
    "file": "FileAttributeDTO",
    "fileSet": "FileSetAttributeDTO",
    "stringSet": "StringSetAttributeDTO",
    "floatSeries": "FloatSeriesAttributeDTO",
    "stringSeries": "StringSeriesAttributeDTO",
    "imageSeries": "ImageSeriesAttributeDTO",
    "artifact": "ArtifactAttributeDTO",
    "gitRef": "GitInfoDTO",
    "notebookRef": "NotebookRefAttributeDTO",
}

LEADERBOARD_TYPES = {
    "Experiment": _object(
        id=_TEXT,
        type=_TEXT,
        shortId=_TEXT,
        organizationName=_TEXT,
        projectName=_TEXT,
        trashed=_BOOLEAN,
        parentId=_TEXT,
        projectId=_TEXT,
        customId=_TEXT,
    ),
    "OperationError": _object(errorDescription=_TEXT, errorType=_TEXT),
    "OperationErrorsListDTO": _object(errors=_list(_ref("OperationError"))),
    "UploadMetadataDTO": _object(uploadId=_TEXT, errors=_list(_ref("OperationError"))),
    "FloatAttributeDTO": _valued(_NUMBER),
    "IntAttributeDTO": _valued(_INTEGER),
    "BoolAttributeDTO": _valued(_BOOLEAN),
    "StringAttributeDTO": _valued(_TEXT),
    "DatetimeAttributeDTO": _valued(_MOMENT),
    "RunStateAttributeDTO": _valued(_TEXT),
    "FileAttributeDTO": _described(name=_TEXT, ext=_TEXT, size=_INTEGER),
    "FileSetAttributeDTO": _described(size=_INTEGER),
    "StringSetAttributeDTO": _described(values=_list(_TEXT)),
    "FloatSeriesAttributeDTO": _described(last=_NUMBER, lastStep=_NUMBER),
    "StringSeriesAttributeDTO": _described(last=_TEXT, lastStep=_NUMBER),
    "ImageSeriesAttributeDTO": _described(channelId=_TEXT, lastStep=_NUMBER),
    "ArtifactAttributeDTO": _described(hash=_TEXT),
    "GitInfoDTO": _described(
        commit=_ANY, repositoryDirty=_BOOLEAN, currentBranch=_TEXT, remotes=_list(_TEXT)
    ),
    "NotebookRefAttributeDTO": _described(notebookId=_TEXT, notebookName=_TEXT, value=_TEXT),
    "FloatPointValueDTO": _object(timestampMillis=_INTEGER, step=_NUMBER, value=_NUMBER),
    "FloatSeriesValuesDTO": _object(
        totalItemCount=_INTEGER, values=_list(_ref("FloatPointValueDTO"))
    ),
    "StringPointValueDTO": _object(timestampMillis=_INTEGER, step=_NUMBER, value=_TEXT),
    "StringSeriesValuesDTO": _object(
        totalItemCount=_INTEGER, values=_list(_ref("StringPointValueDTO"))
    ),
    "ImageSeriesValuesDTO": _object(totalItemCount=_INTEGER),
    "OutputImageDTO": _object(name=_TEXT, description=_TEXT, imageUrl=_TEXT),
    "YOutput": _object(imageValue=_ref("OutputImageDTO")),
    "PointValueDTO": _object(timestampMillis=_INTEGER, x=_NUMBER, y=_ref("YOutput")),
    "LimitedChannelValuesDTO": _object(
        channelId=_TEXT, totalItemCount=_INTEGER, values=_list(_ref("PointValueDTO"))
    ),
    "FileEntry": _object(name=_TEXT, size=_INTEGER, mtime=_MOMENT, fileType=_TEXT),
    "DownloadPrepareRequest": _object(id=_TEXT, downloadUrl=_TEXT),
    "AttributeDefinitionDTO": _object(name=_TEXT, type=_TEXT),
    "AttributesSearchResultDTO": _object(entries=_list(_ref("AttributeDefinitionDTO"))),
    "ExperimentAttributesDTO": _object(id=_TEXT, attributes=_list(_ref("AttributeDTO"))),
    "AttributeDTO": _object(
        name=_TEXT,
        type=_TEXT,
        **{f"{kind}Properties": _ref(answer) for kind, answer in _BY_TYPE.items()},
    ),
}

ARTIFACTS_OPERATIONS = {
    "createNewArtifact": Operation(
        "post",
        f"{ARTIFACTS}/artifacts",
        ("!projectIdentifier", "!hash", "size:integer", "!parentIdentifier"),
        answer=_ref("ArtifactDTO"),
    ),
    "uploadArtifactFilesMetadata": Operation(
        "put",
        f"{ARTIFACTS}/artifacts/files",
        ("!projectIdentifier", "!hash"),
        body="artifactFilesDTO",
        answer=_ref("ArtifactDTO"),
    ),
    "createArtifactVersion": Operation(
        "post",
        f"{ARTIFACTS}/artifacts/versions",
        ("!projectIdentifier", "!hash", "!parentIdentifier"),
        body="artifactFilesDTO",
        answer=_ref("ArtifactDTO"),
    ),
    "listArtifactFiles": Operation(
        "get",
        f"{ARTIFACTS}/artifacts/files",
        ("!projectIdentifier", "!hash"),
        answer=_ref("ArtifactFilesDTO"),
    ),
}

ARTIFACTS_TYPES = {
    "ArtifactDTO": _object(artifactHash=_TEXT, receivedMetadata=_BOOLEAN, size=_INTEGER),
    "ArtifactFilesDTO": _object(files=_list(_ref("ArtifactFileDTO"))),
    "ArtifactFileDTO": _object(
        filePath=_TEXT,
        fileHash=_TEXT,
        type=_TEXT,
        size=_INTEGER,
        metadata=_list(_ref("ArtifactFileMetadataDTO")),
    ),
    "ArtifactFileMetadataDTO": _object(key=_TEXT, value=_TEXT),
}

SERVICES = {
    "backend": (BACKEND_OPERATIONS, BACKEND_TYPES),
    "leaderboard": (LEADERBOARD_OPERATIONS, LEADERBOARD_TYPES),
    "artifacts": (ARTIFACTS_OPERATIONS, ARTIFACTS_TYPES),
}

OPERATIONS = {name: one for operations, _ in SERVICES.values() for name, one in operations.items()}


def swagger(service: str, address: str, *, without: frozenset[str] = frozenset()) -> Schema:
    """What a service tells of itself.

    Args:
        service: `backend`, `leaderboard` or `artifacts`.
        address: Such as `http://127.0.0.1:40123`.
        without: Operations that an older server does not have.
    """
    operations, types = SERVICES[service]
    scheme, _, host = address.partition("://")
    paths: dict[str, Schema] = {}
    for name, one in operations.items():
        if name not in without:
            paths.setdefault(one.path, {})[one.method] = _told(name, one)
    return {
        "swagger": "2.0",
        "info": {"title": service, "version": "2"},
        "host": host,
        "basePath": "/",
        "schemes": [scheme],
        "paths": paths,
        "definitions": types,
    }


def _told(name: str, one: Operation) -> Schema:
    parameters = [_parameter(text) for text in one.query]
    parameters += [{"name": header, "in": "header", **_TEXT} for header in one.headers]
    if "{channelId}" in one.path:
        parameters.append({"name": "channelId", "in": "path", "required": True, **_TEXT})
    if one.body:
        schema = _list(_ANY) if one.body == "operations" else _ANY
        parameters.append({"name": one.body, "in": "body", "required": True, "schema": schema})
    answer: Schema = {"description": "OK"}
    if one.answer is not None:
        answer["schema"] = one.answer
    return {
        "operationId": name,
        "tags": ["api"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "parameters": parameters,
        "responses": {"200": answer},
    }
