"""What cannot be done is said in one sentence, with what to do."""

import time
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import DefaultAzureCredential, InteractiveBrowserCredential

from mlarchive import waiting
from mlarchive.copy import Way, copy
from mlarchive.errors import AccessError, Interrupted, NotFoundError, UnsupportedError
from mlarchive.pack import pack_file
from mlarchive.package import Package
from mlarchive.registries.azureml import AzureMlRegistry, process
from mlarchive.registries.azureml.messages import Start
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.grammars import without_grammars
from tests.integration.azureml.registries import POLICY, Open, address, carry
from tests.support.azureml import Emulator
from tests.support.command import environment, within
from tests.support.innereye import PROSTATE, copied, read

FILES = {"MLmodel": b"flavors: {}\n"}


def test_a_right_that_is_lacking_is_said(azureml: Emulator, opened: Open, tmp_path: Path) -> None:
    tenant = azureml.tenant()
    lab, shared = azureml.workspace(tenant, "lab"), azureml.registry(tenant, "shared")
    azureml.put_model(lab, "m", "1", FILES)
    azureml.put_model(lab, "gone", "1", {})
    tenant.principal.refused.add((shared.id, "write"))
    source = opened(lab)
    with pytest.raises(AccessError, match="403") as caught:
        carry(source, address(lab, "models", "m", "1"), opened(shared), tmp_path)
    assert "needs a role" in caught.value.hint
    with pytest.raises(NotFoundError, match="nothing lies at"):
        source.read(address(lab, "models", "gone", "1"))


def test_who_is_busy_for_long_is_not_waited_for(azureml: Emulator, tmp_path: Path) -> None:
    tenant = azureml.tenant()
    # A registry of a name of its own is asked where it is; others were before.
    shared = azureml.registry(tenant, "busy")
    env = azureml.environment(tenant)
    lab, date = azureml.workspace(tenant, "lab"), "Wed, 21 Oct 2099 07:28:00 GMT"
    for place, asked, pause in ((lab, "/models", "100000"), (shared, "/discovery", date)):
        azureml.faults.plan("throttle", counts=lambda _m, _h, path, asked=asked: asked in path)  # type: ignore[misc]
        azureml.faults.pause = pause
        told = within("ls", place.locator, cwd=tmp_path, env=env)
        assert (told.status, "run the same command again then" in told.err) == (12, True)
        until = "2099-10-21 07:28 UTC" if pause == date else "20"
        assert f"{place.locator}: it answers 429, and is busy until {until}" in told.err
        assert within("ls", place.locator, cwd=tmp_path, env=env).status == 0


def test_a_secret_that_the_directory_repeats_is_not_told(azureml: Emulator, tmp_path: Path) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    env = {**azureml.environment(lab.tenant), "AZURE_CLIENT_SECRET": "wr0ng~but.secret"}
    told = within("ls", lab.locator, "--json", cwd=tmp_path, env=env)
    assert (told.status, "Invalid client secret provided: [redacted]" in told.err + told.out) == (
        AccessError.exit_status,
        True,
    )
    assert "wr0ng" not in told.err + told.out


def test_what_is_not_there_is_named_with_its_place(azureml: Emulator, tmp_path: Path) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_model(lab, "m", "1", FILES)
    env = azureml.environment(lab.tenant)
    for named, missing in (
        ("models/m/2", "models/m/2"),
        ("models/n/1", "models/n"),
        ("environments/gpu@latest", "environments/gpu"),
    ):
        ends = (f"{lab.locator}#models/m/1", f"{lab.locator}#{named}")
        told = within("diff", *ends, cwd=tmp_path, env=env)
        assert told.status == 11
        assert f"error: {lab.locator} has no {missing}\n" in told.err
        assert f"mlarchive ls '{lab.locator}'" in told.err


def test_a_registry_that_is_not_there_is_named_before_anything_in_it(
    azureml: Emulator, tmp_path: Path
) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_model(lab, "m", "1", FILES)
    env = azureml.environment(lab.tenant)
    model, nowhere = f"{lab.locator}#models/m/1", "azureml://registries/nowhere"
    for words in (
        ("diff", model, f"{nowhere}#models/m/1"),
        ("copy", model, nowhere, "--dry-run"),
        ("ls", nowhere),
    ):
        told = within(*words, cwd=tmp_path, env=env)
        assert told.status == 11
        missing = f"{nowhere}: it answers 404: UserError: Registry nowhere was not found."
        assert told.err.splitlines()[0].endswith(missing)
        assert "hint: check the registry's name, and that it is in the cloud" in told.err


def test_a_workspace_that_is_not_there_is_named_with_what_to_check(
    azureml: Emulator, tmp_path: Path
) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_model(lab, "m", "1", FILES)
    env, model = azureml.environment(lab.tenant), f"{lab.locator}#models/m/1"
    nowhere = lab.locator.replace("workspaces/lab", "workspaces/nowhere")
    for words in (
        ("diff", model, f"{nowhere}#models/m/1"),
        ("copy", model, nowhere, "--dry-run"),
        ("ls", nowhere),
    ):
        told = within(*words, cwd=tmp_path, env=env)
        assert (told.status, nowhere in told.err) == (11, True)
        assert "hint: check subscription, resource group and name, and that it is in" in told.err


