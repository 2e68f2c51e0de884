"""Azure ML's own client, as the process of a cloud uses it: credentials, requests, sharing.

Only that process imports this. azure-ai-ml keeps the cloud of its last client in a variable of the
whole process, and would send one cloud's secrets to another's hosts. Requests go through the
client's own pipeline, since its entities drop or re-order part of what the service says: the
stage of an archived version, a job's name, the text of a conda file.
"""

import contextlib
import json
import os
import time
from typing import Any
from urllib.parse import urlsplit

from azure.ai.ml import MLClient
from azure.ai.ml._azure_environments import _get_cloud_details, _get_default_cloud_name
from azure.ai.ml.constants._common import AZUREML_CLOUD_ENV_NAME, ArmConstants
from azure.core.credentials import TokenCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline import PipelineResponse
from azure.core.rest import HttpRequest, HttpResponse
from azure.identity import DefaultAzureCredential, InteractiveBrowserCredential

from mlarchive.errors import RemoteError, UnavailableError
from mlarchive.registries.azureml.access import BUILT_IN
from mlarchive.registries.azureml.failures import words_of
from mlarchive.registries.azureml.messages import Bearer, Connected, Request, Share, Start
from mlarchive.registries.azureml.pausing import shorten, shorten_login
from mlarchive.registries.azureml.places import Place
from mlarchive.registries.redaction import without_credentials

_RETRIES = 5
_LONGEST_OPERATION_SECONDS = 3600
_POLL_SECONDS = 2.0
_SLOWEST_POLL_SECONDS = 30.0
_ACCEPTED = 202
_REFUSED = 400
_DISCOVERY = "/discovery"
_ENDED = {"succeeded", "failed", "canceled"}


class Login:
    """Who asks, in one cloud; all places of it share this."""

    def __init__(self, start: Start) -> None:
        """Find credentials; where these are asked for, a person logs in.

        Raises:
            Exception: As azure-identity does.
        """
        name = start.cloud or _default_cloud()
        self.cloud: dict[str, Any] = {"cloud": name}
        if start.endpoints is not None:
            described = {part: getattr(start.endpoints, part) for part in _ENDPOINTS}
            self.cloud["cloud_metadata"] = described
        else:
            described = _get_cloud_details(name)
        # Other clouds' authorities are unknown to the public one, which is asked by default.
        known: dict[str, Any] = {
            "authority": str(described["active_directory"]),
            "disable_instance_discovery": name not in BUILT_IN,
            "raw_response_hook": shorten_login,
        }
        self._scope = f"{str(described['resource_manager']).rstrip('/')}/.default"
        self.credential = _credential(known, self._scope, interactive=start.interactive)

    def token(self, scope: str) -> Bearer:
        """An access token; "" stands for the scope of the control plane."""
        got = self.credential.get_token(scope or self._scope)
        return Bearer(token=got.token, expires_on=got.expires_on)


