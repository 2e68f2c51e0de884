"""The clouds that are emulated: the host names by which Azure's own clients know them.

Names and endpoints are those of `azure.ai.ml._azure_environments`; an air-gapped cloud has others.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """The hosts of one cloud.

    Attributes:
        name: As `MLClient(cloud=...)` and `AZUREML_CURRENT_CLOUD` name it.
        resource_manager: Host of Azure Resource Manager.
        login: Host that issues tokens.
        storage: What a storage account's host ends with, such as `core.windows.net`.
        machine_learning: Audience of Azure ML itself, such as `https://ml.azure.com`.
        discovery: Host that tells where a registry is.
        api: What the host of a region's services ends with; MLflow is there.
        experiments: What the host ends with that manages a registry's assets.
    """

    name: str
    resource_manager: str
    login: str
    storage: str
    machine_learning: str
    discovery: str
    api: str
    experiments: str

    @property
    def metadata(self) -> dict[str, str]:
        """As `MLClient(cloud_metadata=...)` takes it."""
        return {
            "azure_portal": f"https://portal.{self.api}",
            "resource_manager": f"https://{self.resource_manager}",
            "active_directory": f"https://{self.login}",
            "aml_resource_id": self.machine_learning,
            "storage_endpoint": self.storage,
            "registry_discovery_endpoint": f"https://{self.discovery}/",
        }

    @property
    def described(self) -> dict[str, object]:
        """As Azure Resource Manager describes it where `ARM_CLOUD_METADATA_URL` leads."""
        return {
            "name": self.name,
            "portal": f"https://portal.{self.api}",
            "resourceManager": f"https://{self.resource_manager}",
            "authentication": {"loginEndpoint": f"https://{self.login}"},
            "suffixes": {"storage": self.storage},
        }

    @property
    def audiences(self) -> Mapping[str, str]:
        """What tokens are for, by the scope that a client asks."""
        return {
            f"https://{self.resource_manager}/.default": "management",
            f"https://{self.resource_manager}//.default": "management",
            f"{self.machine_learning}/.default": "management",
            "https://storage.azure.com/.default": "storage",
        }

    def blob_host(self, account: str) -> str:
        """The host of a storage account's blobs."""
        return f"{account}.blob.{self.storage}"

    def role_of(self, host: str) -> str:
        """What a host of this cloud is: `login`, `management`, `storage`; "" if it is none."""
        if host == self.login:
            return "login"
        ends = (f".{self.api}", f".{self.experiments}")
        if host in {self.resource_manager, self.discovery} or host.endswith(ends):
            return "management"
        return "storage" if host.endswith(f".blob.{self.storage}") else ""


PUBLIC = Cloud(
    name="AzureCloud",
    resource_manager="management.azure.com",
    login="login.microsoftonline.com",
    storage="core.windows.net",
    machine_learning="https://ml.azure.com",
    discovery="eastus.api.azureml.ms",
    api="api.azureml.ms",
    experiments="experiments.azureml.net",
)

GOVERNMENT = Cloud(
    name="AzureUSGovernment",
    resource_manager="management.usgovcloudapi.net",
    login="login.microsoftonline.us",
    storage="core.usgovcloudapi.net",
    machine_learning="https://ml.azure.us",
    discovery="usgovarizona.api.ml.azure.us",
    api="api.ml.azure.us",
    experiments="experiments.ml.azure.us",
)

AIR_GAPPED = Cloud(
    name="AirGapped",
    resource_manager="management.airgap.example",
    login="login.airgap.example",
    storage="storage.airgap.example",
    machine_learning="https://ml.airgap.example",
    discovery="discovery.api.ml.airgap.example",
    api="api.ml.airgap.example",
    experiments="experiments.ml.airgap.example",
)
"""A cloud that Azure's clients know nothing of; it has to be configured."""

CLOUDS = (PUBLIC, GOVERNMENT, AIR_GAPPED)
