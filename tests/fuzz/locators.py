"""Fuzzes the grammar of locators: a text is refused, or means the same when it is written anew."""

from collections.abc import Iterator

from mlarchive.errors import LocatorError
from mlarchive.registries.locator import parse
from tests.fuzz.harness import Target, main


def seeds() -> Iterator[bytes]:
    """A locator of each kind."""
    for text in (
        "mlflow+http://127.0.0.1:5000#models/wine/3",
        "mlflow+https://user@host/p?q#models/wine@champion",
        "mlflow+sqlite:///mlflow.db#runs/0123",
        "mlflow:#experiments/%2FUsers%2Fme%40x%2FWine",
        "models:/wine/3",
        "models:/wine@champion",
        "runs:/0123",
        "databricks://profile",
        "azureml://registries/R#environments/e/12",
        "azureml://subscriptions/S/resourcegroups/G/workspaces/W/models/M/versions/3",
        "neptune://workspace/project#models/MOD-CHURN",
        "dir:a/b%20c",
        "vault:/v#id:a/name:b",
        "wine-3.mlpkg#runs/*",
        "prod#models/w?ne/3",
    ):
        yield text.encode()


def check(data: bytes) -> str:
    """Parse a text."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        locator = parse(text)
    except LocatorError:
        return "refused"
    again = parse(str(locator))
    assert (again.scheme, again.registry, again.selector) == (
        locator.scheme,
        locator.registry,
        locator.selector,
    ), f"{locator} is not {again}"
    return locator.scheme


TARGET = Target(name="locators", check=check, seeds=seeds)

if __name__ == "__main__":
    main(TARGET)
