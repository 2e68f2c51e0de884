"""Models, environments and code of a workspace or a registry, with their rules.

Container and versions as the REST API has them: versions of models are positive integers, what a
version is made of is frozen, tags and properties are strings, archiving hides from listings only.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.azureml.answers import Answer, RefusedError, invalid, not_found
from tests.support.azureml.world import Asset, Json, Place, system_data

KINDS = ("models", "environments", "codes")

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_\-]{0,254}")
_MODEL_VERSION = re.compile(r"[1-9][0-9]{0,29}")
_VERSION = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._\-]{0,29}")
_VIEWS = ("ActiveOnly", "ArchivedOnly", "All")

_COMMON = {"description", "tags", "properties", "isArchived", "isAnonymous", "stage"}
_KNOWN: Mapping[str, set[str]] = {
    "models": {
        *("modelUri", "modelType", "jobName", "flavors", "datasets", "provisioningState"),
        *("intellectualProperty", "systemMetadata", "defaultDeploymentTemplate"),
        "allowedDeploymentTemplates",
    },
    "environments": {
        *("image", "condaFile", "build", "osType", "environmentType", "inferenceConfig"),
        *("autoRebuild", "provisioningState", "intellectualProperty"),
    },
    "codes": {"codeUri", "provisioningState"},
}
_FROZEN: Mapping[str, tuple[str, ...]] = {
    "models": ("modelUri", "modelType", "jobName", "flavors"),
    "environments": ("image", "condaFile", "build", "osType", "inferenceConfig"),
    "codes": ("codeUri",),
}
_DEFAULTS: Mapping[str, Json] = {
    "models": {"flavors": {}, "jobName": None, "stage": None, "modelType": "custom_model"},
    "environments": {"environmentType": "UserCreated", "osType": "Linux"},
    "codes": {},
}


def listing(place: Place, kind: str, query: Mapping[str, str], url: str) -> Answer:
    """The containers of a kind, a page at a time."""
    items = [
        _container(place, kind, asset)
        for _, asset in sorted(place.of(kind).items())
        if _visible(query, archived=bool(asset.properties.get("isArchived")))
    ]
    return paged(items, query, url, place.page)


def container(place: Place, kind: str, name: str) -> Answer:
    """One container."""
    return Answer(body=_container(place, kind, _asset(place, kind, name)))


def change_container(place: Place, kind: str, name: str, body: Json, who: str) -> Answer:
    """Change what a container says of itself."""
    properties = _checked_labels(body)
    asset = place.of(kind).get(name)
    if asset is None:
        _check_name(name)
        asset = place.of(kind)[name] = Asset(name=name, created=system_data(who))
    asset.properties.update(properties)
    asset.created = system_data(who, asset.created)
    return Answer(body=_container(place, kind, asset))


def versions(place: Place, kind: str, name: str, query: Mapping[str, str], url: str) -> Answer:
    """The versions of a name, a page at a time, the newest first.

    A registry answers an empty list for a name that it has not; a workspace 404.
    """
    if name not in place.of(kind) and place.kind == "registries":
        return Answer(body={"value": [], "nextLink": None})
    asset = _asset(place, kind, name)
    hidden = bool(asset.properties.get("isArchived"))
    items = [
        item
        for item in asset.versions.values()
        if _visible(query, archived=hidden or bool(item["properties"].get("isArchived")))
        and query.get("stage") in {None, item["properties"].get("stage")}
    ][::-1]
    order = (query.get("$orderBy") or query.get("orderBy") or "desc").lower()
    if "desc" not in order:
        items.reverse()
    if "$top" in query:
        return Answer(body={"value": items[: int(query["$top"])], "nextLink": None})
    return paged(items, query, url, place.page)


def version(place: Place, kind: str, name: str, number: str) -> Answer:
    """One version; a registry may not have replicated it yet."""
    found = place.of(kind).get(name)
    if found is None or number not in found.versions:
        raise not_found(f"{kind[:-1]} with name {name} and version {number}")
    key = (kind, name, number)
    if place.unseen.get(key, 0) > 0:
        place.unseen[key] -= 1
        raise not_found(f"{kind[:-1]} with name {name} and version {number}")
    return Answer(body=found.versions[number])


def put_version(  # noqa: PLR0913  (the address of a version, what it is to be, and who says so)
    place: Place,
    kind: str,
    name: str,
    number: str,
    body: Json,
    *,
    who: str,
    check: Callable[[Place, str, Json], Json],
) -> Answer:
    """Create a version, or change what may be changed of it.

    Args:
        place: Where.
        kind: Of asset.
        name: Of the asset.
        number: Of the version.
        body: As it was sent.
        who: Asks.
        check: Refuses contents that cannot be; gives the properties as the service keeps them.
    """
    _check_name(name)
    _check_number(kind, number)
    given = _checked_version(kind, body)
    old = place.of(kind)[name].versions.get(number) if name in place.of(kind) else None
    if old is None:
        properties = {**_fresh(kind), **check(place, kind, given)}
    else:
        properties = {**old["properties"], **_changed(kind, old["properties"], given)}
        if place.keeps_stages and given.get("stage") == "None":
            properties["stage"] = old["properties"].get("stage")
    asset = place.of(kind).setdefault(name, Asset(name=name, created=system_data(who)))
    asset.created = system_data(who, asset.created)
    asset.versions[number] = {
        "id": place.asset_id(kind, name, number),
        "name": number,
        "type": f"Microsoft.MachineLearningServices/{place.kind}/{kind}/versions",
        "properties": properties,
        "systemData": system_data(who, old and old["systemData"]),
    }
    if old is None and place.replication:
        place.unseen[kind, name, number] = place.replication
    return Answer(status=200 if old else 201, body=asset.versions[number])


def paged(items: list[Json], query: Mapping[str, str], url: str, size: int) -> Answer:
    """One page of a listing, and where the next one is."""
    start = int(query.get("$skip", "0"))
    kept = "&".join(f"{name}={value}" for name, value in query.items() if name != "$skip")
    more = start + size < len(items)
    link = f"{url}?{kept}&$skip={start + size}" if more else None
    return Answer(body={"value": items[start : start + size], "nextLink": link})


def _container(place: Place, kind: str, asset: Asset) -> Json:
    numbers = [int(number) for number in asset.versions if number.isdecimal()]
    latest = next(reversed(asset.versions), None)
    labels: Json = {"description": None, "tags": {}, "properties": {}, "isArchived": False}
    return {
        "id": f"{place.id}/{kind}/{asset.name}",
        "name": asset.name,
        "type": f"Microsoft.MachineLearningServices/{place.kind}/{kind}",
        "systemData": asset.created,
        "properties": {
            **labels,
            **asset.properties,
            "latestVersion": latest,
            "nextVersion": str(max(numbers, default=0) + 1),
        },
    }


def _asset(place: Place, kind: str, name: str) -> Asset:
    found = place.of(kind).get(name)
    if found is None:
        raise not_found(f"{kind[:-1]} container with name {name}")
    return found


def _visible(query: Mapping[str, str], *, archived: bool) -> bool:
    view = query.get("listViewType", "ActiveOnly")
    # Registries get the name of the client's own constant, and take it for the default.
    if view.startswith("ListViewType."):
        view = "ActiveOnly"
    if view not in _VIEWS:
        raise invalid(f"The value '{view}' is not valid for listViewType.")
    return view == "All" or archived == (view == "ArchivedOnly")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise invalid(f"The name '{name}' does not match {_NAME.pattern}.")


def _check_number(kind: str, number: str) -> None:
    pattern = _MODEL_VERSION if kind == "models" else _VERSION
    if not pattern.fullmatch(number):
        what = "must be a positive integer" if kind == "models" else "has a wrong form"
        raise RefusedError(400, "UserError", f"The version '{number}' {what}.")


def _checked_labels(body: Json) -> Json:
    properties = body.get("properties")
    if not isinstance(properties, dict):
        raise invalid("The body has no properties.")
    given = {name: value for name, value in properties.items() if value is not None}
    for name in ("tags", "properties"):
        pairs = given.get(name, {})
        if not isinstance(pairs, dict) or not all(isinstance(v, str) for v in pairs.values()):
            raise invalid(f"{name} must be strings by name.")
    return given


def _checked_version(kind: str, body: Json) -> Json:
    given = _checked_labels(body)
    if unknown := set(given) - _COMMON - _KNOWN[kind]:
        raise invalid(f"Could not find member '{min(unknown)}' on object of type {kind[:-1]}.")
    return given


def _fresh(kind: str) -> Json:
    labels: Json = {"description": None, "tags": {}, "properties": {}, "isArchived": False}
    return {**labels, "isAnonymous": False, **_DEFAULTS[kind]}


def _changed(kind: str, old: Json, given: Json) -> Json:
    for name in _FROZEN[kind]:
        if name in given and not _same(old.get(name), given[name]):
            if name == "modelUri":
                raise RefusedError(400, "UserError", "Asset paths cannot be updated.")
            status = 409 if kind == "environments" else 400
            raise RefusedError(status, "UserError", f"{name} of a version cannot be changed.")
    return {name: value for name, value in given.items() if name not in _FROZEN[kind]}


def _same(old: Any, new: Any) -> bool:  # noqa: ANN401  (any JSON)
    if isinstance(old, str) and isinstance(new, str):
        return old.rstrip("/").casefold() == new.rstrip("/").casefold()
    return bool(old == new)
