"""From a configuration to mirrors: names resolved, paths made absolute, contradictions refused.

Knows locators by their grammar alone; `mlarchive.registries.opening` opens them.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from mlarchive.errors import LocatorError
from mlarchive.registries import locator
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.locator import Locator
from mlarchived import plan, toml_lines
from mlarchived.config import Config, Mirror, Registry
from mlarchived.configfile import ConfigFile
from mlarchived.views import VAULT

_FILES = {"dir", "vault", "oci", "bagit", "mlflow-export", "innereye", "package"} | {
    "neptune-export",
    "neptune-offline",
}
_SQLITE = "sqlite:///"


class Place(Struct, frozen=True, kw_only=True):
    """A registry, and what mirrors call it.

    Attributes:
        name: Its name in the configuration; its canonical locator where it has none.
        locator: Where it is, absolute; for a source also which objects are meant.
    """

    name: str
    locator: Locator


class MirrorJob(Struct, frozen=True, kw_only=True):
    """A mirror, ready to be carried out.

    Attributes:
        name: Its name in the ledger.
        source: Where objects come from, and which.
        vault: The folder that keeps packages; None if none is kept.
        targets: Where they go.
        policy: How targets are written.
        include: Patterns of names.
        exclude: Patterns of names.
        set_aside_after: Failures before an object is left alone.
    """

    name: str
    source: Place
    vault: Path | None
    targets: tuple[Place, ...]
    policy: WritePolicy
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    set_aside_after: int

    def rules(self, *, retry: bool = False) -> plan.Rules:
        """What the plan must know of it."""
        names = tuple(target.name for target in self.targets)
        return plan.Rules(
            targets=(VAULT, *names) if self.vault else names,
            include=self.include,
            exclude=self.exclude,
            in_order=self.policy.versions == "preserve",
            set_aside_after=self.set_aside_after,
            retry=retry,
        )


class Setting(Struct, frozen=True, kw_only=True):
    """All that a configuration file asks for.

    Attributes:
        state: The state folder, absolute.
        registries: The registries that have names.
        jobs: The mirrors, in the file's order.
        config: The configuration with every path absolute.
    """

    state: Path
    registries: Mapping[str, Place]
    jobs: tuple[MirrorJob, ...]
    config: Config


def resolve(file: ConfigFile) -> Setting:
    """Turn a configuration file into mirrors.

    Raises:
        ConfigError: A locator is wrong, a name unknown or used twice, a mirror goes nowhere.
    """
    resolver = _Resolver(file)
    jobs = tuple(resolver.job(number) for number in range(len(file.config.mirror)))
    return Setting(
        state=file.folder / Path(file.config.state).expanduser(),
        registries=resolver.places,
        jobs=jobs,
        config=resolver.effective(jobs),
    )


class _Resolver:
    def __init__(self, file: ConfigFile) -> None:
        self._file = file
        self.places: dict[str, Place] = {}
        for name, registry in file.config.registries.items():
            self.places[name] = self._registry(name, registry)

    def _registry(self, name: str, registry: Registry) -> Place:
        key = ("registries", name, "locator")
        found = self._parse(registry.locator, key)
        if found.selector != type(found.selector)():
            raise self._file.wrong(key, "a registry is named without an object after `#`")
        if found.scheme == "name":
            raise self._file.wrong(key, f"{found.registry!r} is a name, not a locator")
        for other in self.places.values():
            if other.locator.origin == found.origin:
                raise self._file.wrong(key, f"{other.name!r} is the same registry; name it once")
        return Place(name=name, locator=found)

    def job(self, number: int) -> MirrorJob:
        """The mirror at a position of the file."""
        mirror = self._file.config.mirror[number]
        key: toml_lines.Path = ("mirror", number)
        self._refuse_name_in_use(mirror.name, number)
        if not mirror.vault and not mirror.targets:
            raise self._file.wrong(
                key, f"the mirror {mirror.name!r} goes nowhere", hint="give it `vault` or `targets`"
            )
        source = self._source(mirror.source, (*key, "source"))
        if source.locator.selector.path:
            raise self._file.wrong(
                (*key, "source"), "a mirror takes whole objects, not a path in one"
            )
        return MirrorJob(
            name=mirror.name,
            source=source,
            vault=self._file.folder / Path(mirror.vault).expanduser() if mirror.vault else None,
            targets=tuple(self._targets(mirror, source, (*key, "targets"))),
            policy=WritePolicy(versions=mirror.versions, conflict=mirror.conflict),
            include=mirror.include,
            exclude=mirror.exclude,
            set_aside_after=mirror.set_aside_after,
        )

    def effective(self, jobs: tuple[MirrorJob, ...]) -> Config:
        """The configuration as it was understood: no relative path, no default left out."""
        config = self._file.config
        mirrors = (
            msgspec.structs.replace(
                mirror,
                source=_text_of_source(job.source),
                vault=str(job.vault) if job.vault else "",
            )
            for mirror, job in zip(config.mirror, jobs, strict=True)
        )
        return Config(
            state=str(self._file.folder / Path(config.state).expanduser()),
            registries={
                name: Registry(locator=str(place.locator)) for name, place in self.places.items()
            },
            mirror=tuple(mirrors),
        )

    def _refuse_name_in_use(self, name: str, number: int) -> None:
        for earlier in self._file.config.mirror[:number]:
            if earlier.name == name:
                raise self._file.wrong(
                    ("mirror", number, "name"), f"another mirror is called {name!r} already"
                )

    def _source(self, text: str, key: toml_lines.Path) -> Place:
        name, cut, inside = text.partition("#")
        known = self.places.get(name)
        if known is None:
            found = self._parse(text, key)
            if found.scheme == "name":
                raise self._unknown(found.registry, key)
            return Place(name=found.origin, locator=found)
        selected = self._parse(f"name#{inside}", key).selector if cut else known.locator.selector
        return Place(
            name=name,
            locator=msgspec.structs.replace(known.locator, selector=selected, text=text),
        )

    def _targets(self, mirror: Mirror, source: Place, key: toml_lines.Path) -> list[Place]:
        places: list[Place] = []
        for number, name in enumerate(mirror.targets):
            here = (*key, number)
            place = self.places.get(name)
            if place is None:
                raise self._unknown(name, here)
            if place in places:
                raise self._file.wrong(here, f"{name!r} is named twice")
            if place.locator.origin == source.locator.origin:
                raise self._file.wrong(here, "a registry cannot be mirrored into itself")
            places.append(place)
        return places

    def _parse(self, text: str, key: toml_lines.Path) -> Locator:
        try:
            return _absolute(locator.parse(text), self._file.folder)
        except LocatorError as error:
            raise self._file.wrong(key, error.message, hint=error.hint) from error

    def _unknown(self, name: str, key: toml_lines.Path) -> Exception:
        known = ", ".join(sorted(self.places)) or "none is named yet"
        return self._file.wrong(
            key,
            f"no registry is called {name!r}",
            hint=f"add [registries.{name}], or use one of: {known}",
        )


def _absolute(found: Locator, folder: Path) -> Locator:
    """A locator whose path, if it has one, does not depend on where the process was started."""
    if found.scheme in _FILES:
        path = str(folder / Path(found.registry).expanduser())
    elif found.scheme == "mlflow+sqlite":
        path = _SQLITE + str(folder / found.registry.removeprefix(_SQLITE))
    else:
        return found
    return msgspec.structs.replace(found, registry=path)


def _text_of_source(place: Place) -> str:
    whole = str(place.locator)
    if place.name == place.locator.origin:
        return whole
    return place.name + whole.removeprefix(place.locator.origin)
