"""`ENVIRONMENT/azureml_environment.json`: an environment of the classic client (clause 3)."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from mlarchive.records import Environment, Loss, Native
from mlarchive.registries.innereye.layout import CONDA, DOCKERFILE, Contents
from mlarchive.registries.innereye.modeldocument import LAYOUT, OURS, is_ours, stated_as, telling
from mlarchive.registries.innereye.secrets import NEVER_KEPT, hidden, without
from mlarchive.registries.jsondocuments import Table
from mlarchive.registries.redaction import image_without_user, redacted

_DOCUMENT: dict[str, Any] = {
    "name": None,
    "version": None,
    "environmentVariables": {},
    "python": {
        "userManagedDependencies": False,
        "interpreterPath": "python",
        "condaDependenciesFile": None,
        "baseCondaEnvironment": None,
    },
    "docker": {
        "enabled": False,
        "baseImage": None,
        "baseDockerfile": None,
        "buildContext": None,
        "sharedVolumes": True,
        "shmSize": None,
        "arguments": [],
        "baseImageRegistry": {
            "address": None,
            "username": None,
            "password": None,
            "registryIdentity": None,
        },
        "platform": {"os": "Linux", "architecture": "amd64"},
    },
    "spark": {"repositories": [], "packages": [], "precachePackages": True},
    "databricks": {
        "mavenLibraries": [],
        "pypiLibraries": [],
        "rcranLibraries": [],
        "jarLibraries": [],
        "eggLibraries": [],
    },
    "r": None,
    "inferencingStackVersion": None,
    "assetId": None,
}
"""The document of an environment of which nothing is known."""

_TOLD = {
    *("name", "version", "assetId", "environmentVariables", "docker.enabled", "docker.baseImage"),
    *("docker.baseDockerfile", "docker.platform.os"),
    *("python.condaDependencies", "python.condaDependenciesFile"),
}
"""Members that a record says, that are ids, or that mean nothing any more."""


def read_environment(document: Table, found: Contents) -> tuple[Environment, list[Loss]]:
    """The environment that a document states, and the secrets that it gives up.

    Raises:
        DamageError: A member is of a wrong type.
    """
    docker, python = document.table("docker"), document.table("python")
    original = dict(document.members)
    kept = redacted(original)
    variables = document.tags("environmentVariables")
    shown = Table(kept, document.where).tags("environmentVariables")
    record = Environment(
        key="environment",
        native=Native(
            id=document.text("name"),
            verbatim=json.dumps(kept, ensure_ascii=False),
            also={LAYOUT: OURS},
        ),
        name=document.text("name"),
        version=document.text("version"),
        conda=CONDA if CONDA in found.environment else "",
        dockerfile=DOCKERFILE if DOCKERFILE in found.environment else "",
        image=image_without_user(docker.text("baseImage")),
        os=docker.table("platform").text("os"),
        variables={n: value for n, value in variables.items() if shown[n] == value},
    )
    what = f"environments/{record.name}"
    losses = [Loss(record=what, field=place, why=NEVER_KEPT) for place in hidden(kept, original)]
    why = "it stands in the document and not in a file; it is kept as evidence alone"
    if python.members.get("condaDependencies") is not None:
        losses.append(Loss(record=what, field="python.condaDependencies", why=why))
    if docker.members.get("baseDockerfile") is not None and not record.dockerfile:
        losses.append(Loss(record=what, field="docker.baseDockerfile", why=why))
    return record, losses


def write_environment(environment: Environment) -> bytes:
    """The document of an environment; passwords stand in none."""
    stated = _before(environment)
    docker = stated.get("docker") or {}
    platform = docker.get("platform") or {}
    if environment.dockerfile:
        # The client leaves the member out where the file stands beside.
        docker.pop("baseDockerfile", None)
    _state(stated, "name", environment.name)
    _state(stated, "version", environment.version)
    variables = stated_as(stated.get("environmentVariables"), environment.variables)
    _state(stated, "environmentVariables", variables)
    _state(docker, "baseImage", environment.image)
    _state(platform, "os", environment.os)
    return json.dumps(stated, indent=4).encode()


def _state(members: dict[str, Any], name: str, value: Any) -> None:  # noqa: ANN401  (any JSON)
    """Say something in a document; nothing is said as the document says it."""
    if value:
        members[name] = value
    elif members.get(name):
        members[name] = type(members[name])() if isinstance(members[name], dict) else None


def unplaced(environment: Environment) -> Iterator[Loss]:
    """What the document and its two files have no place for."""
    what = f"environments/{environment.name}"
    why = "the layout has no place for it"
    facts = {
        "description": environment.description,
        "inference config": environment.inference,
        "requirements": environment.requirements,
        "lifecycle": "" if environment.lifecycle == "active" else environment.lifecycle,
        **{f"tag {name}": name for name in environment.tags},
        **{f"property {name}": name for name in environment.properties},
    }
    for field, value in facts.items():
        if value:
            yield Loss(record=what, field=field, why=why)


def evidence_alone(environment: Environment) -> Iterator[str]:
    """Members of such a document that say something, and that no record has a place for."""
    if is_ours(environment.native):
        told = _TOLD if environment.conda else {*_TOLD, "python.userManagedDependencies"}
        stated = json.loads(environment.native.verbatim)
        yield from (place for place in telling(stated, _DOCUMENT) if place not in told)


def _before(environment: Environment) -> dict[str, Any]:
    if not is_ours(environment.native):
        return copy.deepcopy(_DOCUMENT)
    before: dict[str, Any] = without(json.loads(environment.native.verbatim))
    return before
