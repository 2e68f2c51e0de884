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
)
from mlarchive.registries.base import Selector, Source, Target
from mlarchive.registries.locator import Locator, parse
from mlarchive.registries.selecting import format_object

if TYPE_CHECKING:
    from mlarchive.registries.restorable import RestoreTarget

Environ = Mapping[str, str]
AnyRegistry = Source | Target

_EPOCH_DIGITS = 11
"""Digits of a number of seconds; more would be after the year 5000."""

Opened = AbstractContextManager[AnyRegistry]


def open_registry(locator: Locator, *, origin: str = "", environment: Environ) -> Opened:
    """Open what stands before the `#` of a locator.

    Args:
        locator: Parsed.
        origin: The registry's own name; its locator where none is given.
        environment: As a process has it.

    Raises:
        UnsupportedError: No adapter for the scheme.
        MissingExtraError: The adapter's client library is not installed.
        MlarchiveError: As the adapter says.
    """
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
    return opener(locator, origin or locator.origin, environment)


def open_source(
    locator: Locator, *, origin: str = "", environment: Environ
) -> AbstractContextManager[Source]:
    """Open a registry to read from.

    Raises:
        MlarchiveError: As `open_registry`.
    """
    # Every registry that can be opened can be read.
    return open_registry(locator, origin=origin, environment=environment)  # type: ignore[return-value]


def open_target(
    locator: Locator, *, origin: str = "", environment: Environ
) -> AbstractContextManager[Target]:
    """Open a registry to write to.

    Raises:
        UnsupportedError: It can only be read.
        MlarchiveError: As `open_registry`.
    """
    if locator.scheme == "package":
        raise UnsupportedError(
            f"{locator.registry} is a package, and a package is made whole, never added to",
            hint="write one with `mlarchive pack SOURCE -o FILE.mlpkg`, or name a vault:DIR",
        )
    return open_registry(locator, origin=origin, environment=environment)  # type: ignore[return-value]


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


def _open_directory(locator: Locator, origin: str, environment: Environ) -> Opened:
    from mlarchive.registries.directory import DirectoryRegistry

    return DirectoryRegistry(
        Path(locator.registry),
        origin=origin,
        selector=locator.selector,
        packed_at=packing_time(environment),
    )


def _open_vault(locator: Locator, origin: str, environment: Environ) -> Opened:
    from mlarchive.registries.vaultregistry import VaultRegistry
    from mlarchive.vault import Vault

    vault = Vault.open(Path(locator.registry))
    return VaultRegistry(vault, origin=origin, packed_at=packing_time(environment))


def _open_package(locator: Locator, origin: str, environment: Environ) -> Opened:  # noqa: ARG001  (the package states its origin)
    from mlarchive.registries.packagefile import PackageRegistry

    return PackageRegistry.open(Path(locator.registry))


def _open_mlflow_export(locator: Locator, origin: str, environment: Environ) -> Opened:  # noqa: ARG001  (the export states its times)
    if importlib.util.find_spec("mlflow") is None:
        raise MissingExtraError(
            f"{locator.origin} holds MLflow's objects, and MLflow's client is not installed",
            hint="pip install 'mlarchive[mlflow]'",
        )
    from mlarchive.registries.mlflowexport import MlflowExportRegistry

    return MlflowExportRegistry(Path(locator.registry), origin=origin)


def _open_mlflow(locator: Locator, origin: str, environment: Environ) -> Opened:  # noqa: ARG001  (the client reads its usual variables itself)
    _need_mlflow(locator)
    from mlarchive.registries.mlflow import MlflowRegistry

    return MlflowRegistry.open(locator.registry, origin=origin)


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
    if not place.startswith(("http://", "https://", "sqlite://")):
        raise UnsupportedError(
            f"MLFLOW_TRACKING_URI names {place.partition(':')[0]!r}, which cannot be opened",
            hint="it must begin with http://, https:// or sqlite://",
        )
    named = parse(f"mlflow+{place}")
    given = "" if origin == locator.origin else origin
    return _open_mlflow(named, given or named.origin, environment)


_DATABASES = {"mlflow+sqlite", "mlflow+postgresql", "mlflow+mysql"}

_OPENERS: dict[str, Callable[[Locator, str, Environ], Opened]] = {
    "dir": _open_directory,
    "vault": _open_vault,
    "package": _open_package,
    "mlflow-export": _open_mlflow_export,
    "mlflow+http": _open_mlflow,
    "mlflow+https": _open_mlflow,
    "mlflow+sqlite": _open_mlflow,
    "mlflow": _open_mlflow_of_environment,
    "name": lambda locator, _origin, _environment: _refuse_name(locator),
}

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
