"""A request of a control plane as its services see it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from tests.support.azureml.answers import invalid
from tests.support.azureml.clouds import Cloud
from tests.support.azureml.world import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request.

    Attributes:
        method: Such as `GET`.
        cloud: Whose host was asked.
        host: The host's name.
        path: Percent-encoded.
        query: Decoded; the last value of each name.
        headers: As sent.
        raw: The body.
    """

    method: str
    cloud: Cloud
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes

    @property
    def url(self) -> str:
        """The address without the query."""
        return f"https://{self.host}{self.path}"

    @property
    def full_url(self) -> str:
        """The address with its query."""
        return f"{self.url}?{'&'.join(f'{name}={value}' for name, value in self.query.items())}"

    @property
    def body(self) -> Json:
        """The body as the JSON object that it must be; an empty one is an object too."""
        try:
            value: Any = json.loads(self.raw or b"{}")
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise invalid("The body is no JSON object.")
        return value

    @property
    def form(self) -> Mapping[str, str]:
        """The body as a form."""
        return dict(parse_qsl(self.raw.decode("utf-8", "replace")))
