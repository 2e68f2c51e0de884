"""What a server shows is what its pages say, and an answer that is no page shows nothing at all."""

from typing import Any

import pytest

from mlarchive.errors import RemoteError
from mlarchive.registries.azureml.assets import Asset, ControlPlane
from mlarchive.registries.azureml.messages import Answer, Connected, Request
from mlarchive.registries.azureml.places import Place


class Gateway:
    """Stands before the cloud and says one thing."""

    prefix = ""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def connect(self, place: Place) -> None:
        pass

    def connected(self, place: Place) -> Connected:
        del place
        return Connected(storage="core", subscription="s", group="g")

    def ask(self, place: Place, asked: Request) -> Answer:
        del place, asked
        return Answer(number=1, status=200, body=self._body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>Log in</html>",
        b'{"message": "log in"}',
        b"[]",
        b'"value"',
        b'{"value": ["m"]}',
    ],
)
def test_what_a_gateway_says_is_no_empty_registry(body: bytes) -> None:
    cloud: Any = Gateway(body)
    plane = ControlPlane(Place(name="r"), cloud)
    with pytest.raises(RemoteError, match="azureml://registries/r"):
        list(plane.containers("models", archived=False))


def test_a_page_that_names_itself_as_the_next_one_is_an_error() -> None:
    cloud: Any = Gateway(b'{"value": [], "nextLink": "https://a/b"}')
    with pytest.raises(RemoteError, match="the same page of models"):
        list(ControlPlane(Place(name="r"), cloud).containers("models", archived=False))


@pytest.mark.parametrize("properties", [["p"], {"tags": ["a"]}, {"flavors": ["b"]}])
def test_labels_of_another_form_are_an_error(properties: object) -> None:
    with pytest.raises(RemoteError, match="by name"):
        _ = Asset("m", {"properties": properties}).is_archived


def test_an_empty_page_is_an_empty_registry() -> None:
    cloud: Any = Gateway(b'{"value": []}')
    assert not list(ControlPlane(Place(name="r"), cloud).containers("models", archived=False))
