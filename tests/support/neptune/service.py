"""What the server answers to each operation."""

import hashlib
import io
import json
import posixpath
import tarfile
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.neptune import query
from tests.support.neptune.operations import execute
from tests.support.neptune.specification import BACKEND
from tests.support.neptune.store import Attribute, Json, Object, RefusedError, Store, moment

PART = 5 << 20
"""Bytes: the largest file that is sent in one piece, and the smallest part."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its parameters, each with all its values, and its body."""

    parameters: dict[str, list[str]]
    body: bytes
    headers: dict[str, str]

    def __getitem__(self, name: str) -> str:
        """The one value of a parameter."""
        return self.parameters[name][0]

    def number(self, name: str, default: int) -> int:
        """A whole number."""
        return int(self.parameters.get(name, [str(default)])[0])

    @property
    def json(self) -> Json:
        """The body."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise RefusedError(400, f"no JSON: {error}") from error


@dataclass(frozen=True, slots=True)
class Bytes:
    """An answer that is no JSON."""

    data: bytes
    type: str = "application/octet-stream"
    name: str = ""


class Service:
    """All operations of the interface.

    Attributes:
        store: What is kept.
        zip_polls: How often a zip of a file set is not ready yet when it is asked for.
    """

    def __init__(self, store: Store) -> None:
        """With no uploads or downloads under way."""
        self.store = store
        self.zip_polls = 0
        self._uploads: dict[str, tuple[Asked, dict[int, bytes]]] = {}
        self._zips: dict[str, list[Json]] = {}
        self.answers = self._answers()

    def config(self, address: str) -> dict[str, Json]:
        """What the client asks first."""
        return {
            "apiUrl": address,
            "applicationUrl": address,
            "pyLibVersions": {},
            "artifacts": {"enabled": True, "apiVersion": 2},
            "sysNameSetByBackend": False,
            "multiPartUpload": {
                "enabled": True,
                "minChunkSize": PART,
                "maxChunkSize": 1 << 30,
                "maxChunkCount": 1000,
                "maxSinglePartSize": PART,
            },
        }

    def _answers(self) -> dict[str, Callable[[Asked], Json]]:
        single = {
            "Float": "float",
            "Int": "int",
            "Bool": "bool",
            "String": "string",
            "Datetime": "datetime",
            "File": "file",
            "Artifact": "artifact",
            "StringSet": "stringSet",
            "FloatSeries": "floatSeries",
            "StringSeries": "stringSeries",
        }
        answers: dict[str, Callable[[Asked], Json]] = {
            "getProject": self._get_project,
            "listProjects": self._list_projects,
            "listOrganizations": lambda _: [
                {"id": name, "name": name}
                for name in sorted({one.workspace for one in self.store.projects.values()})
            ],
            "getExperiment": lambda asked: self.store.object(asked["experimentId"]).told(),
            "createExperiment": lambda asked: self.store.create(asked.json).told(),
            "ping": lambda asked: self.store.object(asked["experimentId"]) and {},
            "executeOperations": self._execute,
            "getExperimentAttributes": self._attributes,
            "getFloatSeriesValues": lambda asked: self._values(asked, "floatSeries"),
            "getStringSeriesValues": lambda asked: self._values(asked, "stringSeries"),
            "getImageSeriesValues": self._image_count,
            "getImageSeriesValue": self._image,
            "getChannelValues": self._channel,
            "lsFileSetAttribute": self._list_files,
            "downloadAttribute": self._download,
            "prepareForDownloadFileSetAttributeZip": self._prepare_zip,
            "getDownloadPrepareRequest": self._zip_state,
            "searchLeaderboardAttributes": self._search_attributes,
            "searchLeaderboardEntries": self._search,
            "uploadFileSetAttributeTar": self._upload_tar,
            "createNewArtifact": self._create_artifact,
            "uploadArtifactFilesMetadata": self._artifact_files,
            "createArtifactVersion": self._artifact_version,
            "listArtifactFiles": self._list_artifact,
        }
        for name, kind in single.items():
            answers[f"get{name}Attribute"] = self._getting(kind)
        for name in ("fileAtom", "fileSetFile"):
            answers[f"{name}Upload"] = self._upload
            answers[f"{name}MultipartUploadStart"] = self._start_upload
            answers[f"{name}MultipartUploadPart"] = self._upload_part
            answers[f"{name}MultipartUploadFinish"] = self._finish_upload
        return answers

    # Projects and objects

    def _get_project(self, asked: Asked) -> Json:
        return self._told_project(asked["projectIdentifier"])

    def _told_project(self, path: str) -> dict[str, Json]:
        project = self.store.project(path)
        return {
            "id": project.id,
            "name": project.name,
            "organizationName": project.workspace,
            "organizationId": project.workspace,
            "projectKey": project.key,
            "version": 2,
        }

    def _list_projects(self, asked: Asked) -> Json:
        workspace = asked.parameters.get("organizationIdentifier", [""])[0]
        term = asked.parameters.get("searchTerm", [""])[0]
        paths = sorted(
            path
            for path, one in self.store.projects.items()
            if workspace in {"", one.workspace} and term in one.name
        )
        start = asked.number("offset", 0)
        page = paths[start : start + asked.number("limit", 100)]
        entries = [self._told_project(path) for path in page]
        return {"entries": entries, "matchingItemCount": len(paths), "totalItemCount": len(paths)}

    def _execute(self, asked: Asked) -> Json:
        with self.store.lock:
            return execute(self.store.object(asked["experimentId"]), asked.json)

    def _attributes(self, asked: Asked) -> Json:
        one = self.store.object(asked["experimentId"])
        told = [found.told(name) for name, found in sorted(one.attributes.items())]
        return {"id": one.id, "attributes": told}

    def _getting(self, kind: str) -> Callable[[Asked], Json]:
        def get(asked: Asked) -> Json:
            name = asked["attribute"]
            found = self.store.attribute(asked["experimentId"], name, kind)
            return found.told(name)[f"{kind}Properties"]

        return get

    # Tables

    def _search_attributes(self, asked: Asked) -> Json:
        project = self.store.project(asked["projectIdentifier"])
        term = asked.parameters.get("search", [""])[0]
        found = {
            name: attribute.type
            for one in self.store.objects_of(project, asked.parameters.get("type", []))
            for name, attribute in one.attributes.items()
            if term in name
        }
        return {"entries": [{"name": name, "type": kind} for name, kind in sorted(found.items())]}

    def _search(self, asked: Asked) -> Json:
        given = asked.json
        unknown = given.keys() - {"sorting", "attributeFilters", "query", "pagination"}
        if unknown:
            raise RefusedError(400, f"unknown {sorted(unknown)}")
        project = self.store.project(asked["projectIdentifier"])
        matches = query.parse(given.get("query", {}).get("query", ""))
        types = asked.parameters.get("type", [])
        rows = [one for one in self.store.objects_of(project, types) if matches(one)]
        if sorting := given.get("sorting"):
            column = sorting["sortBy"]["name"]
            rows.sort(
                key=lambda one: (column in one.attributes, _sortable(one, column)),
                reverse=sorting["dir"] == "descending",
            )
        page = given["pagination"]
        if page["offset"] + page["limit"] > 10_000:
            raise RefusedError(400, "no offset above 10000")
        columns = {one["path"] for one in given.get("attributeFilters", ())}
        entries = [
            {
                "experimentId": one.id,
                "attributes": [
                    found.told(name)
                    for name, found in one.attributes.items()
                    if not columns or name in columns
                ],
            }
            for one in rows[page["offset"] : page["offset"] + page["limit"]]
        ]
        return {"matchingItemCount": len(rows), "entries": entries}

    # Series

    def _values(self, asked: Asked, kind: str) -> Json:
        points = self.store.attribute(asked["experimentId"], asked["attribute"], kind).points
        values = [
            {"timestampMillis": one.time, "step": one.step, "value": one.value}
            for one in self._page(points, asked)
        ]
        return {"totalItemCount": len(points), "values": values}

    def _page(self, points: list[Json], asked: Asked) -> list[Json]:
        limit, offset = asked.number("limit", 1000), asked.number("offset", 0)
        if limit > 1000:
            raise RefusedError(400, "at most 1000 values")
        return points[offset : offset + limit]

    def _images(self, asked: Asked) -> list[Json]:
        name = asked["attribute"]
        return self.store.attribute(asked["experimentId"], name, "imageSeries").points

    def _image_count(self, asked: Asked) -> Json:
        return {"totalItemCount": len(self._images(asked))}

    def _image(self, asked: Asked) -> Json:
        points, index = self._images(asked), asked.number("index", 0)
        if index >= len(points):
            raise RefusedError(404, f"no image {index}")
        return Bytes(points[index].value, _image_type(points[index].value))

    def _channel(self, asked: Asked) -> Json:
        channel = asked["channelId"]
        for one in list(self.store.objects.values()):
            for attribute in list(one.attributes.values()):
                if attribute.channel == channel and attribute.type == "imageSeries":
                    values = [
                        {
                            "timestampMillis": point.time,
                            "x": point.step,
                            "y": {
                                "imageValue": {
                                    "name": point.name,
                                    "description": point.description,
                                    "imageUrl": "",
                                }
                            },
                        }
                        for point in self._page(attribute.points, asked)
                    ]
                    total = len(attribute.points)
                    return {"channelId": channel, "totalItemCount": total, "values": values}
        raise RefusedError(404, f"no channel {channel}")

    # Files

    def _download(self, asked: Asked) -> Json:
        name = asked["attribute"]
        found = self.store.attribute(asked["experimentId"], name, "file")
        return Bytes(found.value, name=found.told(name)["fileProperties"]["name"])

    def _list_files(self, asked: Asked) -> Json:
        found = self.store.attribute(asked["experimentId"], asked["attribute"], "fileSet")
        folder = asked.parameters.get("path", [""])[0].strip("/")
        prefix = f"{folder}/" if folder else ""
        entries: dict[str, Json] = {}
        for path, data in found.files.items():
            head, is_folder, _ = path.removeprefix(prefix).partition("/")
            if path.startswith(prefix):
                size = entries.get(head, {"size": 0})["size"] + len(data)
                kind = "directory" if is_folder else "file"
                entries[head] = {"name": head, "size": size, "mtime": moment(0), "fileType": kind}
        return list(entries.values())

    def _prepare_zip(self, asked: Asked) -> Json:
        found = self.store.attribute(asked["experimentId"], asked["attribute"], "fileSet")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path, data in found.files.items():
                archive.writestr(path, data)
        number = str(uuid.uuid4())
        name = f"{asked['attribute'].rpartition('/')[2]}.zip"
        zipped = Bytes(packed.getvalue(), "application/zip", name)
        self._zips[number] = [zipped, self.zip_polls]
        return {"id": number}

    def _zip_state(self, asked: Asked) -> Json:
        number = asked["id"]
        if number not in self._zips:
            raise RefusedError(404, f"no download {number}")
        if self._zips[number][1]:
            self._zips[number][1] -= 1
            return {"id": number}
        return {"id": number, "downloadUrl": f"{asked.headers['x-address']}{ZIP_PATH}?id={number}"}

    def zip(self, number: str) -> Bytes:
        """A zip that was asked for before."""
        if number not in self._zips:
            raise RefusedError(404, f"no download {number}")
        found: Bytes = self._zips[number][0]
        return found

    def _put(self, asked: Asked, data: bytes) -> Json:
        with self.store.lock:
            one, name = self.store.object(asked["experimentIdentifier"]), asked["attribute"]
            kind = "fileSet" if "subPath" in asked.parameters else "file"
            found = one.attributes.setdefault(name, Attribute(kind))
            if found.type != kind:
                why = f"{name} is a {found.type}, not a {kind}"
                error = {"errorDescription": why, "errorType": "metadata_inconsistency"}
                return {"errors": [error]}
            if kind == "fileSet":
                found.files[asked["subPath"]] = data
            else:
                found.value, found.ext = data, asked["ext"]
            one.touched()
        return {"errors": []}

    def _upload(self, asked: Asked) -> Json:
        if len(asked.body) > PART:
            raise RefusedError(400, f"more than {PART} bytes in one piece")
        return self._put(asked, asked.body)

    def _start_upload(self, asked: Asked) -> Json:
        number = str(uuid.uuid4())
        self._uploads[number] = (asked, {})
        return {"uploadId": number, "errors": []}

    def _upload_part(self, asked: Asked) -> Json:
        started, parts = self._under_way(asked)
        total = started["totalLength"]
        first, last, of = (
            asked.headers["x-range"].removeprefix("bytes=").replace("/", "-").split("-")
        )
        if of != total or int(last) - int(first) + 1 != len(asked.body):
            raise RefusedError(400, "Length of stream does not match given range")
        if len(asked.body) < PART and int(last) + 1 != int(total):
            raise RefusedError(400, f"a part of less than {PART} bytes that is not the last one")
        parts[asked.number("uploadPartIdx", 0)] = asked.body
        return {"errors": []}

    def _finish_upload(self, asked: Asked) -> Json:
        started, parts = self._under_way(asked)
        data = b"".join(parts[number] for number in range(len(parts)))
        if len(data) != int(started["totalLength"]):
            raise RefusedError(400, "parts are missing")
        del self._uploads[asked["uploadId"]]
        return self._put(started, data)

    def _under_way(self, asked: Asked) -> tuple[Asked, dict[int, bytes]]:
        found = self._uploads.get(asked["uploadId"])
        if found is None or found[0]["attribute"] != asked["attribute"]:
            raise RefusedError(404, "no such upload")
        return found

    def _upload_tar(self, asked: Asked) -> Json:
        with self.store.lock, tarfile.open(fileobj=io.BytesIO(asked.body)) as archive:
            one: Object = self.store.object(asked["experimentId"])
            found = one.attributes.setdefault(asked["attribute"], Attribute("fileSet"))
            if found.type != "fileSet":
                why = f"{asked['attribute']} is a {found.type}"
                error = {"errorDescription": why, "errorType": "metadata_inconsistency"}
                return {"errors": [error]}
            if asked.parameters.get("reset") == ["True"]:
                found.files.clear()
            for member in archive:
                source = archive.extractfile(member) if member.isfile() else None
                if source is not None:
                    found.files[posixpath.normpath(member.name)] = source.read()
            one.touched()
        return {"errors": []}

    # Artifacts

    def _create_artifact(self, asked: Asked) -> Json:
        key = (asked["projectIdentifier"], asked["hash"])
        known = key in self.store.artifacts
        return {"artifactHash": key[1], "receivedMetadata": known, "size": asked.number("size", 0)}

    def _artifact_files(self, asked: Asked) -> Json:
        key = (asked["projectIdentifier"], asked["hash"])
        self.store.artifacts[key] = asked.json["files"]
        return {"artifactHash": key[1], "receivedMetadata": True, "size": 0}

    def _artifact_version(self, asked: Asked) -> Json:
        project = asked["projectIdentifier"]
        files = self.store.artifacts.get((project, asked["hash"]), []) + asked.json["files"]
        digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
        self.store.artifacts[project, digest] = files
        return {"artifactHash": digest, "receivedMetadata": True, "size": 0}

    def _list_artifact(self, asked: Asked) -> Json:
        key = (asked["projectIdentifier"], asked["hash"])
        if key not in self.store.artifacts:
            raise RefusedError(404, f"no artifact {key[1]}")
        return {"files": self.store.artifacts[key]}


ZIP_PATH = f"{BACKEND}/emulator/zip"
"""Where zips lie; the client is told it with each."""


def _sortable(one: Object, column: str) -> Json:
    found = one.attributes.get(column)
    return "" if found is None else found.value


def _image_type(data: bytes) -> str:
    for sign, kind in ((b"\x89PNG", "png"), (b"\xff\xd8", "jpeg"), (b"GIF8", "gif")):
        if data.startswith(sign):
            return f"image/{kind}"
    return "application/octet-stream"
