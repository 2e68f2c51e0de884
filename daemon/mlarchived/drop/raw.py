"""Raw material: a folder that was dropped, as the snapshots of what is in it.

Recognised, in this order: a folder with `mlarchive.toml`; one whose path fits the pattern; what
another tool wrote, if its registry can read it.
"""

import contextlib
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from mlarchive.errors import ConfigError, NotFoundError, UnsupportedError
from mlarchive.fsops import explaining
from mlarchive.records import Address
from mlarchive.registries.base import Ref, Selector, Source
from mlarchive.registries.directory import DirectoryRegistry, labelled
from mlarchive.registries.locator import Locator
from mlarchive.registries.opening import SCHEMES, open_source
from mlarchive.snapshot import Snapshot
from mlarchived import strict
from mlarchived.drop.candidates import MANIFEST, named

_TOOLS = tuple(scheme for scheme in ("innereye", "mlflow-export") if scheme in SCHEMES)
"""Schemes of folders that other tools write."""

Read: TypeAlias = Callable[[], Snapshot]
"""Reads one object, as often as it is called."""


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `mlarchive.toml` says of the folder that it lies in.

    Attributes:
        name: Of the model.
        version: Of the model.
        description: For people.
        tags: For people and programs.
    """

    name: str
    version: str
    description: str = ""
    tags: dict[str, str] = {}


@contextlib.contextmanager
def opened(
    folder: Path, relative: str, pattern: str, origin: str, environment: Mapping[str, str]
) -> Iterator[Sequence[Read]]:
    """What a folder holds, object by object; to be read within the block.

    Args:
        folder: Where it lies now.
        relative: The path that it had in the drop folder.
        pattern: Of paths that say a name and a version.
        origin: What its objects are said to come from.
        environment: Where registries' clients look for settings.

    Raises:
        ConfigError: Its `mlarchive.toml` is wrong.
        UnsupportedError: It is nothing that can be taken, or its path is no text.
        MlarchiveError: It cannot be read.
    """
    manifest = _manifest(folder, relative, pattern)
    if manifest:
        with DirectoryRegistry(folder, origin=origin) as registry:
            yield [partial(_read_named, registry, ref.address, manifest) for ref in _all(registry)]
        return
    for scheme in _TOOLS:
        locator = Locator(scheme=scheme, registry=str(folder))
        with open_source(locator, origin=origin, environment=environment) as source:
            if _reads(source):
                yield [partial(source.read, ref.address) for ref in _all(source)]
                return
    inside = sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}"))
    if inside:
        raise UnsupportedError(
            f"{relative} has no {MANIFEST} itself, but {inside[0]} in it has one",
            hint=f"drop {inside[0]} itself, or give the drop folder a `pattern` such as"
            " {name}/{version}",
        )
    raise UnsupportedError(
        f"{relative} is nothing that can be taken: it has no {MANIFEST}, and is no folder of"
        " mlflow-export-import or InnerEye",
        hint=f"give it a {MANIFEST} with `name` and `version`, or the drop folder a `pattern`",
    )


def _manifest(folder: Path, relative: str, pattern: str) -> Manifest | None:
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file():
        found = named(relative, pattern)
        return _by_pattern(found, relative) if found else None
    with explaining(path, "read"):
        raw = path.read_bytes()
    try:
        manifest = strict.decode(tomllib.loads(raw.decode()), Manifest)
    except strict.Fault as fault:
        key = ".".join(str(part) for part in fault.place)
        where = f"{key}: " if key else ""
        raise ConfigError(f"{relative}/{MANIFEST}: {where}{fault.sentence}") from fault
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{relative}/{MANIFEST} is not valid TOML: {error}") from error
    for key in ("name", "version"):
        if not getattr(manifest, key):
            raise ConfigError(f"{relative}/{MANIFEST}: {key}: it is empty")
    return manifest


def _by_pattern(found: Mapping[str, str], relative: str) -> Manifest:
    try:
        relative.encode()
    except UnicodeEncodeError as error:
        raise UnsupportedError(
            f"the path {relative} is no text (UTF-8), and so says no name of a model",
            hint=f"give the folder another name, or a {MANIFEST} with `name` and `version`",
        ) from error
    return Manifest(name=found["name"], version=found.get("version", "1"))


def _reads(source: Source) -> bool:
    try:
        return next(iter(_all(source)), None) is not None
    except NotFoundError:
        return False


def _read_named(registry: DirectoryRegistry, address: Address, manifest: Manifest) -> Snapshot:
    return labelled(
        registry.read(address),
        name=manifest.name,
        version=manifest.version,
        description=manifest.description,
        tags=manifest.tags,
    )


def _all(source: Source) -> Iterable[Ref]:
    return source.changes(Selector())
