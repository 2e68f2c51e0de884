"""What only registries have: discovery, references to blobs, imports, long-running operations."""

import hashlib
import re
from urllib.parse import urlsplit

from tests.support.azureml import assets, contents
from tests.support.azureml.answers import Answer, RefusedError, invalid, not_found
from tests.support.azureml.calls import Call
from tests.support.azureml.storage import READ, WRITE, Storage
from tests.support.azureml.world import Json, Place, World, new_id

FRONT_END = "/mferp/managementfrontend"

_ASSET = re.compile(r"azureml://registries/([^/]+)/([^/]+)/([^/]+)/versions/([^/]+)")
_SOURCE = re.compile(
    r"azureml://locations/([^/]+)/workspaces/([^/]+)/(models|environments)/([^/]+)/versions/([^/]+)"
)
_LIFETIME = 3600
_POLL_AGAIN = {"Retry-After": "1", "x-ms-retry-after-ms": "50"}


def host_of(place: Place) -> str:
    """Where a registry's assets are managed."""
    return f"cert-{place.location}.{place.tenant.cloud.experiments}"


def discovery(call: Call, world: World, name: str) -> Answer:
    """Where a registry is.

    Raises:
        RefusedError: The cloud has none of that name.
    """
    for place in world.places:
        ours = place.kind == "registries" and place.tenant.cloud is call.cloud
        if ours and place.name.casefold() == name.casefold():
            return Answer(
                body={
                    "registryName": place.name,
                    "tenantId": place.tenant.id,
                    "primaryRegion": place.location,
                    "regions": [place.location],
                    "subscriptionId": place.tenant.subscription,
                    "resourceGroup": place.group,
                    "workspaceName": None,
                    "primaryRegionResourceProviderUri": f"https://{host_of(place)}/",
                    "registryFqdns": {place.location: {"registryFqdn": host_of(place)}},
                }
            )
    raise not_found(f"Registry {name}")


def upload_reference(place: Place, name: str, number: str, body: Json, storage: Storage) -> Answer:
    """Where the blobs of a new version go.

    Raises:
        RefusedError: The version is there already (409).
    """
    match = _ASSET.fullmatch(str(body.get("assetId", "")))
    if not match or (match[1], match[3], match[4]) != (place.name, name, number):
        raise invalid("assetId does not name this asset.")
    kind = match[2]
    found = place.of(kind).get(name)
    if found and number in found.versions:
        raise RefusedError(409, "Conflict", f"Asset {name}:{number} already exists.")
    container = container_of(place, kind, name, number)
    storage.make(place.account, container)
    url = f"https://{place.tenant.cloud.blob_host(place.account)}/{container}"
    return _reference(place, url, container, WRITE, storage)


def download_reference(place: Place, body: Json, storage: Storage) -> Answer:
    """How the blobs of a version are read."""
    url = str(body.get("blobUri", ""))
    parts = urlsplit(url)
    if parts.hostname != place.tenant.cloud.blob_host(place.account):
        raise invalid("blobUri is not in the storage of the registry.")
    return _reference(place, url, parts.path.strip("/").split("/")[0], READ, storage)


def container_of(place: Place, kind: str, name: str, number: str) -> str:
    """The container of one version."""
    digest = hashlib.sha256(f"{place.guid}/{kind}/{name}/{number}".encode()).hexdigest()
    return f"{kind[:-1]}-{digest[:32]}"


def begun(call: Call, place: Place, answer: Answer) -> Answer:
    """The same answer, as that of an operation whose state can be asked for."""
    return Answer(
        status=answer.status,
        body=answer.body,
        headers={"Azure-AsyncOperation": _operation(call, place, "operations"), **_POLL_AGAIN},
    )


def accepted(call: Call, place: Place) -> Answer:
    """An operation that answers nothing in the end, and goes on for a while."""
    location = _operation(call, place, "operationresults")
    return Answer(status=202, headers={"Location": location, **_POLL_AGAIN})