def test_a_signature_that_is_refused_again_and_again_is_said_soon(
    azureml: Emulator, opened: Open
) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_model(lab, "m", "1", FILES)
    lab.datastores["workspaceblobstore"].lifetime = -10
    with pytest.raises(AccessError, match="answers 403"):
        opened(lab).read(address(lab, "models", "m", "1"))
    assert sum(request.status == 403 for request in azureml.requests) == 3


def test_a_token_that_is_taken_no_longer_is_renewed(azureml: Emulator, opened: Open) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_model(lab, "m", "1", FILES)
    source = opened(lab)
    azureml.faults.plan("expire", counts=lambda *asked: asked[2].endswith("/models/m"))
    snapshot = source.read(address(lab, "models", "m", "1"))
    assert [stream.entry.size for stream in snapshot.streams] == [12]  # type: ignore[union-attr]


def test_a_person_without_credentials_can_log_in_with_a_browser_and_a_service_cannot(
    azureml: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with without_grammars():
        from mlarchive.registries.azureml.client import Login
    for name, value in azureml.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", "/nowhere")
    person, service = (
        Login(Start(cloud="", endpoints=None, interactive=interactive)).credential
        for interactive in (True, False)
    )
    assert isinstance(person, InteractiveBrowserCredential)
    assert isinstance(service, DefaultAzureCredential)
    with pytest.raises(ClientAuthenticationError):
        service.get_token("https://management.azure.com/.default")


@pytest.mark.parametrize("asks", ["control plane", "storage"])
def test_a_pause_that_a_service_asks_for_is_told_and_ends_when_somebody_is_to_stop(
    azureml: Emulator, opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asks: str
) -> None:
    lab, lines = azureml.workspace(azureml.tenant(), "lab"), list[str]()
    azureml.put_model(lab, "m", "1", FILES)
    source = opened(lab)
    snapshot = source.read(address(lab, "models", "m", "1"))
    monkeypatch.setattr(waiting, "_SAID_AFTER", 0)
    monkeypatch.setattr(waiting, "_WATCHING", [lines.append])
    monkeypatch.setattr(process, "_SOON_SECONDS", 1.0)
    azureml.faults.pause = "50"
    is_of_blobs = asks == "storage"
    azureml.faults.plan("throttle", counts=lambda _, host, __: (".blob." in host) is is_of_blobs)

    def check() -> None:
        if lines:
            raise Interrupted("stopped when asked to")

    began = time.monotonic()
    with pytest.raises(Interrupted), waiting.stoppable(check):
        if is_of_blobs:
            pack_file(snapshot, tmp_path / "m.mlpkg", packed_at=0)
        else:
            source.read(address(lab, "models", "m", "1"))
    assert time.monotonic() - began < 20
    said = f"an answer of {lab.locator}" if not is_of_blobs else "core.windows.net, which is busy"
    assert lines == [f"waiting for {said}"]


def test_a_login_waits_for_no_longer_than_anybody_would(
    azureml: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with without_grammars():
        from mlarchive.registries.azureml import pausing
        from mlarchive.registries.azureml.client import Login
    tenant = azureml.tenant()
    for name, value in (azureml.variables | azureml.environment(tenant)).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(pausing, "_LONGEST_PAUSE_SECONDS", 1.0)
    azureml.faults.pause = "100000"
    azureml.faults.plan("throttle", counts=lambda _m, _h, path: path.endswith("/v2.0/token"))
    began = time.monotonic()
    login = Login(Start(cloud="", endpoints=None, interactive=False))
    assert login.token("").token
    assert 1 <= time.monotonic() - began < 30
    assert [request.status for request in azureml.requests if request.status == 429] == [429]


def test_an_environment_of_a_name_that_azure_ml_does_not_have_costs_itself_alone(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_environment(lab, "e", "1", image="x")
    dotted = WritePolicy(rename="e.1")
    with pytest.raises(UnsupportedError, match=r"'e\.1' is no name for an environment") as caught:
        carry(opened(lab), address(lab, "environments", "e", "1"), opened(lab), tmp_path, dotted)
    assert "--rename" in caught.value.hint
    folder = copied(tmp_path, PROSTATE)
    stated = folder / PROSTATE / "ENVIRONMENT" / "azureml_environment.json"
    stated.write_text(stated.read_text("utf-8").replace("InnerEye-Env", "Inner.Eye"), "utf-8")
    way = Way(scratch=tmp_path, packed_at=0)
    done = copy(read(folder), opened(lab), POLICY, way).receipt
    assert "environment Inner.Eye" in {loss.field for loss in done.losses}
    assert list(lab.of("models")["my_model"].versions) == ["100"]


def test_a_write_into_a_workspace_that_is_not_there_is_refused_before_it_is_done(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_model(lab, "m", "1", FILES)
    snapshot = opened(lab).read(address(lab, "models", "m", "1"))
    path = tmp_path / "m.mlpkg"
    pack_file(snapshot, path, packed_at=1)
    variables = environment(azureml.environment(lab.tenant))
    nowhere = lab.locator.removeprefix("azureml://") + "x"
    with (
        Package.open(path) as package,
        AzureMlRegistry.open(nowhere, environment=variables) as target,
    ):
        with pytest.raises(NotFoundError, match="404"):
            target.plan_write(package.snapshot(), POLICY)
        with pytest.raises(NotFoundError, match="404"):
            target.holding(snapshot.address, POLICY)
