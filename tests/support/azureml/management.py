"""Azure Resource Manager and the front end of registries: which resource a request is about.

Every request has the token of a principal of the tenant whose resource it is, and the right to
do it; every one names its version of the API.
"""

import re
from urllib.parse import unquote

from tests.support.azureml import assets, contents, datastores, registries
from tests.support.azureml.answers import Answer, RefusedError, invalid, not_found
from tests.support.azureml.calls import Call
from tests.support.azureml.storage import Storage
from tests.support.azureml.tokens import Bearer, Tokens
from tests.support.azureml.world import (
    MACHINE_LEARNING,
    Json,
    Place,
    Right,
    World,
    system_data,
)

_DISCOVERY = re.compile(r"/registrymanagement/v1\.0/registries/([^/]+)/discovery")
_PLACE = re.compile(
    rf"/subscriptions/([^/]+)/resourceGroups/([^/]+){MACHINE_LEARNING}"
    r"/(workspaces|registries)/([^/]+)(/.*)?",
    re.IGNORECASE,
)
_STORAGE = "/providers/Microsoft.Storage/storageAccounts"
_VERSION = re.compile(r"v1\.0|20[0-9]{2}-[01][0-9]-[0-3][0-9](-[a-z]+)?")


def answer(call: Call, world: World, tokens: Tokens, storage: Storage) -> Answer:
    """Answer a request to a management host.

    Raises:
        RefusedError: As the service refuses.
    """
    bearer = tokens.bearer(call.headers, call.cloud, "management")
    if not _VERSION.fullmatch(call.query.get("api-version", "")):
        raise invalid("The request names no known api-version.")
    if match := _DISCOVERY.fullmatch(call.path):
        return registries.discovery(call, world, unquote(match[1]))
    place, rest = place_of(call, world, bearer)
    _require_right(place, bearer, call, rest)
    if not rest:
        return Answer(body=_resource(place))
    who = bearer.principal.client_id
    if rest[0] in assets.KINDS:
        return _assets(call, place, rest, who)
    if place.kind == "registries":
        return _registry(call, place, rest, who, world=world, storage=storage)
    return _workspace(call, place, rest, storage)


def place_of(call: Call, world: World, bearer: Bearer) -> tuple[Place, list[str]]:
    """The workspace or registry that a path names, and the parts that come after it.

    Raises:
        RefusedError: There is none, or it is in another tenant.
    """
    front_end = call.host.endswith(f".{call.cloud.experiments}")
    path = call.path.removeprefix(registries.FRONT_END) if front_end else call.path
    match = _PLACE.fullmatch(path)
    if not match or front_end != (match[3].casefold() == "registries"):
        raise RefusedError(404, "InvalidResourceType", f"No resource is at {call.path}.")
    rest = match[5] or ""
    place = place_at(unquote(path.removesuffix(rest)), call, world, bearer)
    return place, [unquote(part) for part in rest.split("/") if part]


def place_at(wanted: str, call: Call, world: World, bearer: Bearer) -> Place:
    """The workspace or registry of an id, in whatever case.

    Raises:
        RefusedError: There is none, or it is in another tenant.
    """
    for place in world.places:
        if place.tenant.cloud is call.cloud and place.id.casefold() == wanted.casefold():
            if place.tenant is not bearer.tenant:
                why = "The access token is from the wrong issuer; it must match the tenant."
                raise RefusedError(401, "InvalidAuthenticationTokenTenant", why)
            return place
    name = wanted.rpartition("/")[2]
    raise RefusedError(404, "ResourceNotFound", f"The resource '{name}' was not found.")


def _require_right(place: Place, bearer: Bearer, call: Call, rest: list[str]) -> None:
    needed: Right = "read" if call.method == "GET" or rest[:1] == ["datarefs"] else "write"
    if rest[-1:] == ["listSecrets"]:
        needed = "secrets"
    if (place.id, needed) in bearer.principal.refused:
        action = f"Microsoft.MachineLearningServices/{place.kind}/{'/'.join(rest[::2])}/{needed}"
        raise RefusedError(
            403,
            "AuthorizationFailed",
            f"The client '{bearer.principal.client_id}' does not have authorization to perform"
            f" action '{action}' over scope '{place.id}' or the scope is invalid.",
        )


def _assets(call: Call, place: Place, rest: list[str], who: str) -> Answer:
    kind = rest[0]
    match call.method, rest[1:]:
        case "GET", []:
            return assets.listing(place, kind, call.query, call.url)
        case "GET", [name]:
            return assets.container(place, kind, name)
        case "PUT", [name]:
            answer = assets.change_container(place, kind, name, call.body, who)
        case "GET", [name, "versions"]:
            return assets.versions(place, kind, name, call.query, call.url)
        case "GET", [name, "versions", number]:
            return assets.version(place, kind, name, number)
        case "PUT", [name, "versions", number]:
            answer = assets.put_version(
                place, kind, name, number, call.body, who=who, check=contents.checked
            )
        case _:
            raise RefusedError(405, "MethodNotAllowed", f"{call.method} {call.path}")
    return registries.begun(call, place, answer) if place.kind == "registries" else answer


def _registry(  # noqa: PLR0913  (what a request is about, and what answers it)
    call: Call, place: Place, rest: list[str], who: str, *, world: World, storage: Storage
) -> Answer:
    match call.method, rest:
        case "PUT", ["tempdatarefs", name, "versions", number]:
            return registries.upload_reference(place, name, number, call.body, storage)
        case "POST", ["datarefs", _, "versions", _]:
            return registries.download_reference(place, call.body, storage)
        case "POST", ["import"]:
            registries.import_asset(place, world, call.body, storage, who)
            return registries.accepted(call, place)
        case "GET", ["operationresults", name]:
            return registries.operation_result(call, place, name)
        case "GET", ["operations", name]:
            return registries.operation(place, name)
    raise not_found(f"{call.method} {call.path}")


def _workspace(call: Call, place: Place, rest: list[str], storage: Storage) -> Answer:
    match call.method, rest:
        case "GET", ["datastores"]:
            return datastores.listing(place, call.query, call.url)
        case "GET", ["datastores", name]:
            return datastores.datastore(place, name)
        case "POST", ["datastores", name, "listSecrets"]:
            return datastores.secrets(place, name, call.body, storage)
        case "GET", ["jobs"]:
            return assets.paged(list(place.jobs.values()), call.query, call.url, place.page)
        case "GET", ["jobs", name] if name in place.jobs:
            return Answer(body=place.jobs[name])
    raise not_found(f"{call.method} {call.path}")


def _resource(place: Place) -> Json:
    api = f"{place.location}.{place.tenant.cloud.api}"
    group = place.id.partition(MACHINE_LEARNING)[0]
    return {
        "id": place.id,
        "name": place.name,
        "location": place.location,
        "type": f"Microsoft.MachineLearningServices/{place.kind}",
        "tags": {},
        "systemData": system_data(place.name),
        "identity": {"type": "SystemAssigned"},
        "sku": {"name": "Basic", "tier": "Basic"},
        "properties": {
            "workspaceId": place.guid,
            "friendlyName": place.name,
            "description": "",
            "storageAccount": f"{group}{_STORAGE}/{place.account}",
            "mlFlowTrackingUri": f"azureml://{api}/mlflow/v1.0{place.id}",
            "discoveryUrl": f"https://{api}/discovery",
        },
    }
