"""How the service knows an asset: its id, its times, who made it, and its answer word for word."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from mlarchive.records import Native, Tags
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.redaction import redacted, without_credentials

_UNPLACED = (
    *("datasets", "intellectualProperty", "autoDeleteSetting", "autoRebuild"),
    *("defaultDeploymentTemplate", "allowedDeploymentTemplates"),
    *("environmentType", "isAnonymous"),
)
_BY_DEFAULT = {"autoRebuild": "Disabled", "environmentType": "UserCreated"}
EVIDENCE_ALONE = "no record has a place for it; it is kept as evidence alone"


def native(asset: Asset, also: Tags, *, location: str = "") -> Native:
    """Of a model, an environment, a version or a job.

    Args:
        asset: As the service gives it.
        also: Further facts by name.
        location: Where the service says that its files are.
    """
    made: dict[str, Any] = asset.raw.get("systemData") or {}
    return Native(
        id=str(asset.raw.get("id") or ""),
        created=milliseconds(made.get("createdAt")),
        updated=milliseconds(made.get("lastModifiedAt")),
        user=str(made.get("createdBy") or ""),
        location=without_credentials(location),
        verbatim=msgspec.json.encode(redacted(asset.raw)).decode(),
        also=also,
    )


def evidence_alone(asset: Asset) -> Iterator[str]:
    """Members of a version that stand in its evidence, and that no record has a place for."""
    for member in _UNPLACED:
        said = asset.properties.get(member)
        level = str(said.get("protectionLevel", "")) if isinstance(said, dict) else ""
        if said and said != _BY_DEFAULT.get(member) and level != "None":
            yield member


def milliseconds(said: object) -> int:
    """A time of the service, ms since 1970 UTC; 0 if there is none or it is not understood."""
    if not isinstance(said, str):
        return 0
    # Seven digits of a second, of which Python takes six.
    whole, _, rest = said.rstrip("Z").partition(".")
    try:
        time = datetime.fromisoformat(f"{whole}.{(rest + '000000')[:6]}")
    except ValueError:
        return 0
    return int(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1000)
