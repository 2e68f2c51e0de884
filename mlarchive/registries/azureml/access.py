"""Which cloud a place is in, and which variables hold the credentials for it.

Without a file it is the cloud of `AZUREML_CURRENT_CLOUD` or `ARM_CLOUD_METADATA_URL`, else the
public one, and azure-identity finds the credentials in its usual variables. The file that
`MLARCHIVE_AZUREML` names says otherwise for the places it lists (`spec/mapping-azureml.md`, 6).
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from mlarchive import fsops
from mlarchive.errors import ConfigError
from mlarchive.registries.azureml.places import Place

FILE = "MLARCHIVE_AZUREML"
"""The variable that names the file."""

_PUBLIC = "AzureCloud"

BUILT_IN = frozenset({_PUBLIC, "AzureChinaCloud", "AzureUSGovernment"})
"""The clouds that azure-ai-ml and azure-identity know by themselves."""

_CLOUD, _CLOUDS = "AZUREML_CURRENT_CLOUD", "ARM_CLOUD_METADATA_URL"

_OF_OTHERS = ("MLARCHIVE_", "TMPDIR")
_OF_AZURE = ("AZURE_", "AZUREML_", "ARM_", "MSI_", "IDENTITY_", "IMDS_")

Https = Annotated[str, Meta(pattern=r"^https://[^/@?#\s]+/?$")]
MaybeHttps = Annotated[str, Meta(pattern=r"^(https://[^/@?#\s]+/?)?$")]
Host = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.-]+(:[0-9]+)?$")]


class Cloud(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The endpoints of a cloud that azure-ai-ml does not know.

    Attributes:
        resource_manager: Azure Resource Manager, such as `https://management.example`.
        active_directory: Who issues tokens.
        storage_endpoint: What a storage account's host ends with after `ACCOUNT.blob.`.
        registry_discovery_endpoint: Who says where a registry is; "" where there are none.
        aml_resource_id: The audience of Azure ML itself.
        azure_portal: The portal; only named, never asked.
    """

    resource_manager: Https
    active_directory: Https
    storage_endpoint: Host
    registry_discovery_endpoint: MaybeHttps = ""
    aml_resource_id: str = "https://ml.azure.com"
    azure_portal: str = ""


class Access(Struct, frozen=True, kw_only=True):
    """How a place is reached. Equal ones can share a process.

    Attributes:
        cloud: Its name; "" for the one that the variables of azure-ai-ml name.
        endpoints: Of a cloud that azure-ai-ml does not know.
        variables: The environment of the process that speaks with it: this place's credentials
            under their usual names, and nobody else's.
        interactive: Whether a person can be asked to log in.
        prefix: What the variables begin with where they are set; "" for their usual names.
    """

    cloud: str
    endpoints: Cloud | None
    variables: dict[str, str]
    interactive: bool = False
    prefix: str = ""


class _Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some places, their cloud, and what their variables begin with."""

    places: tuple[str, ...]
    cloud: str = ""
    variables: str = ""


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    access: tuple[_Rule, ...] = ()
    clouds: dict[str, Cloud] = {}


def access_to(place: Place, environment: Mapping[str, str], *, interactive: bool) -> Access:
    """How a place is reached.

    Raises:
        ConfigError: The file that says so is wrong, or names a cloud that nobody knows.
    """
    name = environment.get(FILE, "")
    configured = _read(Path(name)) if name else _File()
    rule = next((rule for rule in configured.access if _meant(rule, place)), _Rule(places=()))
    if rule.cloud not in {"", *BUILT_IN, *configured.clouds}:
        raise ConfigError(
            f"{name} puts {place.locator} into a cloud {rule.cloud!r} that it does not describe",
            hint=f"add a table [clouds.{rule.cloud}] with its endpoints",
        )
    endpoints = configured.clouds.get(rule.cloud)
    if endpoints and place.is_registry and not endpoints.registry_discovery_endpoint:
        raise ConfigError(
            f"{name} does not say who tells in the cloud {rule.cloud!r} where a registry is",
            hint=f"add registry_discovery_endpoint to the table [clouds.{rule.cloud}]",
        )
    others = tuple(other.variables for other in configured.access if other.variables)
    variables = _own_variables(environment, rule.variables, others)
    if not rule.cloud:
        _require_known(variables)
    return Access(
        cloud=rule.cloud,
        endpoints=endpoints,
        variables=variables,
        interactive=interactive,
        prefix=rule.variables,
    )


def _require_known(variables: Mapping[str, str]) -> None:
    """Refuse a cloud that azure-ai-ml would ask the public one about.

    Raises:
        ConfigError: It is none of those that it knows by itself, and nothing describes others.
    """
    named = variables.get(_CLOUD, _PUBLIC)
    if named not in BUILT_IN and not variables.get(_CLOUDS):
        raise ConfigError(
            f"{_CLOUD} is {named!r}, and no cloud has that name",
            hint=f"it is one of {', '.join(sorted(BUILT_IN))}, or one that {_CLOUDS} tells of",
        )


def _meant(rule: _Rule, place: Place) -> bool:
    """Whether a rule names the place, or something that it lies in."""
    wanted = f"{place.locator}/".lower()
    return any(wanted.startswith(f"{named.strip('/')}/".lower()) for named in rule.places)


def _own_variables(
    environment: Mapping[str, str], prefix: str, others: tuple[str, ...]
) -> dict[str, str]:
    """The environment with the credentials of one place only, under their usual names."""
    foreign = (*others, *_OF_AZURE) if prefix else others
    kept = {
        name: value
        for name, value in environment.items()
        if not (foreign and name.startswith(foreign))
    }
    if prefix:
        kept |= {
            name.removeprefix(prefix): value
            for name, value in environment.items()
            if name.startswith(prefix)
        }
    # Azure's clients do not take an empty one for one that is not set. The process writes no files
    # and reads none of our settings: commands that differ in these can share it.
    return {"OPENBLAS_NUM_THREADS": "1"} | {
        name: value
        for name, value in kept.items()
        if not name.startswith(_OF_OTHERS) and (value or not name.startswith(_OF_AZURE))
    }


def _read(path: Path) -> _File:
    with fsops.explaining(path, "read"):
        raw = path.read_bytes()
    try:
        return msgspec.convert(tomllib.loads(raw.decode()), type=_File)
    except (ValueError, msgspec.ValidationError) as error:
        raise ConfigError(
            f"{path} (from {FILE}) is wrong: {error}",
            hint="spec/mapping-azureml.md, section 6, shows what it holds",
        ) from error
