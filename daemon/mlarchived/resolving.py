"""From a configuration to mirrors: names resolved, paths made absolute, contradictions refused.

Knows locators by their grammar alone; `mlarchive.registries.opening` opens them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from mlarchive.errors import ConfigError, LocatorError
from mlarchive.registries import locator
from mlarchive.registries.base import KEEPING_NAMES, WritePolicy
from mlarchive.registries.locator import Locator
from mlarchive.registries.selecting import is_exact
from mlarchived import durations, toml_lines, windows
from mlarchived.addresses import messaged, refuse_no_address, refuse_no_port
from mlarchived.choosing import Choice
from mlarchived.config import Config, Mirror, Registry, VaultCare
from mlarchived.configfile import ConfigFile
from mlarchived.drop.rules import DropRules
from mlarchived.limits import Limits
from mlarchived.mirrors import PACKAGES, MirrorJob, Place, Setting
from mlarchived.renaming import Rule
from mlarchived.rules import Deletions
from mlarchived.schedules import Schedule
from mlarchived.windows import Window

_FILES = {
    "dir",
    "vault",
    "oci",
    "bagit",
    "mlflow-export",
    "innereye",
    "package",
    "outbox",
    "inbox",
} | {
    "neptune-export",
    "neptune-offline",
}
_SQLITE = "sqlite:///"


def resolve(file: ConfigFile) -> Setting:
    """Turn a configuration file into mirrors.

    Raises:
        ConfigError: A locator is wrong, a name unknown or used twice, a mirror goes nowhere.
    """
    _refuse_wrong_addresses(file)
    resolver = _Resolver(file)
    alone = [resolver.job(number) for number in range(len(file.config.mirror))]
    jobs = tuple(_among(alone, number) for number in range(len(alone)))
    resolver.refuse_what_lies_in_drop_folders(jobs)
    return Setting(
        state=file.folder / Path(file.config.state).expanduser(),
        registries=resolver.places,
        jobs=jobs,
        vaults=resolver.vaults(jobs),
        config=resolver.effective(jobs),
    )


def _refuse_wrong_addresses(file: ConfigFile) -> None:
    monitoring = file.config.monitoring
    found: list[tuple[toml_lines.Path, Callable[[], None]]] = [
        (("monitoring", "listen"), partial(refuse_no_port, monitoring.listen)),
        *((place, partial(refuse_no_address, text)) for place, text in messaged(monitoring)),
    ]
    for place, refuse in found:
        try:
            refuse()
        except ConfigError as error:
            raise file.wrong(place, error.message, hint=error.hint) from error


def _among(jobs: Sequence[MirrorJob], number: int) -> MirrorJob:
    """A mirror that knows which others may bring the same to its targets."""
    job = jobs[number]
    return msgspec.structs.replace(
        job,
        before=tuple(other for other in jobs[:number] if _may_meet(job, other)),
        after=tuple(other for other in jobs[number + 1 :] if _may_meet(job, other)),
        beside=tuple(
            other.name
            for other in jobs
            if other != job and other.vault and other.vault == job.vault
        ),
    )


def _may_meet(one: MirrorJob, other: MirrorJob) -> bool:
    """Whether two mirrors have a target in common, and packages for it of what the other has."""
    one_source, other_source = one.source.locator, other.source.locator
    return (
        one_source.origin != other_source.origin
        and bool({one_source.scheme, other_source.scheme} & PACKAGES)
        and any(place in other.targets for place in one.targets)
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
            if _is_one(other.locator, found):
                raise self._file.wrong(key, f"{other.name!r} is the same registry; name it once")
        limits = Limits(bytes=registry.bytes_per_second, requests=registry.requests_per_second)
        return Place(name=name, locator=found, limits=limits)

    def job(self, number: int) -> MirrorJob:
        """The mirror at a position of the file."""
        mirror = self._file.config.mirror[number]
        key: toml_lines.Path = ("mirror", number)
        self._refuse_name_in_use(mirror.name, number)
        if not mirror.vault and not mirror.targets:
            raise self._file.wrong(
                key, f"the mirror {mirror.name!r} goes nowhere", hint="give it `vault` or `targets`"
            )
        vault = self._folder(mirror.vault) if mirror.vault else None
        drop = self._drop(mirror, vault, number)
        if drop and vault:
            source = Place(name=f"vault:{vault}", locator=_vault(vault))
        else:
            source = self._source(mirror.source, (*key, "source"))
        if source.locator.selector.path:
            raise self._file.wrong(
                (*key, "source"), "a mirror takes whole objects, not a path in one"
            )
        if mirror.archived and source.locator.scheme != "azureml":
            raise self._file.wrong(
                (*key, "archived"),
                "the source archives no versions",
                hint="leave it out; it is for azureml:// sources",
            )
        return MirrorJob(
            name=mirror.name,
            source=source,
            vault=vault,
            targets=tuple(self._targets(mirror, source, (*key, "targets"))),
            policy=WritePolicy(
                versions=mirror.versions, conflict=mirror.conflict, labels=mirror.labels
            ),
            choice=_choice(mirror, source),
            set_aside_after=mirror.set_aside_after,
            snapshots=mirror.logging == "snapshot",
            reread=_reread(mirror, source),
            schedule=self._schedule(mirror, key),
            trust=self._trust(mirror, source, (*key, "trust")),
            drop=drop,
            renaming=self._renaming(mirror, key),
            windows=self._windows(mirror, (*key, "windows")),
            deletions=self._deletions(mirror, (*key, "deletions", "policy")),
        )

    def vaults(self, jobs: tuple[MirrorJob, ...]) -> Mapping[Path, VaultCare]:
        """The care of each vault of some mirrors: as the file says, or the usual."""
        folders = {job.vault for job in jobs if job.vault}
        care = dict.fromkeys(sorted(folders), VaultCare())
        for name, given in self._file.config.vaults.items():
            folder = self._file.folder / Path(name).expanduser()
            if folder not in care:
                known = ", ".join(str(folder) for folder in care) or "no mirror keeps one"
                raise self._file.wrong(
                    ("vaults", name),
                    f"no mirror keeps a vault at {folder}",
                    hint=f"vaults: {known}",
                )
            care[folder] = given
        return care

    def effective(self, jobs: tuple[MirrorJob, ...]) -> Config:
        """The configuration as it was understood: no relative path, no default left out."""
        config = self._file.config
        mirrors = (
            msgspec.structs.replace(
                mirror,
                source="" if job.drop else _text_of_source(job.source),
                vault=str(job.vault) if job.vault else "",
                trust=str(job.trust) if job.trust else "",
                drop=msgspec.structs.replace(mirror.drop, folder=str(job.drop.folder))
                if mirror.drop and job.drop
                else None,
            )
            for mirror, job in zip(config.mirror, jobs, strict=True)
        )
        return Config(
            state=str(self._folder(config.state)),
            service=config.service,
            monitoring=config.monitoring,
            registries={
                name: msgspec.structs.replace(config.registries[name], locator=str(place.locator))
                for name, place in self.places.items()
            },
            vaults={str(folder): care for folder, care in self.vaults(jobs).items()},
            mirror=tuple(mirrors),
        )

    def _folder(self, text: str) -> Path:
        return self._file.folder / Path(text).expanduser()

    def _drop(self, mirror: Mirror, vault: Path | None, number: int) -> DropRules | None:
        """How the mirror's drop folder is read; None where it has a source instead."""
        key: toml_lines.Path = ("mirror", number)
        if mirror.drop is None:
            if not mirror.source:
                raise self._file.wrong(
                    key, "the key `source` is missing", hint="or give the mirror a `[mirror.drop]`"
                )
            return None
        if mirror.source:
            raise self._file.wrong((*key, "source"), "a mirror has a source or a drop folder")
        if vault is None:
            raise self._file.wrong(
                key,
                "a mirror with a drop folder needs a `vault`",
                hint="what is taken is kept there",
            )
        folder = self._folder(mirror.drop.folder)
        self._refuse_shared(folder, vault, number)
        return DropRules(
            folder=folder,
            settle=durations.seconds(mirror.drop.settle),
            pattern=mirror.drop.pattern,
            rescan=durations.seconds(mirror.drop.rescan),
            poll=mirror.drop.poll,
            replaces=mirror.conflict == "new-version",
        )

    def _refuse_shared(self, folder: Path, vault: Path, number: int) -> None:
        """A drop folder is one mirror's own, and so is the vault that it fills."""
        here = ("mirror", number, "drop", "folder")
        if _lies_in(vault, folder) or _lies_in(folder, vault):
            raise self._file.wrong(here, "the drop folder and the vault lie in one another")
        for other, mirror in enumerate(self._file.config.mirror):
            if other == number:
                continue
            if mirror.drop and self._folder(mirror.drop.folder) == folder:
                raise self._file.wrong(here, f"it is the drop folder of {mirror.name!r} too")
            if mirror.vault and self._folder(mirror.vault) == vault:
                raise self._file.wrong(
                    ("mirror", number, "vault"),
                    f"{mirror.name!r} has this vault too, and what it keeps was not dropped here",
                )

    def refuse_what_lies_in_drop_folders(self, jobs: Sequence[MirrorJob]) -> None:
        """What lies in a drop folder is taken away, and what a vault holds is no news.

        Raises:
            ConfigError: The state folder or a registry lies in one, or one lies in a registry.
        """
        state = self._folder(self._file.config.state)
        for job in jobs:
            if job.drop is None:
                continue
            folder, called = job.drop.folder, f"the drop folder of {job.name!r}"
            if _lies_in(state, folder):
                raise self._file.wrong(("state",), f"the state folder lies in {called}")
            for name, place in self.places.items():
                there = Path(place.locator.registry)
                if place.locator.scheme in _FILES and (
                    _lies_in(there, folder) or _lies_in(folder, there)
                ):
                    raise self._file.wrong(
                        ("registries", name, "locator"), f"it and {called} lie in one another"
                    )

    def _schedule(self, mirror: Mirror, key: toml_lines.Path) -> Schedule:
        if not mirror.cron:
            return Schedule(every=durations.seconds(mirror.every))
        if (*key, "every") in self._file.lines:
            raise self._file.wrong(
                (*key, "cron"), "`every` is given as well, and one of them alone can hold"
            )
        schedule = Schedule(cron=mirror.cron)
        try:
            schedule.trigger()
        except ConfigError as error:
            raise self._file.wrong((*key, "cron"), error.message) from error
        return schedule

    def _renaming(self, mirror: Mirror, key: toml_lines.Path) -> tuple[Rule, ...]:
        rules = tuple(Rule(pattern=p, template=t) for p, t in mirror.rename.items())
        for rule in rules:
            if wrong := rule.wrong():
                raise self._file.wrong((*key, "rename", rule.pattern), wrong)
        if rules or mirror.versions == "next":
            option = "rename" if rules else "versions"
            for name in mirror.targets:
                if (place := self.places.get(name)) and place.locator.scheme in KEEPING_NAMES:
                    raise self._file.wrong(
                        (*key, option),
                        f"the target {name!r} keeps names and version numbers as they are",
                        hint=f"leave `{option}` out; it is for servers",
                    )
        return rules

    def _deletions(self, mirror: Mirror, key: toml_lines.Path) -> Deletions:
        told = mirror.deletions
        if told.policy != "keep" and mirror.drop:
            raise self._file.wrong(
                key,
                "what was dropped is kept: that a vault's retention removes it says nothing",
                hint="leave `deletions` out",
            )
        for name in mirror.targets if told.policy != "keep" else ():
            place = self.places.get(name)
            able = _policies_for_what_is_gone(place.locator.scheme) if place else (told.policy,)
            if told.policy not in able:
                raise self._file.wrong(
                    key,
                    f"the target {name!r} cannot {told.policy} what is gone from the source",
                    hint=f"for {name!r} it may be {' or '.join(able)}",
                )
        return Deletions(policy=told.policy, grace=durations.seconds(told.grace), limit=told.limit)

    def _windows(self, mirror: Mirror, key: toml_lines.Path) -> tuple[Window, ...]:
        found = []
        for number, text in enumerate(mirror.windows):
            try:
                found.append(windows.parse(text))
            except ConfigError as error:
                raise self._file.wrong((*key, number), error.message) from error
        return tuple(found)

    def _trust(self, mirror: Mirror, source: Place, key: toml_lines.Path) -> Path | None:
        if not mirror.trust:
            return None
        if source.locator.scheme not in PACKAGES:
            raise self._file.wrong(
                key,
                "a policy judges packages, and the source holds none",
                hint="leave it out, or mirror from vault:DIR or FILE.mlpkg",
            )
        return self._file.folder / Path(mirror.trust).expanduser()

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
            limits=known.limits,
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
            if _is_one(place.locator, source.locator):
                raise self._file.wrong(here, "a registry cannot be mirrored into itself")
            if mirror.vault and _is_one(place.locator, _vault(self._folder(mirror.vault))):
                raise self._file.wrong(here, f"{name!r} is the mirror's own vault")
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


