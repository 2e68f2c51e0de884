"""An emulator of Azure ML: its clouds, and the Python API by which tests fill and watch them."""

import contextlib
import copy
import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support.azureml import assets, contents, jobs, registries
from tests.support.azureml.authority import Authority
from tests.support.azureml.azurite import Azurite
from tests.support.azureml.clouds import CLOUDS, PUBLIC, Cloud
from tests.support.azureml.exchange import Behind
from tests.support.azureml.faults import Faults
from tests.support.azureml.gateway import running_gateway, variables
from tests.support.azureml.storage import Storage
from tests.support.azureml.tokens import LIFETIME, Tokens
from tests.support.azureml.wire import Request, Secret, Wire
from tests.support.azureml.world import (
    Datastore,
    Json,
    Kind,
    Place,
    Principal,
    Tenant,
    World,
    new_id,
)

_SEEDER = "seeded"


class Emulator:
    """All clouds of one test at a time; blobs are in an Azurite that tests share.

    Attributes:
        proxy: The gateway's address, for `HTTPS_PROXY`.
        wire: What went over the wire.
        faults: What goes wrong, and when.
        tokens: Who has which token; `tokens.lifetime` is for new ones, in seconds.
        storage: The blobs, from behind.
    """

    def __init__(self, proxy: str, behind: Behind, accounts: Sequence[str]) -> None:
        """Begin with no tenant; `running_emulator` makes an emulator."""
        self.proxy = proxy
        self.wire = behind.wire
        self.faults = behind.faults
        self.tokens = behind.tokens
        self.storage = behind.storage
        self._world = behind.world
        self._authority = behind.authority
        self._accounts = list(accounts)
        self._free = list(accounts)
        self._unused: list[Tenant] = []

    def begin(self) -> None:
        """Forget all but who there is, for the next test.

        Tenants stay, so that a client which has logged in can go on.
        """
        self.wire.begin()
        self.faults.clear()
        self.tokens.lifetime = LIFETIME
        with self._world.lock:
            self._world.places.clear()
        self._free = list(self._accounts)
        self._unused = list(self._world.tenants.values())
        for tenant in self._unused:
            del tenant.principals[1:]
            tenant.principal.refused.clear()

    # --- what there is

    def tenant(self, cloud: Cloud = PUBLIC) -> Tenant:
        """A directory with a subscription and a service principal that may do everything.

        No other in the test is the same.
        """
        for tenant in self._unused:
            if tenant.cloud is cloud:
                self._unused.remove(tenant)
                return tenant
        tenant = Tenant(id=new_id(), cloud=cloud, subscription=new_id(), principals=[])
        self._world.tenants[tenant.id] = tenant
        self.principal(tenant)
        return tenant

    def principal(self, tenant: Tenant) -> Principal:
        """One more service principal; take rights from it by its `refused`."""
        principal = Principal(client_id=new_id(), secret=secrets.token_urlsafe(24))
        tenant.principals.append(principal)
        hosts = (tenant.cloud.login,)
        self.wire.know(Secret(kind="client-secret", value=principal.secret, hosts=hosts))
        return principal

    def workspace(self, tenant: Tenant, name: str, *, group: str = "lab") -> Place:
        """A new workspace with the two datastores that every workspace has."""
        place = self._place("workspaces", tenant, name, group)
        for store in ("workspaceblobstore", "workspaceartifactstore"):
            container = f"{store}-{place.guid}"
            self.storage.make(place.account, container)
            place.datastores[store] = Datastore(
                name=store,
                account=place.account,
                container=container,
                default=store == "workspaceblobstore",
            )
        return place

    def registry(self, tenant: Tenant, name: str, *, group: str = "shared") -> Place:
        """A new registry."""
        return self._place("registries", tenant, name, group)

    def _place(self, kind: Kind, tenant: Tenant, name: str, group: str) -> Place:
        place = Place(
            kind=kind,
            name=name,
            tenant=tenant,
            group=group,
            location="eastus",
            guid=new_id(),
            account=self._free.pop(),
        )
        self._world.places.append(place)
        return place

    # --- what a client is told

    @property
    def variables(self) -> dict[str, str]:
        """The variables by which a process comes through the gateway, and to nobody else."""
        return variables(self.proxy, self._authority)

    def environment(self, tenant: Tenant, principal: Principal | None = None) -> dict[str, str]:
        """The variables of a process that works as a service principal of a tenant."""
        return {**self.variables, **tenant.environment(principal)}

    # --- filling it from behind

    def put_model(
        self,
        place: Place,
        name: str,
        version: str,
        files: Mapping[str, bytes],
        *,
        folder: str = "model",
        **properties: Any,  # noqa: ANN401  (any of the REST API)
    ) -> Json:
        """Put a model version there with its files, as if a client had done it.

        Args:
            place: A workspace or a registry.
            name: Of the model.
            version: A positive integer.
            files: By path below the folder.
            folder: The last part of the model's path.
            properties: As the REST API has them, such as `modelType`, `tags`, `stage`.
        """
        uri = self._put_files(place, ("models", name, version), folder, files)
        return self._put(place, "models", name, version, {"modelUri": uri, **properties})

    def put_environment(
        self,
        place: Place,
        name: str,
        version: str,
        *,
        context: Mapping[str, bytes] | None = None,
        **properties: Any,  # noqa: ANN401  (any of the REST API)
    ) -> Json:
        """Put an environment version there.

        Args:
            place: A workspace or a registry.
            name: Of the environment.
            version: Any.
            context: Files of a build context, by path; one of them is the Dockerfile.
            properties: As the REST API has them, such as `image`, `condaFile`, `tags`.
        """
        if context is not None:
            url = self._put_files(place, ("environments", name, version), "context", context)
            store = place.datastores.get("workspaceblobstore")
            if store:
                path = url.partition("/paths/")[2]
                host = place.tenant.cloud.blob_host(store.account)
                url = f"https://{host}/{store.container}/{path}"
            build = {"contextUri": f"{url}/", "dockerfilePath": "Dockerfile"}
            properties = {"build": build, **properties}
        return self._put(place, "environments", name, version, properties)

    def put_code(self, place: Place, name: str, version: str, files: Mapping[str, bytes]) -> str:
        """Put code there with its files, as a client does that submits a job; gives its id.

        Args:
            place: A workspace.
            name: Of the code asset.
            version: Of it.
            files: By path below the folder that was submitted.
        """
        url = self._put_files(place, ("codes", name, version), "src", files)
        store = place.datastores["workspaceblobstore"]
        host = place.tenant.cloud.blob_host(store.account)
        uri = f"https://{host}/{store.container}/{url.partition('/paths/')[2]}"
        self._put(place, "codes", name, version, {"codeUri": uri})
        return f"{place.id}/codes/{name}/versions/{version}"

    def put_job(self, place: Place, name: str, **properties: Any) -> Json:  # noqa: ANN401  (any of the REST API)
        """Put a finished training job there; the id of an MLflow run is a good name.

        Args:
            place: A workspace.
            name: Of the job.
            properties: As the REST API has them, in place of what is made up.
        """
        place.jobs[name] = jobs.made(place, name, _SEEDER, properties)
        return place.jobs[name]

    def put_job_files(self, place: Place, job: str, files: Mapping[str, bytes]) -> None:
        """Put files among the outputs of a job: `azureml://jobs/JOB/outputs/artifacts/paths/…`."""
        store = place.datastores["workspaceartifactstore"]
        self.storage.put(store.account, store.container, f"ExperimentRun/dcid.{job}", files)

    # --- looking at it from behind

    def files_of(self, place: Place, name: str, version: str) -> dict[str, bytes]:
        """The files of a model version as they lie in storage, by path below its folder."""
        return self.files_at(
            place, place.version("models", name, version)["properties"]["modelUri"]
        )

    def files_at(self, place: Place, uri: str) -> dict[str, bytes]:
        """The files below a URI of a model, or of a build context."""
        if uri.startswith("azureml://"):
            datastore, _, path = uri.partition("/datastores/")[2].partition("/paths/")
            store = place.datastores[datastore]
            account, container = store.account, store.container
        else:
            account = place.account
            address = unquote(urlsplit(uri).path)
            container, _, path = address.removeprefix("/").partition("/")
        return self.storage.files(account, container, f"{path.rstrip('/')}/")

    def files_sent(self, place: Place, name: str, version: str) -> dict[str, bytes]:
        """All that was sent to a registry for a version of a model, registered or not."""
        container = registries.container_of(place, "models", name, version)
        return self.storage.files(place.account, container, "")

    @property
    def requests(self) -> tuple[Request, ...]:
        """All answered requests so far."""
        return self.wire.requests

    # --- parts

    def _put_files(
        self, place: Place, asset: tuple[str, str, str], folder: str, files: Mapping[str, bytes]
    ) -> str:
        """Upload the files of a version, named by kind, name and version; gives their URI."""
        if place.kind == "registries":
            container = registries.container_of(place, *asset)
            self.storage.put(place.account, container, folder, files)
            return f"https://{place.tenant.cloud.blob_host(place.account)}/{container}/{folder}"
        store = place.datastores["workspaceblobstore"]
        digest = hashlib.sha256("/".join(asset).encode()).hexdigest()
        path = f"LocalUpload/{digest[:32]}/{folder}"
        self.storage.put(store.account, store.container, path, files)
        return place.uri_of(store.name, path)

    def _put(self, place: Place, kind: str, name: str, version: str, properties: Json) -> Json:
        # A caller may give several versions the same tags; each has its own all the same.
        body = {"properties": copy.deepcopy(properties)}
        with self._world.lock:
            assets.put_version(
                place, kind, name, version, body, who=_SEEDER, check=contents.checked
            )
            place.unseen.pop((kind, name, version), None)
            return place.version(kind, name, version)


@contextlib.contextmanager
def running_emulator(azurite: Azurite, authority: Authority) -> Iterator[Emulator]:
    """An emulator with no tenant in it yet, for as long as it is needed.

    Args:
        azurite: Where its blobs are; containers have names of their own.
        authority: Whose certificates its hosts have.
    """
    wire = Wire()
    storage = Storage(azurite, authority, wire)
    behind = Behind(
        world=World(clouds=CLOUDS),
        tokens=Tokens(wire),
        storage=storage,
        wire=wire,
        faults=Faults(),
        authority=authority,
    )
    with running_gateway(behind) as proxy:
        try:
            yield Emulator(proxy, behind, sorted(azurite.accounts))
        finally:
            storage.close()
