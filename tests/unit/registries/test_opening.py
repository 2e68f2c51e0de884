"""A locator opens the registry it names, or one sentence says why not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlarchive.errors import (
    AccessError,
    ConfigError,
    LocatorError,
    NotFoundError,
    UnsupportedError,
    UsageError,
)
from mlarchive.registries.base import Selector
from mlarchive.registries.locator import parse
from mlarchive.registries.opening import (
    SCHEMES,
    open_source,
    open_target,
    packing_time,
)


@pytest.mark.parametrize("text", ["oci:x", "bagit:x"])
def test_a_scheme_without_an_adapter_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(UnsupportedError, match="no adapter for"):
        open_source(parse(text), environment={})


@pytest.mark.parametrize(
    ("text", "environment", "why"),
    [
        ("neptune:", {}, "does not say which project"),
        ("neptune://w/p", {}, "no API token"),
        ("neptune://w/p", {"NEPTUNE_API_TOKEN": "nonsense"}, "is no API token of Neptune"),
    ],
)
def test_a_neptune_server_needs_a_project_and_a_token(
    text: str, environment: dict[str, str], why: str
) -> None:
    with pytest.raises((ConfigError, AccessError), match=why):
        open_source(parse(text), environment=environment)


def test_a_package_is_no_target() -> None:
    with pytest.raises(UnsupportedError, match="made whole"):
        open_target(parse("x.mlpkg"), environment={})


def test_a_package_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.mlpkg"):
        open_source(parse(str(tmp_path / "none.mlpkg")), environment={})


def test_a_name_that_no_configuration_gives_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(LocatorError, match="no registry is called 'prod'"):
        open_source(parse("prod"), environment={})
    with pytest.raises(LocatorError) as caught:
        open_source(parse("folder"), environment={})
    assert "dir:folder" in caught.value.hint


def test_models_need_to_know_which_server() -> None:
    with pytest.raises(ConfigError, match="which MLflow server") as caught:
        open_source(parse("models:/wine/3"), environment={})
    assert "#models/wine/3" in caught.value.hint


def test_a_whole_server_that_nobody_named_has_a_hint_without_an_object() -> None:
    with pytest.raises(ConfigError) as caught:
        open_source(parse("mlflow:"), environment={})
    assert caught.value.hint.endswith(" mlflow+http://HOST:PORT")


def test_the_page_of_locators_says_which_schemes_can_be_opened() -> None:
    page = (Path(__file__).parents[3] / "spec" / "locators.md").read_text()
    said = page.partition("\nThis version opens ")[2].partition(".\n")[0]
    assert set(re.findall(r"`([a-z+-]+):", said)) == SCHEMES | {"models", "runs"}
    assert "`FILE.mlpkg`" in said


def test_an_absolute_sqlite_path_takes_four_slashes() -> None:
    assert parse("mlflow+sqlite:////srv/mlflow.db").registry == "sqlite:////srv/mlflow.db"
    assert parse("mlflow+sqlite:///mlflow.db").registry == "sqlite:///mlflow.db"


@pytest.mark.parametrize("uri", ["file:///x", "./mlruns", "postgresql://h/x"])
def test_a_tracking_uri_that_cannot_be_opened_is_refused(uri: str) -> None:
    with pytest.raises(UnsupportedError, match="MLFLOW_TRACKING_URI"):
        open_source(parse("runs:/ab"), environment={"MLFLOW_TRACKING_URI": uri})


@pytest.mark.parametrize("uri", ["databricks", "databricks://lab"])
def test_a_workspace_of_the_tracking_uri_needs_a_token(uri: str, tmp_path: Path) -> None:
    environment = {"MLFLOW_TRACKING_URI": uri, "HOME": str(tmp_path)}
    for text in ("runs:/ab", uri):
        with pytest.raises(ConfigError, match="no Databricks workspace is known"):
            open_source(parse(text), environment=environment)


def test_a_password_in_the_tracking_uri_is_refused_and_not_repeated() -> None:
    environment = {"MLFLOW_TRACKING_URI": "http://me:s3cret@127.0.0.1:1"}
    with pytest.raises(LocatorError) as caught:
        open_source(parse("runs:/ab"), environment=environment)
    assert "s3cret" not in caught.value.message


def test_a_registry_elsewhere_than_the_tracking_server_is_not_passed_over() -> None:
    environment = {"MLFLOW_TRACKING_URI": "http://a", "MLFLOW_REGISTRY_URI": "http://b"}
    with pytest.raises(UnsupportedError, match="another server"):
        open_source(parse("models:/wine/3"), environment=environment)


def test_a_registry_goes_by_the_name_it_is_given(tmp_path: Path) -> None:
    with open_source(parse(f"dir:{tmp_path}"), origin="prod", environment={}) as source:
        assert source.origin == "prod"
        (listing,) = source.ls(Selector())
    assert listing.address.origin == "prod"


def test_packages_state_the_time_of_source_date_epoch() -> None:
    assert packing_time({"SOURCE_DATE_EPOCH": "1700000000"}) == 1_700_000_000_000
    assert packing_time({}) > 1_700_000_000_000
    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH is 'now'"):
        packing_time({"SOURCE_DATE_EPOCH": "now"})


def test_without_mlflows_client_the_extra_is_named() -> None:
    """In a process where mlflow cannot be found, as on a machine without it."""
    program = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "mlflow" else find(name, *rest)
from mlarchive.cli import main
sys.exit(main(["ls", "mlflow+http://127.0.0.1:1"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 16
    assert "pip install 'mlarchive[mlflow]'" in done.stderr


def test_without_azures_client_the_extra_is_named() -> None:
    """In a process where no package of Azure's can be found, as on a machine without them."""
    program = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "azure":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from mlarchive.cli import main
sys.exit(main(["ls", "azureml://registries/shared"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 16
    assert "pip install 'mlarchive[azureml]'" in done.stderr


def test_a_time_that_no_clock_shows_is_refused() -> None:
    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH"):
        packing_time({"SOURCE_DATE_EPOCH": "9" * 30})


def test_a_place_of_azure_that_nobody_named_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="which workspace or registry") as caught:
        open_source(parse("azureml:#models/wine/3"), environment={})
    assert "AZUREML_REGISTRY_NAME" in caught.value.hint


@pytest.mark.parametrize(
    ("variables", "origin"),
    [
        ({"AZUREML_REGISTRY_NAME": "R"}, "azureml://registries/r"),
        (
            {
                "AZURE_SUBSCRIPTION_ID": "S",
                "AZUREML_ARM_RESOURCEGROUP": "G",
                "AZUREML_WORKSPACE_NAME": "W",
            },
            "azureml://subscriptions/s/resourceGroups/g/workspaces/w",
        ),
    ],
)
def test_azures_own_variables_name_a_place(variables: dict[str, str], origin: str) -> None:
    with open_source(parse("azureml:"), environment={**os.environ, **variables}) as source:
        assert source.origin == origin


@pytest.mark.parametrize("text", ["azureml://registries/r#models/wine/3", "dir:out#folders/wine"])
def test_a_target_names_no_object(text: str) -> None:
    with pytest.raises(UsageError, match="keeps its own name there"):
        open_target(parse(text), environment={})
