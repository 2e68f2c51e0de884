"""A workspace or a registry of Azure ML: how it is named, and the path of its resources.

Knows no client. Paths are those of Azure Resource Manager, without the host.
"""

import re
from urllib.parse import quote

from msgspec import Struct

from mlarchive.errors import LocatorError

PROVIDER = "Microsoft.MachineLearningServices"

_WORKSPACE = re.compile(
    r"subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"(?:/providers/[^/]+)?/workspaces/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_REGISTRY = re.compile(r"registries/(?P<name>[^/]+)", re.IGNORECASE)


class Place(Struct, frozen=True, kw_only=True):
    """A workspace, or a registry if it has no resource group.

    Attributes:
        name: Of the workspace or registry.
        subscription: A workspace's; "" for a registry, whose owner discovery tells.
        group: A workspace's resource group; "" for a registry.
    """

    name: str
    subscription: str = ""
    group: str = ""

    @property
    def is_registry(self) -> bool:
        """Whether it is a registry."""
        return not self.group

    @property
    def locator(self) -> str:
        """What follows `azureml://` in its locator."""
        if self.is_registry:
            return f"registries/{self.name}"
        return (
            f"subscriptions/{self.subscription}/resourceGroups/{self.group}/workspaces/{self.name}"
        )

    def resource(self, *, subscription: str = "", group: str = "") -> str:
        """The path of its own resource; a registry's owner is given."""
        collection = "registries" if self.is_registry else "workspaces"
        return (
            f"/subscriptions/{quote(self.subscription or subscription, safe='')}"
            f"/resourceGroups/{quote(self.group or group, safe='')}"
            f"/providers/{PROVIDER}/{collection}/{quote(self.name, safe='')}"
        )


def place_of(text: str) -> Place:
    """The place that a locator names, given what follows its `azureml://`.

    Raises:
        LocatorError: It is neither a workspace nor a registry.
    """
    if match := _REGISTRY.fullmatch(text):
        return Place(name=match["name"])
    if match := _WORKSPACE.fullmatch(text):
        return Place(name=match["name"], subscription=match["subscription"], group=match["group"])
    raise LocatorError(
        f"azureml://{text} names no workspace and no registry",
        hint="write azureml://subscriptions/S/resourceGroups/G/workspaces/W "
        "or azureml://registries/R",
    )
