"""Locators name registries and things in them, or are refused with what to write instead."""

import pytest

from mlarchive.errors import LocatorError
from mlarchive.registries.base import Selector
from mlarchive.registries.locator import parse

VERSION = Selector(kind="models", name="wine", version="3")


@pytest.mark.parametrize(
    ("text", "scheme", "registry", "selector"),
    [
        ("mlflow+http://127.0.0.1:5000", "mlflow+http", "http://127.0.0.1:5000", Selector()),
        ("mlflow+http://HOST:5000/#models/wine/3", "mlflow+http", "http://host:5000", VERSION),
        ("mlflow+https://h/ml/flow/", "mlflow+https", "https://h/ml/flow", Selector()),
        ("mlflow+http://[::1]:5000", "mlflow+http", "http://[::1]:5000", Selector()),
        (
            "mlflow+sqlite:///mlflow.db#runs/ab12",
            "mlflow+sqlite",
            "sqlite:///mlflow.db",
            Selector(kind="runs", name="ab12"),
        ),
        ("models:/wine/3", "mlflow", "", VERSION),
        (
            "models:/wine@champion",
            "mlflow",
            "",
            Selector(kind="models", name="wine", alias="champion"),
        ),
        ("runs:/ab12", "mlflow", "", Selector(kind="runs", name="ab12", named="id")),
        (
            "runs:/ab12/model/MLmodel",
            "mlflow",
            "",
            Selector(kind="runs", name="ab12", named="id", path="model/MLmodel"),
        ),
        (
            f"models:/m-{'0' * 32}",
            "mlflow",
            "",
            Selector(kind="logged-models", name=f"m-{'0' * 32}", named="id"),
        ),
        ("dir:some/folder", "dir", "some/folder", Selector()),
        ("dir:100%/a%23b", "dir", "100%/a#b", Selector()),
        ("vault:v#models/wine", "vault", "v", Selector(kind="models", name="wine")),
        (
            "vault:v#prompts/greeting@live",
            "vault",
            "v",
            Selector(kind="prompts", name="greeting", alias="live"),
        ),
        ("a/wine-3.mlpkg", "package", "a/wine-3.mlpkg", Selector()),
        (
            "wine-3.mlpkg#runs/run-1",
            "package",
            "wine-3.mlpkg",
            Selector(kind="runs", name="run-1"),
        ),
        (
            "wine-3.mlpkg#//run-1/files",
            "package",
            "wine-3.mlpkg",
            Selector(path="run-1/files"),
        ),
        (
            "azureml://subscriptions/S/resourcegroups/G/workspaces/W/models/wine/versions/3",
            "azureml",
            "subscriptions/S/resourceGroups/G/workspaces/W",
            VERSION,
        ),
        ("azureml://registries/R#models/wine/3", "azureml", "registries/R", VERSION),
        ("azureml:#models/wine/3", "azureml", "", VERSION),
        ("neptune://w/p#models/wine/3", "neptune", "w/p", VERSION),
        ("neptune://w/*", "neptune", "w/*", Selector()),
        ("neptune:#models/wine/3", "neptune", "", VERSION),
        ("neptune-export:d", "neptune-export", "d", Selector()),
        ("databricks://PROD#models/wine/3", "databricks", "databricks://PROD", VERSION),
        ("prod#models/wine/3", "name", "prod", VERSION),
    ],
)
def test_every_form_of_the_grammar_is_understood(
    text: str, scheme: str, registry: str, selector: Selector
) -> None:
    locator = parse(text)
    assert (locator.scheme, locator.registry, locator.selector) == (scheme, registry, selector)
    assert locator.text == text


def test_one_place_of_azure_ml_has_one_origin_however_it_is_written() -> None:
    place = "subscriptions/s/resourceGroups/g/workspaces/w"
    provider = "providers/Microsoft.MachineLearningServices"
    written = ("azureml://Subscriptions/S/RESOURCEGROUPS/G", f"/{provider}", "/Workspaces/W")
    for text in ("".join(written), f"{written[0]}{written[2]}#models/Wine/3"):
        locator = parse(text)
        assert locator.origin == f"azureml://{place}"
        assert (parse(str(locator)).registry, locator.selector) == (
            locator.registry,
            parse(str(locator)).selector,
        )
    assert parse("azureml://Registries/R").origin == "azureml://registries/r"


