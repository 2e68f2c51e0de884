"""The real clients of Azure ML, in the test's own process, pointed at the emulator."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.integration.azureml.registries import opened
from tests.integration.azureml.sdk import client
from tests.support.azureml import Emulator, Place, Principal
from tests.support.azureml.trained import clinic, journey, trained

__all__ = ["clinic", "connect", "journey", "opened", "trained"]

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

Connect = Callable[..., "MLClient"]


@pytest.fixture
def connect(azureml: Emulator, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Makes a client of a workspace or a registry of AzureCloud."""
    from azure.identity import EnvironmentCredential

    def connect(place: Place, principal: Principal | None = None) -> "MLClient":
        monkeypatch.delenv("AZUREML_CURRENT_CLOUD", raising=False)
        for name, value in azureml.environment(place.tenant, principal).items():
            monkeypatch.setenv(name, value)
        credential = EnvironmentCredential()
        if place.kind == "registries":
            return client(credential, registry_name=place.name, show_progress=False)
        tenant = place.tenant
        return client(credential, tenant.subscription, place.group, place.name, show_progress=False)

    return connect
