"""What goes wrong on demand, as the real clients of Azure see it; and several clouds at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.core.exceptions import AzureError, HttpResponseError, IncompleteReadError
from azure.identity import ClientSecretCredential
from azure.storage.blob import ContainerClient
from mlflow.tracking import MlflowClient

from tests.integration.azureml.conftest import Connect
from tests.integration.azureml.sdk import client as client_of
from tests.support.azureml import AIR_GAPPED, FAULTS, GOVERNMENT, Cloud, Emulator, Fault, Place
from tests.support.mlflow_server import MlflowServer

FILES = {"a": b"a" * 5_000_000, "b": b""}


@pytest.fixture
def lab(azureml: Emulator) -> Place:
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_model(lab, "wine", "1", FILES)
    return lab


def blobs(azureml: Emulator, place: Place, **options: Any) -> ContainerClient:  # noqa: ANN401  (the client's own)
    """The default datastore as a client with a SAS sees it."""
    store = place.datastores["workspaceblobstore"]
    cloud = place.tenant.cloud
    sas = azureml.storage.sas(cloud, store.account, store.container, "rcwl", 3600)
    url = f"https://{cloud.blob_host(store.account)}/{store.container}?{sas}"
    return ContainerClient.from_container_url(url, **options)


def is_blob(_method: str, host: str, _path: str) -> bool:
    return ".blob." in host


@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_to_the_control_plane_meets_its_fault_once(
    azureml: Emulator, lab: Place, connect: Connect, fault: Fault
) -> None:
    client = connect(lab)
    assert client.models.get("wine", "1").version == "1"
    azureml.faults.plan(fault, counts=lambda _method, host, _path: host.startswith("management"))
    if fault == "expire":
        with pytest.raises(HttpResponseError, match="expired"):
            client.models.get("wine", "1")
    assert fault == "expire" or client.models.get("wine", "1").version == "1"
    assert [r.fault for r in azureml.requests if r.fault] == [fault]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_download_of_a_blob_meets_its_fault_once(
    azureml: Emulator, lab: Place, connect: Connect, fault: Fault
) -> None:
    connect(lab)
    container = blobs(azureml, lab, initial_backoff=0, increment_base=0)
    (name,) = (blob.name for blob in container.list_blobs() if blob.name.endswith("/a"))
    azureml.faults.plan(fault, counts=is_blob)
    if fault == "expire":
        with pytest.raises(AzureError, match="AuthenticationFailed"):
            container.download_blob(name).readall()
        return
    # The client takes up what was cut by itself; what it gives is whole in any case.
    assert container.download_blob(name).readall() == FILES["a"]
    assert [r.fault for r in azureml.requests if r.fault] == [fault]


def test_a_truncated_answer_is_shorter_than_it_says(
    azureml: Emulator, lab: Place, connect: Connect
) -> None:
    connect(lab)
    container = blobs(azureml, lab)
    (name,) = (blob.name for blob in container.list_blobs() if blob.name.endswith("/a"))
    azureml.faults.plan("truncate", counts=is_blob)
    answer = requests.get(
        f"{container.url.partition('?')[0]}/{name}?{container.url.partition('?')[2]}",
        stream=True,
        timeout=60,
    )
    assert answer.headers["Content-Length"] == "5000000"
    with pytest.raises((requests.exceptions.ChunkedEncodingError, IncompleteReadError)):
        answer.content  # noqa: B018  (reads it)


def test_a_reset_request_took_effect_and_a_dropped_one_did_not(
    azureml: Emulator, lab: Place, connect: Connect
) -> None:
    connect(lab)
    container = blobs(azureml, lab, retry_total=0)
    faults: tuple[Fault, ...] = ("reset", "drop")
    for fault in faults:
        azureml.faults.plan(fault, counts=is_blob)
        with pytest.raises(AzureError):
            container.upload_blob(fault, b"x")
    assert container.get_blob_client("reset").exists()
    assert not container.get_blob_client("drop").exists()


def registered(cloud: Cloud) -> Mapping[str, Any]:
    """How the real client is told of a cloud."""
    known = {"cloud": cloud.name}
    return known if cloud is GOVERNMENT else {**known, "cloud_metadata": cloud.metadata}


@pytest.mark.parametrize("cloud", [GOVERNMENT, AIR_GAPPED], ids=lambda cloud: cloud.name)
def test_other_clouds_have_hosts_and_tokens_of_their_own(
    azureml: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cloud: Cloud
) -> None:
    tenant = azureml.tenant(cloud)
    place = azureml.workspace(tenant, "elsewhere")
    shared = azureml.registry(tenant, "shared")
    azureml.put_model(place, "wine", "1", {"w": b"1"})
    azureml.put_model(shared, "wine", "2", {"w": b"2"})
    # Whoever made a client before decided the cloud of the whole process.
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", cloud.name)
    for name, value in azureml.variables.items():
        monkeypatch.setenv(name, value)
    who = tenant.principal
    credential = ClientSecretCredential(
        tenant.id, who.client_id, who.secret, authority=cloud.login, disable_instance_discovery=True
    )
    client = client_of(
        credential, tenant.subscription, place.group, "elsewhere", **registered(cloud)
    )
    client.models.download("wine", "1", str(tmp_path))
    assert (tmp_path / "wine" / "model" / "w").read_bytes() == b"1"
    registry = client_of(credential, registry_name="shared", **registered(cloud))
    registry.models.download("wine", "2", str(tmp_path / "shared"))
    assert {request.host for request in azureml.requests} == {
        cloud.login,
        cloud.resource_manager,
        cloud.discovery,
        f"cert-eastus.{cloud.experiments}",
        cloud.blob_host(place.account),
        cloud.blob_host(shared.account),
    }
    assert azureml.wire.leaks == ()


def test_a_secret_at_a_host_that_it_is_not_for_is_a_leak(
    azureml: Emulator, lab: Place, connect: Connect
) -> None:
    other = azureml.workspace(azureml.tenant(GOVERNMENT), "other")
    connect(lab)
    container = blobs(azureml, lab)
    store = other.datastores["workspaceblobstore"]
    query = container.url.partition("?")[2]
    host = GOVERNMENT.blob_host(store.account)
    answer = requests.get(
        f"https://{host}/{store.container}?restype=container&comp=list&{query}", timeout=60
    )
    assert answer.status_code == 403
    (leak,) = azureml.wire.leaks
    assert (leak.host, [secret.kind for secret in leak.leaked]) == (host, ["sas"])


def test_a_workspace_has_an_mlflow_endpoint_for_runs_and_no_logged_models(
    azureml: Emulator,
    lab: Place,
    connect: Connect,
    source_server: MlflowServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    direct = MlflowClient(source_server.uri)
    run = direct.create_run(direct.create_experiment("of the lab"))
    direct.log_metric(run.info.run_id, "rmse", 0.5, step=3)
    lab.tracking = source_server.uri
    azureml.put_job(lab, run.info.run_id)
    workspace = connect(lab).workspaces.get("lab")
    token = ClientSecretCredential(
        lab.tenant.id, lab.tenant.principal.client_id, lab.tenant.principal.secret
    ).get_token("https://management.azure.com/.default")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token.token)
    uri = workspace.mlflow_tracking_uri.replace("azureml://", "https://").replace("v1.0", "v2.0")
    client = MlflowClient(uri)
    assert client.get_run(run.info.run_id).data.metrics == {"rmse": 0.5}
    assert client.get_metric_history(run.info.run_id, "rmse")[0].step == 3
    assert azureml.wire.leaks == ()
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "guessed")
    answer = requests.get(
        f"{uri}/api/2.0/mlflow/runs/get", headers={"Authorization": "Bearer guessed"}, timeout=60
    )
    assert answer.status_code == 401
    logged = f"{uri}/api/2.0/mlflow/logged-models/m-1"
    assert requests.get(logged, timeout=60).status_code == 404
