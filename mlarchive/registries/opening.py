"""From a locator to an open registry; each adapter is imported only here, and only when named.

The environment is given, not read: it says which server `mlflow:` means and, with
SOURCE_DATE_EPOCH, which time new packages state.
"""

import importlib.util
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.errors import (
    ConfigError,
    LocatorError,
    MissingExtraError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from mlarchive.records.places import azureml_origin
from mlarchive.registries.base import Selector, Source, Target
from mlarchive.registries.locator import Locator, parse
from mlarchive.registries.selecting import format_object

if TYPE_CHECKING:
    from mlarchive.registries.restorable import RestoreTarget
    from mlarchive.trust import Trust
    from mlarchive.trust.keys import PrivateKey

Environ = Mapping[str, str]
AnyRegistry = Source | Target

EXPORT_TIMEZONE = "MLARCHIVE_EXPORT_TIMEZONE"
"""The variable that says which time zone the machine had that exported from Neptune."""

FILES_ROOT = "MLARCHIVE_FILES_ROOT"
"""The variable that says below which folder files are looked for that operations name."""

_EPOCH_DIGITS = 11
"""Digits of a number of seconds; more would be after the year 5000."""

Opened = AbstractContextManager[AnyRegistry]


def open_registry(
    locator: Locator,
    *,
    origin: str = "",
    environment: Environ,
    trust: "Trust | None" = None,
    interactive: bool = False,
) -> Opened:
    """Open what stands before the `#` of a locator.

    Args:
        locator: Parsed.
        origin: The registry's own name; its locator where none is given.
        environment: As a process has it.
        trust: Whom a reader of packages believes; everybody if None.
        interactive: Whether a person is there who can log in with a browser.

    Raises:
        UnsupportedError: No adapter for the scheme.
        UntrustedError: A package, or one of a vault, is not trusted.
        MissingExtraError: The adapter's client library is not installed.
        MlarchiveError: As the adapter says.
    """
    if locator.scheme == "azureml":
        return _open_azureml(locator, origin, environment, interactive=interactive)
    opener = _OPENERS.get(locator.scheme)
    if opener is None and locator.scheme in _DATABASES:
        raise UnsupportedError(
            f"{locator.origin} can be restored into with --restore, and not be opened otherwise",
            hint="start `mlflow server` on it and name the server: mlflow+http://HOST:PORT",
        )
    if opener is None:
        raise UnsupportedError(
            f"{locator.origin} cannot be opened: this version has no adapter for {locator.scheme}",
            hint="`mlarchive --help` lists the registries that it can open",
        )
    if trust is not None and locator.scheme in _TRUSTED:
        return _TRUSTED[locator.scheme](locator, origin or locator.origin, environment, trust)
    return opener(locator, origin or locator.origin, environment)


def open_source(
    locator: Locator,
    *,
    origin: str = "",
    environment: Environ,
    trust: "Trust | None" = None,
    interactive: bool = False,
) -> AbstractContextManager[Source]:
    """Open a registry to read from.

    Raises:
        MlarchiveError: As `open_registry`.
    """
    if locator.scheme == "outbox":
        raise UnsupportedError(
            f"{locator.origin} can only be written to",
            hint=f"what was sent is in vault:{locator.registry}/vault",
        )
    # Every other registry that can be opened can be read.
    return open_registry(  # type: ignore[return-value]
        locator, origin=origin, environment=environment, trust=trust, interactive=interactive
    )


def open_target(
    locator: Locator, *, origin: str = "", environment: Environ, interactive: bool = False
) -> AbstractContextManager[Target]:
    """Open a registry to write to.

    Raises:
        UnsupportedError: It can only be read.
        UsageError: It names an object, which the registry names by itself.
        MlarchiveError: As `open_registry`.
    """
    if locator.selector != Selector():
        raise UsageError(
            f"{locator.text} names an object, and what is written keeps its own name there",
            hint="leave out what follows the #; --rename (a mirror: `rename`) gives another name",
        )
    if locator.scheme in _READ_ONLY:
        raise UnsupportedError(
            f"{locator.origin} can only be read: nothing loads such a folder any more",
            hint="write to a server, a vault:DIR or a dir:DIR",
        )
    if locator.scheme == "inbox":
        raise UnsupportedError(
            f"{locator.origin} is filled by what is carried to it, and can only be read",
            hint="`mlarchive receive` takes that in",
        )
    if locator.scheme == "package":
        raise UnsupportedError(
            f"{locator.registry} is a package, and a package is made whole, never added to",
            hint="write one with `mlarchive pack SOURCE -o FILE.mlpkg`, or name a vault:DIR",
        )
    return open_registry(  # type: ignore[return-value]
        locator, origin=origin, environment=environment, interactive=interactive
    )


def open_restore_target(locator: Locator, *, environment: Environ) -> "RestoreTarget":
    """The tracking database that packages are to be restored into.

    Args:
        locator: `mlflow+sqlite:`, `mlflow+postgresql:` or `mlflow+mysql:`, without an object.
        environment: As a process has it.

    Raises:
        UnsupportedError: It is something else.
        MissingExtraError: MLflow is not installed.
    """
    if locator.scheme not in _DATABASES or locator.selector != Selector():
        raise UnsupportedError(
            f"{locator.text or locator} is no tracking database that can be restored into",
            hint="name a new one: mlflow+sqlite:///FILE, mlflow+postgresql://HOST/DATABASE "
            "or mlflow+mysql://HOST/DATABASE",
        )
    _need_mlflow(locator)
    from mlarchive.registries.mlflow.restore import TrackingDatabase

    options = Path(environment.get("HOME", "")) / ".my.cnf"
    return TrackingDatabase(
        locator.registry,
        shown=locator.origin,
        options=str(options) if options.is_file() else "",
    )


def packing_time(environment: Environ) -> int:
    """The time that a package made now states, ms since 1970 UTC: SOURCE_DATE_EPOCH or the clock.

    Raises:
        ConfigError: SOURCE_DATE_EPOCH is no whole number of seconds.
    """
    epoch = environment.get("SOURCE_DATE_EPOCH", "")
    if not epoch:
        return time.time_ns() // 1_000_000
    if not epoch.isdecimal() or not epoch.isascii() or len(epoch) > _EPOCH_DIGITS:
        raise ConfigError(
            f"SOURCE_DATE_EPOCH is {epoch!r}, not a whole number of seconds since 1970",
            hint="unset it, or set it to a number such as 1700000000",
        )
    return int(epoch) * 1000


def signing_keys(environment: Environ) -> "list[PrivateKey]":
    """The key of MLARCHIVE_SIGN, which signs notes and receipts (spec/trust.md, 5); none if unset.

    Raises:
        ConfigError: It is no private key, or is encrypted: a service cannot be asked.
        MlarchiveError: It cannot be read.
    """
    name = environment.get("MLARCHIVE_SIGN", "")
    if not name:
        return []
    from mlarchive.fsops import read_small
    from mlarchive.trust.keys import is_encrypted, private_key

    if "-----BEGIN" in name:
        raise ConfigError(
            "MLARCHIVE_SIGN is a private key itself, and the name of a file is wanted",
            hint="whoever can see this environment knows it now; make a new one",
        )
    pem = read_small(Path(name))
    if is_encrypted(pem):
        raise ConfigError(
            f"{name}, which MLARCHIVE_SIGN names, has a passphrase, and nobody can be asked for it",
            hint="name a key without one, or sign with `mlarchive sign` and --passphrase-file",
        )
    return [private_key(pem, name)]


def _open_directory(locator: Locator, origin: str, environment: Environ) -> Opened:
    from mlarchive.registries.directory import DirectoryRegistry

    return DirectoryRegistry(
        Path(locator.registry),
        origin=origin,
        selector=locator.selector,
        packed_at=packing_time(environment),
    )


def _open_vault(
    locator: Locator, origin: str, environment: Environ, trust: "Trust | None" = None
) -> Opened:
    from mlarchive.registries.vaultregistry import VaultRegistry
    from mlarchive.vault import Vault

    vault = Vault.open(Path(locator.registry), trust=trust)
    try:
        vault.require_trusted()
    except UntrustedError:
        vault.close()
        raise
    return VaultRegistry(vault, origin=origin, packed_at=packing_time(environment))


def _open_package(
    locator: Locator,
    origin: str,  # noqa: ARG001  (the package states its origin)
    environment: Environ,  # noqa: ARG001  (and its time)
    trust: "Trust | None" = None,
) -> Opened:
    from mlarchive.registries.packagefile import PackageRegistry

    return PackageRegistry.open(Path(locator.registry), trust)


def _open_mlflow_export(locator: Locator, origin: str, environment: Environ) -> Opened:  # noqa: ARG001  (the export states its times)
    if importlib.util.find_spec("mlflow") is None:
        raise MissingExtraError(
            f"{locator.origin} holds MLflow's objects, and MLflow's client is not installed",
            hint="pip install 'mlarchive[mlflow]'",
        )
    from mlarchive.registries.mlflowexport import MlflowExportRegistry

    return MlflowExportRegistry(Path(locator.registry), origin=origin)


def _open_neptune_export(locator: Locator, origin: str, environment: Environ) -> Opened:
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingExtraError(
            f"{locator.origin} holds Parquet files, and pyarrow is not installed",
            hint="pip install 'mlarchive[parquet]'",
        )
    from mlarchive.registries.neptune.export import NeptuneExportRegistry

    timezone = environment.get(EXPORT_TIMEZONE, "")
    return NeptuneExportRegistry(Path(locator.registry), origin=origin, timezone=timezone)


def _open_azureml(
    locator: Locator, origin: str, environment: Environ, *, interactive: bool = False
) -> Opened:
    """A place of Azure ML; that of the usual variables goes by its own locator."""
    if not _has_azureml():
        raise MissingExtraError(
            f"{locator.origin} is a place of Azure ML, and azure-ai-ml is not installed",
            hint="pip install 'mlarchive[azureml]'",
        )
    from mlarchive.registries.azureml import AzureMlRegistry

    place = locator.registry or _azureml_of_environment(locator, environment)
    given = "" if origin == locator.origin else origin
    return AzureMlRegistry.open(
        place,
        environment=environment,
        origin=given or azureml_origin(place),
        interactive=interactive,
    )


def _has_azureml() -> bool:
    """Whether Azure ML's client is there; `find_spec` imports what it lies in, which may not be."""
    try:
        return importlib.util.find_spec("azure.ai.ml") is not None
    except ModuleNotFoundError:
        return False


def _azureml_of_environment(locator: Locator, environment: Environ) -> str:
    """What follows `azureml://` for the place that Azure's own variables name."""
    if name := environment.get("AZUREML_REGISTRY_NAME", ""):
        return f"registries/{name}"
    found = [
        next((environment[name] for name in names if environment.get(name)), "")
        for names in _AZUREML_VARIABLES
    ]
    if not all(found):
        raise ConfigError(
            f"{locator.text or locator} does not say which workspace or registry is meant",
            hint="set AZUREML_REGISTRY_NAME; or AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and "
            "AZUREML_WORKSPACE_NAME; or write azureml://registries/R",
        )
    subscription, group, workspace = found
    return f"subscriptions/{subscription}/resourceGroups/{group}/workspaces/{workspace}"


def _open_innereye(locator: Locator, origin: str, environment: Environ) -> Opened:  # noqa: ARG001  (the folder states its times)
    from mlarchive.registries.innereye import InnerEyeRegistry

    return InnerEyeRegistry(Path(locator.registry), origin=origin)


def _open_neptune_offline(locator: Locator, origin: str, environment: Environ) -> Opened:
    from mlarchive.registries.neptune.offline import NeptuneOfflineRegistry

    root = environment.get(FILES_ROOT, "")
    return NeptuneOfflineRegistry(
        Path(locator.registry), origin=origin, files_root=Path(root) if root else None
    )


def _open_mlflow(locator: Locator, origin: str, environment: Environ) -> Opened:
    """A server, whose client reads its usual variables itself."""
    _need_mlflow(locator)
    from mlarchive.registries.mlflow import MlflowRegistry
    from mlarchive.registries.notebooks.wanted import wanted_from

    notebooks = wanted_from(environment)
    return MlflowRegistry.open(locator.registry, origin=origin, notebooks=notebooks)


def _open_databricks(locator: Locator, origin: str, environment: Environ) -> Opened:
    """The workspace of Databricks' own variables, or of a profile, which goes by its address."""
    _need_mlflow(locator)
    from mlarchive.registries.mlflow import MlflowRegistry
    from mlarchive.registries.notebooks.wanted import PROFILE, wanted_from, workspace_of

    _, _, profile = locator.registry.partition("://")
    stated = environment
    if profile:
        hidden = ("DATABRICKS_HOST", "DATABRICKS_TOKEN")
        stated = {name: said for name, said in environment.items() if name not in hidden}
        stated[PROFILE] = profile
    workspace = workspace_of(stated)
    given = "" if origin == locator.origin else origin
    return MlflowRegistry.open(
        locator.registry,
        origin=given or f"mlflow+{workspace.host}",
        notebooks=wanted_from(stated),
        workspace=workspace,
    )


def _need_mlflow(locator: Locator) -> None:
    if importlib.util.find_spec("mlflow") is None:
        raise MissingExtraError(
            f"{locator.origin} is an MLflow server, and MLflow's client is not installed",
            hint="pip install 'mlarchive[mlflow]'",
        )


def _open_mlflow_of_environment(locator: Locator, origin: str, environment: Environ) -> Opened:
    """The server of MLFLOW_TRACKING_URI, which goes by its own locator."""
    place = environment.get("MLFLOW_TRACKING_URI", "")
    if not place:
        meant = format_object(locator.selector)
        raise ConfigError(
            f"{locator.text or locator} does not say which MLflow server is meant",
            hint="set MLFLOW_TRACKING_URI, or write mlflow+http://HOST:PORT"
            f"{'#' if meant else ''}{meant}",
        )
    registry = environment.get("MLFLOW_REGISTRY_URI", "")
    if registry not in {"", place}:
        raise UnsupportedError(
            "MLFLOW_REGISTRY_URI names another server than MLFLOW_TRACKING_URI",
            hint="name one server that has both, as mlflow+http://HOST:PORT",
        )
    if place == "databricks" or place.startswith("databricks://"):
        named = parse(place)
        given = "" if origin == locator.origin else origin
        return _open_databricks(named, given or named.origin, environment)
    if not place.startswith(("http://", "https://", "sqlite://")):
        raise UnsupportedError(
            f"MLFLOW_TRACKING_URI names {place.partition(':')[0]!r}, which cannot be opened",
            hint="it must be databricks, or begin with http://, https:// or sqlite://",
        )
    named = parse(f"mlflow+{place}")
    given = "" if origin == locator.origin else origin
    return _open_mlflow(named, given or named.origin, environment)


def _open_neptune(locator: Locator, origin: str, environment: Environ) -> Opened:
    """The server that NEPTUNE_API_TOKEN names; of its projects those of the locator."""
    if importlib.util.find_spec("neptune") is None:
        raise MissingExtraError(
            f"{locator.origin} is a Neptune server, and Neptune's client is not installed",
            hint="pip install 'mlarchive[neptune]'; exports and offline folders need no client",
        )
    project = locator.registry or environment.get("NEPTUNE_PROJECT", "")
    if not project:
        raise ConfigError(
            "neptune: does not say which project is meant",
            hint="set NEPTUNE_PROJECT, or write neptune://WORKSPACE/PROJECT",
        )
    named = parse(f"neptune://{project}")
    from mlarchive.registries.neptune.live import NeptuneRegistry

    return NeptuneRegistry.open(
        named.registry,
        token=environment.get("NEPTUNE_API_TOKEN", ""),
        origin=named.origin if origin == "neptune:" else origin,
    )


def _open_outbox(locator: Locator, origin: str, environment: Environ) -> Opened:
    from mlarchive.registries.outbox import OutboxRegistry
    from mlarchive.transfer.outbox import Outbox

    outbox = Outbox.open(Path(locator.registry), keys=signing_keys(environment))
    # Whoever only writes to it would never hear of them.
    for trouble in outbox.troubles:
        outbox.close()
        raise trouble
    return OutboxRegistry(outbox, origin=origin, made_at=packing_time(environment))


def _open_inbox(
    locator: Locator, origin: str, environment: Environ, trust: "Trust | None" = None
) -> Opened:
    from mlarchive.registries.inbox import InboxRegistry

    return InboxRegistry.open(
        Path(locator.registry),
        origin=origin,
        trust=trust,
        keys=signing_keys(environment),
        now=packing_time(environment),
    )


_AZUREML_VARIABLES = (
    ("AZUREML_ARM_SUBSCRIPTION", "AZURE_SUBSCRIPTION_ID"),
    ("AZUREML_ARM_RESOURCEGROUP", "AZURE_RESOURCE_GROUP"),
    ("AZUREML_ARM_WORKSPACE_NAME", "AZUREML_WORKSPACE_NAME"),
)
"""Those that a job in a workspace has, and those that people set."""

_DATABASES = {"mlflow+sqlite", "mlflow+postgresql", "mlflow+mysql"}

_READ_ONLY = {"neptune-export", "neptune-offline"}

_OPENERS: dict[str, Callable[[Locator, str, Environ], Opened]] = {
    "dir": _open_directory,
    "vault": _open_vault,
    "inbox": _open_inbox,
    "outbox": _open_outbox,
    "package": _open_package,
    "mlflow-export": _open_mlflow_export,
    "neptune-export": _open_neptune_export,
    "neptune-offline": _open_neptune_offline,
    "azureml": _open_azureml,
    "innereye": _open_innereye,
    "mlflow+http": _open_mlflow,
    "mlflow+https": _open_mlflow,
    "mlflow+sqlite": _open_mlflow,
    "mlflow": _open_mlflow_of_environment,
    "databricks": _open_databricks,
    "neptune": _open_neptune,
    "name": lambda locator, _origin, _environment: _refuse_name(locator),
}

_TRUSTED: dict[str, Callable[[Locator, str, Environ, "Trust"], Opened]] = {
    "vault": _open_vault,
    "inbox": _open_inbox,
    "package": _open_package,
}
"""Those that hold packages, which a policy can judge."""

SCHEMES = _OPENERS.keys() - {"name", "package"}
"""What this version opens, beside packages."""


def _refuse_name(locator: Locator) -> Opened:
    if Path(locator.registry).is_dir():
        raise LocatorError(
            f"{locator.registry!r} is not a locator",
            hint=f"for a folder of files write dir:{locator.registry}, "
            f"for a vault vault:{locator.registry}",
        )
    raise LocatorError(
        f"no registry is called {locator.registry!r}",
        hint="write a locator such as mlflow+http://HOST:PORT, dir:DIR, vault:DIR or FILE.mlpkg",
    )
