"""Each place gets the cloud and the credentials that are said for it, and nobody else's."""

import io
from pathlib import Path

import pytest

from mlarchive.errors import ConfigError
from mlarchive.registries.azureml.access import FILE, access_to
from mlarchive.registries.azureml.messages import Ask, Start, receive, send
from mlarchive.registries.azureml.places import place_of

CONFIGURED = """
[[access]]
places = ["registries/clinic", "subscriptions/S/resourceGroups/ml"]
cloud = "airgap"
variables = "CLINIC_"

[clouds.airgap]
resource_manager = "https://management.airgap.example"
active_directory = "https://login.airgap.example"
storage_endpoint = "airgap.example"
registry_discovery_endpoint = "https://registries.airgap.example"
"""
VARIABLES = {
    "PATH": "/bin",
    "AZURE_CLIENT_SECRET": "ours",
    "CLINIC_AZURE_CLIENT_SECRET": "theirs",
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "azureml.toml"
    path.write_text(CONFIGURED)
    return {**VARIABLES, FILE: str(path)}


@pytest.mark.parametrize(
    "place", ["registries/clinic", "subscriptions/S/resourcegroups/ML/workspaces/W"]
)
def test_a_place_that_is_named_has_its_own_cloud_and_credentials(
    place: str, environment: dict[str, str]
) -> None:
    access = access_to(place_of(place), environment, interactive=False)
    assert access.cloud == "airgap"
    assert access.endpoints is not None
    assert access.endpoints.storage_endpoint == "airgap.example"
    assert "theirs" in access.variables.values()
    assert "ours" not in access.variables.values()


@pytest.mark.parametrize(
    "place", ["registries/clinic2", "subscriptions/S/resourceGroups/ml2/workspaces/W"]
)
def test_any_other_place_has_the_usual_ones(place: str, environment: dict[str, str]) -> None:
    access = access_to(place_of(place), environment, interactive=False)
    assert (access.cloud, access.endpoints) == ("", None)
    assert "ours" in access.variables.values()
    assert "theirs" not in access.variables.values()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[access]]\nplaces = ["registries/r"]\ncloud = "moon"', "does not describe"),
        ('[[access]]\nplace = ["registries/r"]', "unknown field `place`"),
        ('[clouds.x]\nresource_manager = "http://x"', "resource_manager"),
        ('[clouds.x]\nresource_manager = "https://x?a=b"', "resource_manager"),
        ("[[access]", "line 1"),
    ],
)
def test_a_wrong_file_is_said_to_be_wrong(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "azureml.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        access_to(place_of("registries/r"), {FILE: str(path)}, interactive=False)


def test_a_cloud_without_registries_is_told_to_its_process_and_has_workspaces(
    environment: dict[str, str],
) -> None:
    path = Path(environment[FILE])
    path.write_text(path.read_text().replace("registry_discovery_endpoint", "# "))
    workspace = place_of("subscriptions/S/resourceGroups/ml/workspaces/W")
    access = access_to(workspace, environment, interactive=False)
    start = Ask(0, Start(cloud=access.cloud, endpoints=access.endpoints, interactive=False))
    stream = io.BytesIO()
    send(stream, start)
    stream.seek(0)
    assert receive(stream, Ask) == start
    with pytest.raises(ConfigError, match="does not say who tells in the cloud 'airgap' where"):
        access_to(place_of("registries/clinic"), environment, interactive=False)


@pytest.mark.parametrize("place", ["registries/clinic", "registries/other"])
def test_an_empty_variable_counts_as_not_set(place: str, environment: dict[str, str]) -> None:
    unset = dict.fromkeys(("AZURE_CLIENT_SECRET", "CLINIC_AZURE_CLIENT_SECRET", "EMPTY"), "")
    access = access_to(place_of(place), environment | unset, interactive=False)
    assert "AZURE_CLIENT_SECRET" not in access.variables
    assert access.variables["EMPTY"] == ""


def test_it_is_known_what_the_names_of_its_variables_begin_with(
    environment: dict[str, str],
) -> None:
    for place, prefix in (("registries/clinic", "CLINIC_"), ("registries/other", "")):
        assert access_to(place_of(place), environment, interactive=False).prefix == prefix


def test_places_that_differ_in_what_is_not_of_azure_ml_are_reached_alike(
    environment: dict[str, str],
) -> None:
    place = place_of("registries/other")
    told = [
        access_to(place, environment | more, interactive=False)
        for more in (
            {},
            {"TMPDIR": "/one"},
            {"TMPDIR": "/other", "MLARCHIVE_NOTEBOOK_FORMATS": "HTML"},
        )
    ]
    assert told[0] == told[1] == told[2]


def test_a_cloud_that_nobody_knows_is_refused_before_the_public_one_is_asked_about_it() -> None:
    place = place_of("registries/r")
    named = {"AZUREML_CURRENT_CLOUD": "AzureUsGovernment"}
    with pytest.raises(ConfigError, match="'AzureUsGovernment', and no cloud has that name"):
        access_to(place, named, interactive=False)
    told = {**named, "ARM_CLOUD_METADATA_URL": "https://management.example/metadata"}
    for known in (told, {"AZUREML_CURRENT_CLOUD": "AzureUSGovernment"}, {}):
        assert access_to(place, known, interactive=False).variables.items() >= known.items()