def _reread(mirror: Mirror, source: Place) -> int:
    """Seconds; 0 where it cannot be news: packages say by their ids what they are."""
    if not mirror.reread or source.locator.scheme in {"vault", "inbox"}:
        return 0
    return durations.seconds(mirror.reread)


def _choice(mirror: Mirror, source: Place) -> Choice:
    where = mirror.where
    return Choice(
        include=mirror.include,
        exclude=mirror.exclude,
        aliases=where.aliases,
        stages=where.stages,
        tags=tuple(where.tags.items()),
        newer_than=durations.seconds(where.newer_than) if where.newer_than else 0,
        older_than=durations.seconds(where.older_than) if where.older_than else 0,
        archived=mirror.archived or is_exact(source.locator.selector),
    )


def _policies_for_what_is_gone(scheme: str) -> tuple[str, ...]:
    if scheme.startswith("mlflow") and scheme != "mlflow-export":
        return ("keep", "tombstone", "delete")
    return ("keep", "delete") if scheme in {"vault", "outbox"} else ("keep",)


def _vault(folder: Path) -> Locator:
    return Locator(scheme="vault", registry=str(folder), text=f"vault:{folder}")


def _absolute(found: Locator, folder: Path) -> Locator:
    """A locator whose path, if it has one, does not depend on where the process was started."""
    if found.scheme in _FILES:
        path = str(folder / Path(found.registry).expanduser())
    elif found.scheme == "mlflow+sqlite":
        path = _SQLITE + str(folder / found.registry.removeprefix(_SQLITE))
    else:
        return found
    return msgspec.structs.replace(found, registry=path)


def _is_one(one: Locator, other: Locator) -> bool:
    """Whether two locators name the same registry, or the same folder by whatever links."""
    if one.origin == other.origin:
        return True
    folders = one.scheme == other.scheme and one.scheme in _FILES
    return folders and Path(one.registry).resolve() == Path(other.registry).resolve()


def _lies_in(place: Path, folder: Path) -> bool:
    """Whether a place is a folder or lies in it, by whatever links."""
    return place.resolve().is_relative_to(folder.resolve())


def _text_of_source(place: Place) -> str:
    whole = str(place.locator)
    if place.name == place.locator.origin:
        return whole
    return place.name + whole.removeprefix(place.locator.origin)
