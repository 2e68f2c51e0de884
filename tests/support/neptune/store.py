"""What the server keeps: projects, and objects with attributes. In memory only."""

import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""Whatever JSON can say."""


class RefusedError(Exception):
    """A request that the server refuses.

    Attributes:
        status: Of HTTP.
        kind: What the client tells errors by.
    """

    def __init__(self, status: int, title: str, kind: str = "") -> None:
        """Say why."""
        super().__init__(title)
        self.status = status
        self.kind = kind


@dataclass(slots=True)
class Point:
    """One item of a series."""

    step: float
    time: int
    value: Json
    name: str = ""
    description: str = ""


@dataclass(slots=True)
class Attribute:
    """One attribute, of any type.

    Attributes:
        type: As the interface names it.
        value: Of what is one value; of a set its members; of a file its bytes; of an artifact its
            hash.
        points: Of a series.
        files: Of a file set, by their paths.
        ext: Of a file.
        channel: Of a series of images.
    """

    type: str
    value: Json = None
    points: list[Point] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    ext: str = ""
    channel: str = field(default_factory=lambda: str(uuid.uuid4()))

    def told(self, name: str) -> dict[str, Json]:
        """As the interface tells it."""
        properties: dict[str, Json] = {"attributeName": name, "attributeType": self.type}
        last = self.points[-1] if self.points else None
        match self.type:
            case "stringSet":
                properties["values"] = sorted(self.value)
            case "file":
                stem = name.rpartition("/")[2]
                properties["name"] = f"{stem}.{self.ext}" if self.ext else stem
                properties |= {"ext": self.ext, "size": len(self.value)}
            case "fileSet":
                properties["size"] = sum(map(len, self.files.values()))
            case "floatSeries" | "stringSeries":
                properties |= {"last": last.value, "lastStep": last.step} if last else {}
            case "imageSeries":
                properties["channelId"] = self.channel
                properties |= {"lastStep": last.step} if last else {}
            case "artifact":
                properties["hash"] = self.value
            case "gitRef":
                properties |= self.value
            case _:
                properties["value"] = self.value
        return {"name": name, "type": self.type, f"{self.type}Properties": properties}


@dataclass(slots=True)
class Project:
    """A project of a workspace."""

    id: str
    workspace: str
    name: str
    key: str
    runs: int = 0

    @property
    def path(self) -> str:
        """`WORKSPACE/PROJECT`."""
        return f"{self.workspace}/{self.name}"


@dataclass(slots=True)
class Object:
    """A run, a model, a model version, or a project as an object."""

    id: str
    type: str
    sys_id: str
    project: Project
    parent: str = ""
    custom: str | None = None
    versions: int = 0
    attributes: dict[str, Attribute] = field(default_factory=dict)

    def told(self) -> dict[str, Json]:
        """As the interface tells it."""
        return {
            "id": self.id,
            "type": self.type,
            "shortId": self.sys_id,
            "organizationName": self.project.workspace,
            "projectName": self.project.name,
            "trashed": self.attributes["sys/trashed"].value,
            "parentId": self.parent or None,
            "projectId": self.project.id,
            "customId": self.custom,
        }

    def touched(self) -> None:
        """Something was changed now."""
        self.attributes["sys/modification_time"].value = moment(time.time_ns() // 1_000_000)


def moment(milliseconds: int) -> str:
    """A time as the interface writes it."""
    text = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


class Store:
    """Everything; the lock is held by who changes it."""

    def __init__(self) -> None:
        """Nothing is there."""
        self.lock = threading.RLock()
        self.projects: dict[str, Project] = {}
        self.objects: dict[str, Object] = {}
        self.artifacts: dict[tuple[str, str], list[dict[str, Json]]] = {}
        self._named: dict[str, str] = {}

    def add_project(self, path: str, key: str) -> Project:
        """Make a project."""
        workspace, _, name = path.partition("/")
        project = Project(str(uuid.uuid4()), workspace, name, key)
        with self.lock:
            self.projects[path] = project
            self._keep(Object(project.id, "project", key, project))
        return project

    def project(self, identifier: str) -> Project:
        """By its path or its id."""
        for project in self.projects.values():
            if identifier in {project.id, project.path}:
                return project
        raise RefusedError(404, f"no project {identifier}", "PROJECT_NOT_FOUND")

    def object(self, identifier: str) -> Object:
        """By its id, or by `WORKSPACE/PROJECT/SYS-ID`."""
        found = self.objects.get(self._named.get(identifier, identifier))
        if found is None:
            raise RefusedError(404, f"no object {identifier}", "EXPERIMENT_NOT_FOUND")
        return found

    def objects_of(self, project: Project, types: list[str]) -> Iterator[Object]:
        """Those of some types."""
        for one in list(self.objects.values()):
            if one.project is project and one.type in types:
                yield one

    def attribute(self, identifier: str, name: str, kind: str) -> Attribute:
        """One of a type."""
        found = self.object(identifier).attributes.get(name)
        if found is None or found.type != kind:
            raise RefusedError(404, f"no {kind} {name}", "ATTRIBUTE_NOT_FOUND")
        return found

    def create(self, asked: dict[str, Json]) -> Object:
        """Make a run, a model or a version; a run of a custom id that is there is given back."""
        with self.lock:
            project = self.project(asked["projectIdentifier"])
            match asked["type"]:
                case "run":
                    made = self._create_run(project, asked.get("customId"))
                case "model":
                    made = self._create_model(project, asked["key"])
                case "modelVersion":
                    made = self._create_version(project, asked["parentId"])
                case other:
                    raise RefusedError(400, f"no type {other}")
            if asked.get("gitInfo") and "source_code/git" not in made.attributes:
                made.attributes["source_code/git"] = Attribute("gitRef", asked["gitInfo"])
            return made

    def _create_run(self, project: Project, custom: str | None) -> Object:
        for one in self.objects_of(project, ["run"]):
            if custom and one.custom == custom:
                return one
        project.runs += 1
        number = f"{project.key}-{project.runs}"
        return self._keep(
            Object(str(uuid.uuid4()), "run", number, project, project.id, custom or None)
        )

    def _create_model(self, project: Project, key: str) -> Object:
        sys_id = f"{project.key}-{key}"
        if f"{project.path}/{sys_id}" in self._named:
            raise RefusedError(409, f"{sys_id} is there")
        return self._keep(Object(str(uuid.uuid4()), "model", sys_id, project, project.id))

    def _create_version(self, project: Project, parent: str) -> Object:
        model = self.object(parent)
        if model.type != "model":
            raise RefusedError(400, f"{parent} is no model")
        model.versions += 1
        sys_id = f"{model.sys_id}-{model.versions}"
        return self._keep(Object(str(uuid.uuid4()), "modelVersion", sys_id, project, model.id))

    def _keep(self, made: Object) -> Object:
        now = moment(time.time_ns() // 1_000_000)
        made.attributes |= {
            "sys/id": Attribute("string", made.sys_id),
            "sys/owner": Attribute("string", "emulator"),
            "sys/trashed": Attribute("bool", value=False),
            "sys/size": Attribute("float", 0.0),
            "sys/creation_time": Attribute("datetime", now),
            "sys/modification_time": Attribute("datetime", now),
            "sys/ping_time": Attribute("datetime", now),
            "sys/running_time": Attribute("float", 0.0),
            "sys/monitoring_time": Attribute("int", 0),
            "sys/state": Attribute("experimentState", "idle"),
            "sys/tags": Attribute("stringSet", set()),
        }
        if made.type == "modelVersion":
            made.attributes["sys/stage"] = Attribute("string", "none")
            model = self.objects[made.parent].sys_id
            made.attributes["sys/model_id"] = Attribute("string", model)
        if made.custom:
            made.attributes["sys/custom_run_id"] = Attribute("string", made.custom)
        self.objects[made.id] = made
        self._named[f"{made.project.path}/{made.sys_id}"] = made.id
        return made