@pytest.mark.parametrize(
    ("text", "says", "advises"),
    [
        ("", "empty", "mlflow+http"),
        ("http://127.0.0.1:5000", "not a locator", "mlflow+http://127.0.0.1:5000"),
        ("./folder", "not a locator", "dir:./folder"),
        ("s3://bucket", "not a locator", "dir:DIR"),
        ("dir:", "no path", "dir:DIR"),
        ("vault:v#", "nothing stands after the #", "#models/wine/3"),
        ("vault:v#model/wine", "'model' is no kind", "'models'"),
        ("vault:v#models//", "path", ""),
        ("vault:v#models/a/b/c", "more parts", "%2F"),
        ("vault:v#models/a@b@c", "holds an @", "%40"),
        ("vault:v#models/a@b/3", "both an alias and a version", "leave one"),
        ("vault:v#experiments/me@x", "only models, prompts and environments have aliases", "%40"),
        ("vault:v#models/50%", "two hexadecimal digits", "%25"),
        ("vault:v#models/%ff", "not UTF-8", ""),
        ("vault:v#models/a%00", "control character", ""),
        ("vault:v#models/a*%2A", "stands for itself", "one by one"),
        ("vault:v#models/a/1*", "is a pattern", "only names"),
        ("vault:v#models/a//../b", "no file name", ""),
        ("mlflow+http://", "names no host", "mlflow+http://HOST:PORT"),
        ("mlflow+http://h:99999", "not a web address", ""),
        ("mlflow+sqlite://x", "does not name a database", "mlflow+sqlite:///mlflow.db"),
        ("models:/wine/Production", "no version number", "alias"),
        ("models:/wine/latest", "no version number", "alias"),
        ("models:/wine/3#models/wine/3", "twice", "leave one out"),
        ("azureml://workspaces/W", "no workspace", "azureml://registries/R"),
        (
            "azureml://registries/R/models/m/versions/1/paths/a",
            "goes on after",
            "#models/m/1//PATH",
        ),
        (
            "azureml://registries/R/models/m",
            "names no version",
            "azureml://registries/R#models/m for",
        ),
        (
            "azureml://subscriptions/S/resourceGroups/G/workspaces/W/environments/E/versions/",
            "names no version",
            "workspaces/W#environments/E for all versions, or add /versions/",
        ),
        (
            "azureml://registries/R/models/m/labels/latest",
            "names a label, and no version",
            "azureml://registries/R#models/m@latest for the one made last",
        ),
        (
            "azureml://registries/R/environments/e@champion",
            "names a label, and no version",
            "azureml://registries/R#environments/e@latest",
        ),
        (
            "azureml://registries/R/models/m/versions/latest",
            "names a label, and no version",
            "or /versions/ and a number",
        ),
        ("models:/wine/labels/latest", "names a label as no locator", "models/wine@latest for"),
        (
            "azureml://registries/R#models/m/labels/latest",
            "names a label as no locator",
            "write models/m@latest",
        ),
        ("neptune://w", "names no project", "neptune://WORKSPACE/PROJECT"),
        ("databricks://", "names no profile", "databricks://PROFILE"),
        ("mlflow:x", "not a locator", "MLFLOW_TRACKING_URI"),
        ("dir:a\nb", "control character", ""),
        ("dir:a\udcff", "not UTF-8", "dir:."),
    ],
)
def test_a_wrong_locator_is_refused_with_what_is_wrong_and_what_to_write(
    text: str, says: str, advises: str
) -> None:
    with pytest.raises(LocatorError) as caught:
        parse(text)
    assert says in caught.value.message
    assert advises in caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["mlflow+http://me:s3cret@host:5000", "mlflow+https://s3cret@host#models/x", "s3://a:s3cret@b"],
)
def test_a_locator_with_credentials_is_refused_without_repeating_them(text: str) -> None:
    with pytest.raises(LocatorError) as caught:
        parse(text)
    assert "s3cret" not in caught.value.message + caught.value.hint


def test_a_query_that_may_hold_a_token_is_not_repeated() -> None:
    with pytest.raises(LocatorError) as caught:
        parse("mlflow+http://host:5000?token=s3cret")
    assert "s3cret" not in caught.value.message + caught.value.hint


def test_a_locator_without_its_object_is_the_origin() -> None:
    assert parse("mlflow+http://Host:5000/#models/wine/3").origin == "mlflow+http://host:5000"
    assert parse("models:/wine/3").origin == "mlflow:"
    assert parse("dir:a%23b#folders/x").origin == "dir:a%23b"
    assert parse("prod#models").origin == "prod"


@pytest.mark.parametrize(
    "text",
    [
        "mlflow+http://u:a/s3cret@h",
        "mlflow+http://u:s3cret#x@h",
        "mlflow+http:u:s3cret@h",
        "mlflow+http://[::1?token=s3cret",
        "mlflow+sqlite:///x.db?pw=s3cret",
        "mlflow:?token=s3cret",
        "neptune://w/p?api_token=s3cret",
        "azureml://registries/r?sig=s3cret",
        "databricks:token:s3cret",
        "https://h/x.mlpkg?sig=s3cret",
        "u:s3cret@h",
        "//u:s3cret@h/x",
    ],
)
def test_what_may_be_a_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(LocatorError) as caught:
        parse(text)
    assert "s3cret" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("text", ["#models/wine", ".mlpkg"])
def test_the_advice_fits_the_mistake(text: str) -> None:
    with pytest.raises(LocatorError) as caught:
        parse(text)
    assert "dir:," not in caught.value.hint
    assert "package:" not in caught.value.hint


@pytest.mark.parametrize(
    ("locator", "variable"),
    [
        ("azureml://ada:pw@registries/shared", "AZURE_CLIENT_SECRET"),
        ("neptune://ada:pw@lab/wine", "NEPTUNE_API_TOKEN"),
        ("mlflow+http://ada:pw@h:5000", "MLFLOW_TRACKING_USERNAME"),
    ],
)
def test_credentials_in_a_locator_are_refused_with_the_variables_that_are_theirs(
    locator: str, variable: str
) -> None:
    with pytest.raises(LocatorError, match="holds a user name or password") as caught:
        parse(locator)
    assert variable in caught.value.hint
    assert "pw" not in str(caught.value)
