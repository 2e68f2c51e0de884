"""What the emulated clouds hold: tenants, principals, workspaces, registries and their assets.

Plain data under one lock. Blobs are not here but in Azurite.
"""

import datetime as dt
import itertools
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.azureml.clouds import Cloud

Right = Literal["read", "write", "secrets"]
Kind = Literal["workspaces", "registries"]
Secrets = Literal["Sas", "AccountKey", "None"]
Json = dict[str, Any]

MACHINE_LEARNING = "/providers/Microsoft.MachineLearningServices"

_count = itertools.count(1)


@dataclass(slots=True, kw_only=True, eq=False)
class Principal:
    """A service principal, and what it is not allowed.

    Attributes:
        client_id: Its application id.
        secret: Its password.
        refused: What its roles lack: a place's id with `read`, `write`, or `secrets`, which is
            what a mere reader of a workspace lacks: to open its datastores.
    """

    client_id: str
    secret: str = field(repr=False)
    refused: set[tuple[str, Right]] = field(default_factory=set)


@dataclass(slots=True, kw_only=True, eq=False)
class Tenant:
    """A directory of principals with a subscription.

    Attributes:
        id: A UUID, as is the subscription's.
        cloud: Where it is.
        subscription: The id of its subscription.
        principals: Who may ask for tokens; the first one is made with the tenant.
    """

    id: str
    cloud: Cloud
    subscription: str
    principals: list[Principal]

    @property
    def principal(self) -> Principal:
        """The first principal."""
        return self.principals[0]

    def environment(self, principal: Principal | None = None) -> dict[str, str]:
        """The variables by which `azure.identity.EnvironmentCredential` finds a principal."""
        who = principal or self.principal
        return {
            "AZURE_TENANT_ID": self.id,
            "AZURE_CLIENT_ID": who.client_id,
            "AZURE_CLIENT_SECRET": who.secret,
            "AZURE_AUTHORITY_HOST": f"https://{self.cloud.login}",
        }


@dataclass(slots=True, kw_only=True, eq=False)
class Asset:
    """A named asset with its versions.

    Attributes:
        name: Its name.
        created: The `systemData` of the container.
        versions: The resources as they are answered, by version, in the order of creation.
        properties: Description, tags, properties and `isArchived` of the container.
    """

    name: str
    created: Json
    versions: dict[str, Json] = field(default_factory=dict)
    properties: Json = field(default_factory=dict)


@dataclass(slots=True, kw_only=True, eq=False)
class Datastore:
    """A blob container of a workspace.

    Attributes:
        name: Such as `workspaceblobstore`.
        account: Of storage.
        container: Of the account.
        secrets: Which secrets it has; with `None` a client uses its own token.
        default: Whether it is the workspace's default.
        lifetime: For how many seconds a SAS is good; one of less than 0 has expired already.
    """

    name: str
    account: str
    container: str
    secrets: Secrets = "Sas"
    default: bool = False
    lifetime: int = 3600


@dataclass(slots=True, kw_only=True, eq=False)
class Place:
    """What assets lie in: a workspace or a registry.

    Attributes:
        kind: `workspaces` or `registries`.
        name: Its name.
        tenant: Whose it is.
        group: Its resource group.
        location: Its region.
        guid: The id of a workspace within Azure ML.
        account: Its storage account.
        assets: By kind (`models`, `environments`, `codes`) and name.
        datastores: Of a workspace, by name.
        jobs: Of a workspace: resources by name.
        page: How many items a page of a listing has.
        polls: How often a long-running operation of a registry says that it goes on.
        keeps_stages: Whether a stage that a version has can be changed, but not be taken away.
        replication: How often a version that a registry made is not there yet when it is read.
        unseen: For versions that are not there yet, how often they still are not.
        operations: Long-running ones: how often each will still say that it goes on.
        tracking: URI of the MLflow server behind a workspace's endpoint; "" for none.
    """

    kind: Kind
    name: str
    tenant: Tenant
    group: str
    location: str
    guid: str
    account: str
    assets: dict[str, dict[str, Asset]] = field(default_factory=dict)
    datastores: dict[str, Datastore] = field(default_factory=dict)
    jobs: dict[str, Json] = field(default_factory=dict)
    page: int = 2
    polls: int = 1
    keeps_stages: bool = False
    replication: int = 0
    unseen: dict[tuple[str, str, str], int] = field(default_factory=dict)
    operations: dict[str, int] = field(default_factory=dict)
    tracking: str = ""

    @property
    def id(self) -> str:
        """Its Azure Resource Manager id."""
        group = f"/subscriptions/{self.tenant.subscription}/resourceGroups/{self.group}"
        return f"{group}{MACHINE_LEARNING}/{self.kind}/{self.name}"

    @property
    def locator(self) -> str:
        """As `mlarchive` names it."""
        if self.kind == "registries":
            return f"azureml://registries/{self.name}"
        return (
            f"azureml://subscriptions/{self.tenant.subscription}"
            f"/resourceGroups/{self.group}/workspaces/{self.name}"
        )

    def of(self, kind: str) -> dict[str, Asset]:
        """Its assets of a kind, by name."""
        return self.assets.setdefault(kind, {})

    def version(self, kind: str, name: str, version: str) -> Json:
        """A version as it is answered.

        Raises:
            KeyError: It is not there.
        """
        return self.of(kind)[name].versions[version]

    def asset_id(self, kind: str, name: str, version: str) -> str:
        """The id of a version."""
        if self.kind == "registries":
            return f"azureml://registries/{self.name}/{kind}/{name}/versions/{version}"
        return f"{self.id}/{kind}/{name}/versions/{version}"

    def uri_of(self, datastore: str, path: str) -> str:
        """The long URI of a path in a datastore of a workspace."""
        return (
            f"azureml://subscriptions/{self.tenant.subscription}/resourcegroups/{self.group}"
            f"/workspaces/{self.name}/datastores/{datastore}/paths/{path}"
        )


@dataclass(slots=True, kw_only=True, eq=False)
class World:
    """All clouds of an emulator.

    Attributes:
        clouds: Which there are; hosts of others are refused.
        tenants: By id.
        places: All workspaces and registries.
        lock: Held while a request of a control plane is answered.
    """

    clouds: tuple[Cloud, ...]
    tenants: dict[str, Tenant] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def cloud_of(self, host: str) -> Cloud | None:
        """The cloud that has a host."""
        return next((cloud for cloud in self.clouds if cloud.role_of(host)), None)

    def cloud_of_account(self, account: str) -> Cloud | None:
        """The cloud that has a storage account."""
        return next((p.tenant.cloud for p in self.places if p.account == account), None)


def new_id() -> str:
    """An id that no other object has."""
    return str(uuid.UUID(int=(0xA2 << 120) | next(_count), version=4))


def time_text() -> str:
    """Now, as Azure writes it."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def system_data(who: str, old: Mapping[str, str] | None = None) -> Json:
    """Who made a resource and changed it last, and when."""
    now = time_text()
    made = {"createdBy": who, "createdByType": "Application", "createdAt": now}
    changed = {"lastModifiedBy": who, "lastModifiedByType": "Application", "lastModifiedAt": now}
    return {**made, **{k: v for k, v in (old or {}).items() if k in made}, **changed}
