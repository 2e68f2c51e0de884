"""What a version may be made of: paths that lead somewhere, an image or a build context.

A workspace resolves the short forms of a URI as the service does: `azureml://datastores/…`,
`azureml://jobs/…/outputs/…`, `runs:/…`; a model from a job has the job's name.
"""

import re
from urllib.parse import urlsplit

from tests.support.azureml.answers import invalid, not_found
from tests.support.azureml.world import Json, Place

_SHORT = re.compile(r"azureml://datastores/([^/]+)/paths/(.+)")
_LONG = re.compile(
    r"azureml://subscriptions/([^/]+)/resourcegroups/([^/]+)(?:/providers/[^/]+)?"
    r"/workspaces/([^/]+)/datastores/([^/]+)/paths/(.+)",
    re.IGNORECASE,
)
_JOB = re.compile(r"azureml://jobs/([^/]+)/outputs/([^/]+)(?:/paths/(.+))?")
_RUN = re.compile(r"runs:/([^/]+)/(.+)")
_TYPES = ("custom_model", "mlflow_model", "triton_model", "preset_model")


def checked(place: Place, kind: str, given: Json) -> Json:
    """The properties of a new version as the service keeps them.

    Raises:
        RefusedError: It cannot be made of that.
    """
    if kind == "models":
        return _model(place, given)
    if kind == "codes":
        return {**given, "codeUri": _blob(place, given, "codeUri")}
    return _environment(place, given)


def _model(place: Place, given: Json) -> Json:
    uri = given.get("modelUri")
    if not isinstance(uri, str) or not uri:
        raise invalid("A model needs a modelUri.")
    if given.get("modelType", "custom_model") not in _TYPES:
        raise invalid(f"'{given['modelType']}' is no type of a model.")
    for name, flavor in given.get("flavors", {}).items():
        if not isinstance(flavor, dict) or set(flavor) - {"data"}:
            raise invalid(f"The flavor '{name}' has no data.")
    if "jobName" in given and given["jobName"] not in place.jobs:
        raise invalid(f"There is no job {given['jobName']}.")
    if place.kind == "registries":
        return {**given, "modelUri": _blob(place, given, "modelUri")}
    resolved, job = _resolved(place, uri)
    return {**given, "modelUri": resolved} | ({"jobName": job} if job else {})


def _resolved(place: Place, uri: str) -> tuple[str, str]:
    """The long form of a URI in a workspace, and the job that it names."""
    if match := _JOB.fullmatch(uri):
        job, output, path = match[1], match[2], match[3] or ""
        folder = f"dcid.{job}" if output == "artifacts" else f"dcid.{job}/{output}"
    elif match := _RUN.fullmatch(uri):
        job, path = match[1], match[2]
        folder = f"dcid.{job}"
    else:
        return _stored(place, uri), ""
    if job not in place.jobs:
        raise not_found(f"Job {job}")
    full = f"ExperimentRun/{folder}/{path}".rstrip("/")
    return place.uri_of("workspaceartifactstore", full), job


def _stored(place: Place, uri: str) -> str:
    if match := _SHORT.fullmatch(uri):
        datastore, path = match[1], match[2]
    elif match := _LONG.fullmatch(uri):
        ours = (place.tenant.subscription, place.group, place.name)
        if tuple(part.casefold() for part in match.groups()[:3]) != tuple(
            part.casefold() for part in ours
        ):
            raise invalid(f"{uri} is in another workspace.")
        datastore, path = match[4], match[5]
    else:
        raise invalid(f"{uri} is not a path that a workspace can have a model at.")
    if datastore not in place.datastores:
        raise not_found(f"Datastore {datastore}")
    return place.uri_of(datastore, path)


def _blob(place: Place, given: Json, name: str) -> str:
    """A plain address of blobs in the place's own account."""
    uri = str(given.get(name, ""))
    parts = urlsplit(uri)
    if parts.scheme != "https" or parts.query or not parts.path.strip("/"):
        raise invalid(f"{name} must be an https address of blobs, without a query.")
    if parts.hostname != place.tenant.cloud.blob_host(place.account):
        raise invalid(f"{name} must be in the storage of {place.name}.")
    return uri


def _environment(place: Place, given: Json) -> Json:
    build = given.get("build")
    if bool(given.get("image")) == bool(build):
        raise invalid("An environment needs either an image or a build context.")
    if given.get("osType", "Linux") not in {"Linux", "Windows"}:
        raise invalid(f"'{given['osType']}' is no operating system.")
    if build:
        if given.get("condaFile"):
            raise invalid("A build context excludes a conda file.")
        _blob(place, {"contextUri": build.get("contextUri", "")}, "contextUri")
        return {**given, "build": {"dockerfilePath": "Dockerfile", **build}}
    return given