class Client:
    """One workspace or registry through azure-ai-ml."""

    def __init__(self, login: Login, place: Place) -> None:
        """Connect.

        Raises:
            Exception: As azure-ai-ml does.
        """
        named = (
            {"registry_name": place.name}
            if place.is_registry
            else {
                "subscription_id": place.subscription,
                "resource_group_name": place.group,
                "workspace_name": place.name,
            }
        )
        self._registry = ""
        self._client = MLClient(
            login.credential,
            raw_response_hook=self._noted if place.is_registry else shorten,
            show_progress=False,
            enable_telemetry=False,
            retry_total=_RETRIES,
            **named,
            **login.cloud,
        )
        # The client has no public way to send a request of one's own through its pipeline.
        self._sender: Any = (
            self._client._service_client_registry_arm  # noqa: SLF001
            if place.is_registry
            else self._client._service_client_08_2023_preview  # noqa: SLF001
        )
        self._host = urlsplit(str(self._sender._config.base_url)).netloc  # noqa: SLF001

    def connected(self) -> Connected:
        """What only the connected client knows."""
        scope = self._client._operation_scope  # noqa: SLF001
        details = _get_cloud_details(self._client._cloud)  # noqa: SLF001
        return Connected(
            storage=str(details["storage_endpoint"]),
            subscription=str(scope.subscription_id),
            group=str(scope.resource_group_name),
            registry=self._registry,
        )

    def _noted(self, response: PipelineResponse[Any, Any]) -> None:
        """Keep how the service itself spells a registry, which the client asks for and drops."""
        shorten(response)
        if urlsplit(str(response.http_request.url)).path.endswith(_DISCOVERY):
            with contextlib.suppress(ValueError, LookupError, TypeError):
                self._registry = str(json.loads(response.http_response.text())["registryName"])

    def request(self, asked: Request) -> HttpResponse:
        """Send a request, and wait until what it began has ended.

        Raises:
            RemoteError: An answer named another server as its next page, or an operation failed.
            Exception: As azure-core does.
        """
        if "://" in asked.path:
            if urlsplit(asked.path).netloc != self._host:
                raise RemoteError(
                    f"{self._host} sends on to another server, {urlsplit(asked.path).netloc}"
                )
            request = HttpRequest(asked.method, asked.path)
        else:
            query = {"api-version": asked.api_version, **asked.query}
            request = HttpRequest(asked.method, asked.path, params=query)
        if asked.body:
            request = HttpRequest(
                asked.method,
                request.url,
                content=asked.body,
                headers={"Content-Type": "application/json"},
            )
        response: HttpResponse = self._sender.send_request(request)
        return self._ended(response)

    def share(self, asked: Share) -> None:
        """Have a registry copy an asset of this workspace; returns when it has it.

        While it lasts the client means another place, so it must be asked nothing else.
        """
        operations = self._client.models if asked.kind == "models" else self._client.environments
        operations.share(
            asked.name,
            asked.version,
            share_with_name=asked.as_name,
            share_with_version=asked.as_version,
            registry_name=asked.registry,
        )

    def _ended(self, response: HttpResponse) -> HttpResponse:
        """Follow a long-running operation to its end."""
        monitor = response.headers.get("Azure-AsyncOperation", "")
        location = response.headers.get("Location", "") if response.status_code == _ACCEPTED else ""
        if response.status_code >= _REFUSED or not (monitor or location):
            return response
        until = time.monotonic() + _LONGEST_OPERATION_SECONDS
        wait = _POLL_SECONDS
        while time.monotonic() < until:
            time.sleep(min(_pause(response, wait), max(0.0, until - time.monotonic())))
            wait = min(wait * 1.5, _SLOWEST_POLL_SECONDS)
            response = self._sender.send_request(HttpRequest("GET", self._own(monitor or location)))
            if response.status_code >= _REFUSED:
                return response
            if not monitor:
                if response.status_code != _ACCEPTED:
                    return response
                continue
            state = str(response.json().get("status", ""))
            if state.lower() == "succeeded":
                return response
            if state.lower() in _ENDED:
                words = words_of(response.read())
                raise RemoteError(f"{self._host} says that the operation {state}: {words}")
        raise RemoteError(f"{self._host} did not end an operation within an hour")

    def _own(self, url: str) -> str:
        if urlsplit(url).netloc not in {"", self._host}:
            raise RemoteError(f"{self._host} sends on to another server, {urlsplit(url).netloc}")
        return url


_ENDPOINTS = (
    "resource_manager",
    "active_directory",
    "storage_endpoint",
    "registry_discovery_endpoint",
    "aml_resource_id",
    "azure_portal",
)


def _default_cloud() -> str:
    """The cloud that the variables of azure-ai-ml name.

    Raises:
        UnavailableError: They say where clouds are described, and none is. The client would take
            the public cloud then, and show it secrets that are another one's.
    """
    name = _get_default_cloud_name()
    where = os.environ.get(ArmConstants.METADATA_URL_ENV_NAME)
    # The client sets the one variable when the other one leads to a cloud.
    if where is not None and AZUREML_CLOUD_ENV_NAME not in os.environ:
        raise UnavailableError(
            f"no cloud is described at {without_credentials(where)}, which "
            f"{ArmConstants.METADATA_URL_ENV_NAME} names"
        )
    return name


def _credential(known: dict[str, Any], scope: str, *, interactive: bool) -> TokenCredential:
    """The default credential; where it has none, a person's browser if there is a person."""
    credential: TokenCredential = DefaultAzureCredential(**known)
    if not interactive:
        return credential
    with contextlib.suppress(ClientAuthenticationError):
        credential.get_token(scope)
        return credential
    browser: TokenCredential = InteractiveBrowserCredential(**known)
    return browser


def _pause(response: HttpResponse, otherwise: float) -> float:
    """How long the server wants to be left alone, in seconds.

    It may say so in milliseconds too, and then means these, as azure-core reads it.
    """
    for name, share in (("x-ms-retry-after-ms", 1000), ("Retry-After", 1)):
        said = response.headers.get(name, "")
        if said.isdecimal():
            return int(said) / share
    return otherwise
