"""Two clouds in one command: each secret reaches only the hosts that it is for."""

from pathlib import Path

import pytest

from mlarchive.errors import UnavailableError
from mlarchive.registries.azureml.messages import Start
from mlarchive.registries.grammars import without_grammars
from tests.support.azureml import AIR_GAPPED, GOVERNMENT, Cloud, Emulator, Place
from tests.support.command import Done, mlarchive, within

FILES = {"MLmodel": b"flavors: {}\n", "data/weights.bin": bytes(70_000)}


def settings(target: Place) -> str:
    """The file that says which cloud a place is in, and which variables are its own."""
    cloud = target.tenant.cloud
    place = target.locator.removeprefix("azureml://")
    text = f'[[access]]\nplaces = ["{place}"]\ncloud = "{cloud.name}"\nvariables = "CLINIC_"\n'
    if cloud is GOVERNMENT:
        return text
    lines = (
        f'{name} = "{value}"' for name, value in cloud.metadata.items() if "portal" not in name
    )
    return "\n".join([text, f"[clouds.{cloud.name}]", *lines, ""])


def copied(azureml: Emulator, source: Place, target: Place, folder: Path) -> Done:
    """Copy two versions, with the variables of both sides in one environment."""
    (folder / "azureml.toml").write_text(settings(target))
    clinic = {f"CLINIC_{n}": value for n, value in target.tenant.environment().items()}
    return mlarchive(
        *("copy", f"{source.locator}#models/oak/1", f"{source.locator}#models/wine/3"),
        target.locator,
        cwd=folder,
        env={
            **azureml.environment(source.tenant),
            **clinic,
            "MLARCHIVE_AZUREML": str(folder / "azureml.toml"),
        },
    )


@pytest.mark.parametrize(("cloud", "kind"), [(GOVERNMENT, "workspace"), (AIR_GAPPED, "registry")])
def test_a_copy_between_clouds_shows_each_secret_to_its_own_hosts_alone(
    azureml: Emulator, tmp_path: Path, cloud: Cloud, kind: str
) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    clinic: Place = getattr(azureml, kind)(azureml.tenant(cloud), "clinic")
    azureml.put_environment(lab, "gpu", "1", image="ubuntu:22.04", condaFile="name: x\n")
    azureml.put_model(lab, "wine", "3", FILES, tags={"python_environment_name": "gpu"})
    azureml.put_model(lab, "oak", "1", FILES)

    done = copied(azureml, lab, clinic, tmp_path)

    assert done.status == 0, done.err
    assert azureml.files_of(clinic, "wine", "3") == FILES
    assert clinic.version("environments", "gpu", "1")["properties"]["condaFile"] == "name: x\n"
    assert azureml.wire.leaks == ()
    assert azureml.wire.refused_hosts == ()
    # What was asserted is about something: both clouds saw a password, tokens and a signature.
    for place in (lab, clinic):
        own = place.tenant.cloud
        seen = {
            (secret.kind, own.role_of(request.host))
            for request in azureml.requests
            for secret in request.secrets
            if own.role_of(request.host)
        }
        assert seen == {
            ("client-secret", "login"),
            ("token", "management"),
            ("sas", "storage"),
        }
        # One process for each cloud, however many models: it logs in once.
        passwords = [secret for request in azureml.requests for secret in request.secrets]
        assert [own.login in secret.hosts for secret in passwords].count(True) == 1


def test_the_variables_of_the_other_side_do_not_open_a_place(
    azureml: Emulator, tmp_path: Path
) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    clinic = azureml.workspace(azureml.tenant(AIR_GAPPED), "clinic")
    azureml.put_model(lab, "wine", "3", FILES)
    (tmp_path / "azureml.toml").write_text(settings(clinic))
    done = mlarchive(
        *("copy", f"{lab.locator}#models/wine/3", clinic.locator),
        cwd=tmp_path,
        env={
            **azureml.environment(lab.tenant),
            "MLARCHIVE_AZUREML": str(tmp_path / "azureml.toml"),
        },
    )
    assert done.status == 13
    assert azureml.wire.leaks == ()
    # It looked for a managed identity, which is at an address of its own.
    assert set(azureml.wire.refused_hosts) == {"169.254.169.254"}
    assert not clinic.of("models")


def test_a_cloud_that_its_resource_manager_describes_is_the_only_one_that_is_asked(
    azureml: Emulator, tmp_path: Path
) -> None:
    tenant = azureml.tenant(AIR_GAPPED)
    clinic, shared = azureml.workspace(tenant, "clinic"), azureml.registry(tenant, "shared")
    azureml.put_model(clinic, "wine", "3", FILES)
    env = azureml.environment(tenant) | {
        "ARM_CLOUD_METADATA_URL": f"https://{AIR_GAPPED.resource_manager}/metadata/endpoints",
        "REGISTRY_DISCOVERY_ENDPOINT_URL": f"https://{AIR_GAPPED.discovery}/",
    }
    done = within("copy", clinic.locator, shared.locator, cwd=tmp_path, env=env)
    assert done.status == 0, done.err
    assert azureml.files_of(shared, "wine", "3") == FILES
    assert all(AIR_GAPPED.role_of(request.host) for request in azureml.requests)


def test_a_cloud_that_nobody_describes_is_not_taken_for_the_public_one(
    azureml: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with without_grammars():
        from mlarchive.registries.azureml.client import Login

    where = f"https://{AIR_GAPPED.resource_manager}/metadata/nothing"
    tenant = azureml.tenant(AIR_GAPPED)
    monkeypatch.delenv("AZUREML_CURRENT_CLOUD", raising=False)
    for name, value in {**azureml.environment(tenant), "ARM_CLOUD_METADATA_URL": where}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UnavailableError, match=f"no cloud is described at {where}"):
        Login(Start(cloud="", endpoints=None, interactive=False))
    assert {request.host for request in azureml.requests} == {AIR_GAPPED.resource_manager}