def operation(place: Place, name: str) -> Answer:
    """How far an operation is."""
    status = "InProgress" if _goes_on(place, name) else "Succeeded"
    headers = _POLL_AGAIN if status == "InProgress" else {}
    return Answer(body={"name": name, "status": status}, headers=headers)


def operation_result(call: Call, place: Place, name: str) -> Answer:
    """What comes out of an operation: nothing, when it is done."""
    if _goes_on(place, name):
        return Answer(status=202, headers={"Location": call.full_url, **_POLL_AGAIN})
    return Answer(status=200)


def _operation(call: Call, place: Place, kind: str) -> str:
    name = new_id()
    place.operations[name] = place.polls
    version = f"api-version={call.query['api-version']}"
    return f"https://{call.host}{FRONT_END}{place.id}/{kind}/{name}?{version}"


def _goes_on(place: Place, name: str) -> bool:
    if name not in place.operations:
        raise not_found(f"Operation {name}")
    place.operations[name] -= 1
    return place.operations[name] >= 0


def import_asset(place: Place, world: World, body: Json, storage: Storage, who: str) -> None:
    """Copy a version of a workspace into the registry, blobs and all, on the server's side.

    Raises:
        RefusedError: There is no such version, or it is in another tenant.
    """
    wanted = body.get("properties", {})
    match = _SOURCE.fullmatch(str(wanted.get("sourceAssetId", "")))
    if wanted.get("referenceType") != "Id" or not match:
        raise invalid("sourceAssetId does not name an asset of a workspace.")
    source = next((p for p in world.places if p.guid == match[2]), None)
    if source is None or source.tenant is not place.tenant:
        raise not_found(f"Workspace {match[2]}")
    kind, name, number = match[3], wanted["destinationName"], wanted["destinationVersion"]
    properties = dict(assets.version(source, kind, match[4], match[5]).body["properties"])
    if kind == "models":
        container = container_of(place, kind, name, number)
        folder = _copied(source, place, properties["modelUri"], container, storage)
        host = place.tenant.cloud.blob_host(place.account)
        properties["modelUri"] = f"https://{host}/{container}/{folder}"
        properties.pop("jobName", None)
    if build := properties.get("build"):
        container = container_of(place, kind, name, number)
        prefix = urlsplit(build["contextUri"]).path.strip("/").partition("/")[2]
        store = next(s for s in source.datastores.values() if s.container in build["contextUri"])
        found = storage.files(store.account, store.container, f"{prefix}/")
        storage.put(place.account, container, "context", found)
        host = place.tenant.cloud.blob_host(place.account)
        properties["build"] = {**build, "contextUri": f"https://{host}/{container}/context/"}
    assets.put_version(
        place, kind, name, number, {"properties": properties}, who=who, check=contents.checked
    )


def _copied(source: Place, place: Place, uri: str, container: str, storage: Storage) -> str:
    datastore, _, path = uri.partition("/datastores/")[2].partition("/paths/")
    store = source.datastores[datastore]
    path = path.rstrip("/")
    folder = path.rpartition("/")[2]
    found = storage.files(store.account, store.container, path)
    storage.make(place.account, container)
    for rest, raw in found.items():
        if not rest or rest.startswith("/"):
            storage.put(place.account, container, "", {f"{folder}{rest}": raw})
    return folder


def _reference(place: Place, url: str, container: str, rights: str, storage: Storage) -> Answer:
    token = storage.sas(place.tenant.cloud, place.account, container, rights, _LIFETIME)
    root = f"https://{place.tenant.cloud.blob_host(place.account)}/{container}"
    return Answer(
        body={
            "blobReferenceForConsumption": {
                "blobUri": url,
                "storageAccountArmId": f"{place.id}/storage/{place.account}",
                "credential": {"credentialType": "SAS", "sasUri": f"{root}?{token}"},
            }
        }
    )
