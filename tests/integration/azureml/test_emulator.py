"""The real client of Azure ML takes the emulator for the service, and finds its rules."""

import hashlib
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import ClientSecretCredential

from tests.integration.azureml.conftest import Connect
from tests.integration.azureml.sdk import an_environment, build_context, model
from tests.integration.azureml.sdk import client as client_of
from tests.support.azureml import Emulator, Place

FILES = {"MLmodel": b"flavors: {}\n", "data/w\xc3\xa4 1.bin".encode().decode(): b"\0" * 70_000}


@pytest.fixture
def lab(azureml: Emulator) -> Place:
    return azureml.workspace(azureml.tenant(), "lab")


def folder(tmp_path: Path, files: dict[str, bytes], name: str = "model") -> Path:
    for path, raw in files.items():
        (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / path).write_bytes(raw)
    return tmp_path / name


def tree(place: Path) -> dict[str, str]:
    return {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


def test_a_folder_that_is_registered_can_be_downloaded_again(
    azureml: Emulator, lab: Place, connect: Connect, tmp_path: Path
) -> None:
    client = connect(lab)
    source = folder(tmp_path, FILES)
    made = client.models.create_or_update(
        model(
            name="wine",
            version="3",
            path=str(source),
            type="mlflow_model",
            tags={"team": "cellar"},
            flavors={"python_function": {"loader_module": "x"}},
            stage="Production",
        )
    )
    assert made.version == "3"
    assert made.tags == {"team": "cellar"}
    client.models.download("wine", "3", str(tmp_path / "out"))
    assert tree(tmp_path / "out" / "wine" / "model") == tree(source)
    assert azureml.files_of(lab, "wine", "3") == FILES
    assert azureml.wire.leaks == ()


def test_a_version_gets_the_next_number_and_its_files_are_frozen(
    lab: Place, connect: Connect, tmp_path: Path
) -> None:
    client = connect(lab)
    first, other = (folder(tmp_path, {"w": bytes([n])}, f"m{n}") for n in range(2))
    numbers = [
        client.models.create_or_update(model(name="wine", path=str(path))).version
        for path in (first, other)
    ]
    assert numbers == ["1", "2"]
    with pytest.raises(HttpResponseError, match="Asset paths cannot be updated"):
        client.models.create_or_update(model(name="wine", version="1", path=str(other)))
    changed = client.models.get("wine", "1")
    changed.tags["new"] = "tag"
    changed.description = "red"
    assert client.models.create_or_update(changed).description == "red"
    assert lab.version("models", "wine", "1")["properties"]["tags"] == {"new": "tag"}


def test_a_version_of_a_model_is_a_positive_integer(
    lab: Place, connect: Connect, tmp_path: Path
) -> None:
    source = folder(tmp_path, {"w": b"1"})
    with pytest.raises(HttpResponseError, match="positive integer"):
        connect(lab).models.create_or_update(
            model(name="wine", version="2024.01-rc_1", path=str(source))
        )


def test_listings_come_in_pages_and_hide_what_is_archived(
    azureml: Emulator, lab: Place, connect: Connect
) -> None:
    for number in range(1, 6):
        azureml.put_model(lab, f"m{number}", "1", {"w": b"1"})
        azureml.put_model(lab, "m1", str(number), {"w": bytes([number])})
    client = connect(lab)
    assert [model.name for model in client.models.list()] == [f"m{n}" for n in range(1, 6)]
    assert [m.version for m in client.models.list(name="m1")] == ["5", "4", "3", "2", "1"]
    assert sum("$skip" in request.query for request in azureml.requests) == 4
    client.models.archive("m1", "2")
    client.models.archive("m3")
    assert [m.version for m in client.models.list(name="m1")] == ["5", "4", "3", "1"]
    assert "m3" not in [model.name for model in client.models.list()]
    assert client.models.get("m1", "2").version == "2"
    client.models.restore("m1", "2")
    assert len(list(client.models.list(name="m1"))) == 5


def test_environments_have_an_image_and_a_conda_file_or_a_build_context(
    azureml: Emulator, lab: Place, connect: Connect, tmp_path: Path
) -> None:
    client = connect(lab)
    client.environments.create_or_update(
        an_environment(
            name="gpu",
            version="cuda-12",
            image="ubuntu:22.04",
            conda_file={"name": "x", "dependencies": ["python=3.11"]},
        )
    )
    assert "python=3.11" in lab.version("environments", "gpu", "cuda-12")["properties"]["condaFile"]
    context = folder(tmp_path, {"Dockerfile": b"FROM ubuntu\n", "a/req.txt": b"x\n"}, "ctx")
    made = client.environments.create_or_update(
        an_environment(name="built", build=build_context(str(context)))
    )
    assert (made.version, made.build.dockerfile_path) == ("1", "Dockerfile")
    assert set(azureml.files_at(lab, made.build.path)) == {"Dockerfile", "a/req.txt"}


def test_a_registry_takes_a_model_by_a_long_running_operation(
    azureml: Emulator, connect: Connect, tmp_path: Path
) -> None:
    shared = azureml.registry(azureml.tenant(), "shared")
    shared.polls = 2
    client = connect(shared)
    source = folder(tmp_path, FILES)
    made = client.models.create_or_update(
        model(name="wine", version="7", path=str(source), tags={"a": "b"})
    )
    assert made.tags == {"a": "b"}
    polls = [request for request in azureml.requests if "/operations/" in request.path]
    assert len(polls) == 3
    assert azureml.files_of(shared, "wine", "7") == FILES
    client.models.download("wine", "7", str(tmp_path / "out"))
    assert tree(tmp_path / "out" / "wine" / "model") == tree(source)
    assert azureml.wire.leaks == ()


def test_a_registry_copies_from_a_workspace_on_the_servers_side(
    azureml: Emulator, lab: Place, connect: Connect
) -> None:
    shared = azureml.registry(lab.tenant, "shared")
    azureml.put_model(lab, "wine", "1", FILES, tags={"a": "b"})
    azureml.put_model(lab, "sibling", "1", {"w": b"no"}, folder="model_v2")
    azureml.put_environment(lab, "gpu", "1", image="ubuntu:22.04")
    client = connect(lab)
    client.models.share(
        "wine", "1", share_with_name="red", share_with_version="5", registry_name="shared"
    )
    client.environments.share(
        "gpu", "1", share_with_name="gpu", share_with_version="1", registry_name="shared"
    )
    assert azureml.files_of(shared, "red", "5") == FILES
    assert shared.version("models", "red", "5")["properties"]["tags"] == {"a": "b"}
    assert shared.version("environments", "gpu", "1")["properties"]["image"] == "ubuntu:22.04"


def test_a_registry_may_be_late_with_what_it_was_given(
    azureml: Emulator, connect: Connect, tmp_path: Path
) -> None:
    shared = azureml.registry(azureml.tenant(), "shared")
    shared.replication = 2
    client = connect(shared)
    with pytest.raises(HttpResponseError, match="not found"):
        client.models.create_or_update(
            model(name="wine", version="1", path=str(folder(tmp_path, {"w": b"1"})))
        )
    with pytest.raises(HttpResponseError, match="not found"):
        client.models.get("wine", "1")
    assert client.models.get("wine", "1").version == "1"


def test_the_output_of_a_job_becomes_a_model_that_names_the_job(
    azureml: Emulator, lab: Place, connect: Connect
) -> None:
    azureml.put_job(lab, "job1", displayName="brave")
    azureml.put_job_files(lab, "job1", {"model/MLmodel": b"x", "model_v2/MLmodel": b"y"})
    client = connect(lab)
    assert client.jobs.get("job1").display_name == "brave"
    made = client.models.create_or_update(
        model(
            name="wine",
            path="azureml://jobs/job1/outputs/artifacts/paths/model",
            type="mlflow_model",
        )
    )
    assert made.job_name == "job1"
    assert azureml.files_of(lab, "wine", "1") == {"MLmodel": b"x"}


@pytest.mark.parametrize("secrets", ["Sas", "AccountKey", "None"])
def test_a_datastore_is_opened_by_a_sas_a_key_or_the_clients_own_token(
    azureml: Emulator, lab: Place, connect: Connect, tmp_path: Path, secrets: str
) -> None:
    lab.datastores["workspaceblobstore"].secrets = secrets  # type: ignore[assignment]
    client = connect(lab)
    client.models.create_or_update(
        model(name="wine", version="1", path=str(folder(tmp_path, {"w": b"1"})))
    )
    assert azureml.files_of(lab, "wine", "1") == {"w": b"1"}
    assert azureml.wire.leaks == ()


def test_a_sas_that_has_expired_opens_nothing(
    azureml: Emulator, lab: Place, connect: Connect, tmp_path: Path
) -> None:
    azureml.put_model(lab, "wine", "1", {"w": b"1"})
    lab.datastores["workspaceblobstore"].lifetime = -60
    with pytest.raises(HttpResponseError, match=r"AuthorizationFailure|AuthenticationFailed"):
        connect(lab).models.download("wine", "1", str(tmp_path / "out"))


def test_who_lacks_a_right_is_refused(
    azureml: Emulator, lab: Place, connect: Connect, tmp_path: Path
) -> None:
    azureml.put_model(lab, "wine", "1", {"w": b"1"})
    reader = azureml.principal(lab.tenant)
    reader.refused |= {(lab.id, "write"), (lab.id, "secrets")}
    client = connect(lab, reader)
    assert client.models.get("wine", "1").version == "1"
    with pytest.raises(HttpResponseError, match="does not have authorization"):
        client.models.archive("wine", "1")
    with pytest.raises(HttpResponseError, match="does not have authorization"):
        client.models.download("wine", "1", str(tmp_path / "out"))


def test_a_token_of_another_tenant_is_refused(
    azureml: Emulator, lab: Place, connect: Connect
) -> None:
    stranger = azureml.tenant()
    connect(lab)
    credential = ClientSecretCredential(
        stranger.id, stranger.principal.client_id, stranger.principal.secret
    )
    client = client_of(credential, lab.tenant.subscription, lab.group, lab.name)
    with pytest.raises(HttpResponseError, match="wrong issuer"):
        list(client.models.list())


def test_a_wrong_password_gets_no_token(azureml: Emulator, lab: Place, connect: Connect) -> None:
    connect(lab)
    who = lab.tenant.principal
    credential = ClientSecretCredential(lab.tenant.id, who.client_id, "guessed")
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        credential.get_token("https://management.azure.com/.default")
    assert 401 in {request.status for request in azureml.requests}


def test_no_other_host_is_reached(azureml: Emulator, lab: Place, connect: Connect) -> None:
    import requests

    connect(lab)
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get("https://example.org/", timeout=10)
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get("https://nobody.blob.core.windows.net/", timeout=10)
    assert azureml.wire.refused_hosts == ("example.org", "nobody.blob.core.windows.net")
