"""Which notebooks are fetched when a run is read, and from where (`spec/notebooks.md`, 6 to 8).

The environment is given, not read: variables say it, which options of the command line set.
"""

import configparser
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from mlarchive.errors import ConfigError
from mlarchive.registries.notebooks.records import FORMATS

NOTEBOOK_FORMATS = "MLARCHIVE_NOTEBOOK_FORMATS"
"""The variable that says in which formats notebooks of a Databricks workspace are wanted."""

NOTEBOOK_CLONES = "MLARCHIVE_NOTEBOOK_CLONES"
"""The variable that names clones of git repositories that notebooks are taken from."""

PROFILE = "DATABRICKS_CONFIG_PROFILE"
"""The variable that says which of the profiles of Databricks' clients is meant."""

_PROFILES = ".databrickscfg"


class Workspace(Struct, frozen=True, kw_only=True):
    """A Databricks workspace.

    Attributes:
        host: Its address, `https://HOST[:PORT]`.
        token: What it is shown, and nobody else.
    """

    host: str
    token: str


class Wanted(Struct, frozen=True, kw_only=True):
    """What is fetched besides what a server itself holds.

    Attributes:
        formats: Those in which notebooks of workspaces are wanted; none for no notebooks.
        workspace: The one of Databricks that has them; None if none is named.
        clones: Of git repositories, that notebooks are taken from at their commits.
    """

    formats: tuple[str, ...] = ()
    workspace: Workspace | None = None
    clones: tuple[Path, ...] = ()


NONE_WANTED = Wanted()


def wanted_from(environment: Mapping[str, str]) -> Wanted:
    """What the variables say.

    Raises:
        ConfigError: There is no such format, or no token may be sent to the workspace.
    """
    asked = [one.strip().upper() for one in environment.get(NOTEBOOK_FORMATS, "").split(",")]
    formats = tuple(one for one in FORMATS if one in asked)
    if unknown := [one for one in asked if one and one not in FORMATS]:
        raise ConfigError(
            f"there is no notebook format {unknown[0]!r}", hint=f"name some of {', '.join(FORMATS)}"
        )
    named = environment.get(NOTEBOOK_CLONES, "").split(os.pathsep)
    return Wanted(
        formats=formats,
        workspace=workspace_of(environment) if formats and any(_stated(environment)) else None,
        clones=tuple(Path(name) for name in named if name),
    )


def workspace_of(environment: Mapping[str, str]) -> Workspace:
    """The workspace that Databricks' own variables name, or a profile.

    Raises:
        ConfigError: None is named, or no host that a token may be sent to.
    """
    host, token = _stated(environment)
    if not (host and token):
        raise no_workspace()
    try:
        parts = urlsplit(host if "://" in host else f"https://{host}")
        place = f"{(parts.hostname or '').lower()}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        place = ""
    if not place or parts.scheme != "https" or "@" in parts.netloc:
        raise ConfigError(
            "DATABRICKS_HOST is not the address of a workspace",
            hint="it is https://HOST: a token is sent to it, and only over HTTPS",
        )
    return Workspace(host=f"https://{place}", token=token)


def no_workspace() -> ConfigError:
    """The error that says that a workspace is needed and none is named."""
    return ConfigError(
        "no Databricks workspace is known, with a token for it",
        hint="set DATABRICKS_HOST and DATABRICKS_TOKEN, or DATABRICKS_CONFIG_PROFILE",
    )


def _stated(environment: Mapping[str, str]) -> tuple[str, str]:
    """Host and token, as far as they are said."""
    host, token = (environment.get(f"DATABRICKS_{name}", "") for name in ("HOST", "TOKEN"))
    if host and token:
        return host, token
    profile = _profile(environment)
    return host or profile.get("host", ""), token or profile.get("token", "")


def _profile(environment: Mapping[str, str]) -> Mapping[str, str]:
    """What the profile says that Databricks' own clients would take."""
    home = Path(environment.get("HOME", "") or os.devnull)
    path = Path(environment.get("DATABRICKS_CONFIG_FILE", "") or home / _PROFILES)
    profiles = configparser.ConfigParser(interpolation=None)
    try:
        profiles.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is not what Databricks' clients write", hint="it has lines such as host = …"
        ) from error
    name = environment.get(PROFILE, "") or profiles.default_section
    known = name == profiles.default_section or profiles.has_section(name)
    return profiles[name] if known else {}
