"""Datastores of a workspace and the secrets that open them."""

from collections.abc import Mapping

from tests.support.azureml.answers import Answer, RefusedError, not_found
from tests.support.azureml.assets import paged
from tests.support.azureml.storage import WRITE, Storage
from tests.support.azureml.world import Datastore, Json, Place, system_data


def listing(place: Place, query: Mapping[str, str], url: str) -> Answer:
    """All of them, or the default one."""
    only_default = query.get("isDefault") == "true"
    stores = [s for s in place.datastores.values() if s.default or not only_default]
    return paged([_resource(place, store) for store in stores], query, url, place.page)


def datastore(place: Place, name: str) -> Answer:
    """One."""
    return Answer(body=_resource(place, _found(place, name)))


def secrets(place: Place, name: str, body: Json, storage: Storage) -> Answer:
    """What opens one: a SAS, or the account's key where no expirable secret is asked for."""
    store = _found(place, name)
    if store.secrets == "None":
        raise RefusedError(400, "UserError", f"No secrets for credential-less datastore {name}.")
    if store.secrets == "AccountKey" and not body.get("expirableSecret"):
        key = storage.account_key(store.account)
        return Answer(body={"secretsType": "AccountKey", "key": key})
    cloud = place.tenant.cloud
    token = storage.sas(cloud, store.account, store.container, WRITE, store.lifetime)
    return Answer(body={"secretsType": "Sas", "sasToken": token})


def _found(place: Place, name: str) -> Datastore:
    if name not in place.datastores:
        raise not_found(f"Datastore {name}")
    return place.datastores[name]


def _resource(place: Place, store: Datastore) -> Json:
    return {
        "id": f"{place.id}/datastores/{store.name}",
        "name": store.name,
        "type": "Microsoft.MachineLearningServices/workspaces/datastores",
        "systemData": system_data(place.name),
        "properties": {
            "description": None,
            "tags": {},
            "properties": None,
            "isDefault": store.default,
            "credentials": {"credentialsType": store.secrets},
            "subscriptionId": place.tenant.subscription,
            "resourceGroup": place.group,
            "intellectualProperty": None,
            "datastoreType": "AzureBlob",
            "accountName": store.account,
            "containerName": store.container,
            "endpoint": place.tenant.cloud.storage,
            "protocol": "https",
            "serviceDataAccessAuthIdentity": "None",
        },
    }
