"""Whether everything that a configuration names can be reached and used. Changes nothing."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from msgspec import Struct, structs

from mlarchive.errors import AccessError, ConfigError, MlarchiveError, StorageError
from mlarchive.records import Address
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.opening import open_registry, open_target
from mlarchived import toml_lines
from mlarchived.addresses import (
    is_given_to_the_service_alone,
    messaged,
    secret_url,
    shown,
    try_to_listen,
)
from mlarchived.alone import is_running
from mlarchived.configfile import ConfigFile
from mlarchived.defects import contained
from mlarchived.drop.candidates import require_there
from mlarchived.drop.rules import DropRules
from mlarchived.ledger import Ledger
from mlarchived.mirrors import MirrorJob, Place, Setting
from mlarchived.room import open_mirrored, refuse_itself, trust_of
from mlarchived.stores import require_vault

_TO_BE_MADE = "it is not there and will be made; if it should be there, mount what it is on first"
_ONE = "it holds one object; of mirror {!r}, which may bring more, the others are conflicts there"


_TAKEN = (
    "a service runs with this state folder, so it was not tried whether this can be listened on"
)
_NOT_GIVEN = "systemd gives it to the service alone, so nobody looked whether it is there"


class Checked(Struct, frozen=True, kw_only=True, tag_field="event", tag="checked"):
    """What was found of one thing.

    Attributes:
        thing: What was tried: `source`, `drop`, `target`, `registry`, `vault`, `state`,
            `listen`, `webhook` or `heartbeat`.
        name: Its name, path or address.
        where: Its locator; "" for a folder.
        error: What is wrong; "" if it can be used.
        hint: What a person can do.
        code: Of the error.
        exit_status: Of the error; 0 if there is none.
    """

    thing: str
    name: str
    where: str = ""
    error: str = ""
    hint: str = ""
    code: str = ""
    exit_status: int = 0


def check(file: ConfigFile, setting: Setting, environment: Mapping[str, str]) -> Iterator[Checked]:
    """Try everything once: folders, sources, targets, registries left over, how it is monitored."""
    yield _tried("state", str(setting.state), "", partial(_refuse_unwritable, setting.state))
    for vault in dict.fromkeys(job.vault for job in setting.jobs if job.vault):
        found = _tried("vault", str(vault), "", partial(_try_vault, setting, vault))
        new = not (found.error or vault.exists())
        yield structs.replace(found, hint=_TO_BE_MADE) if new else found
    for job in setting.jobs:
        if job.drop:
            yield _tried("drop", str(job.drop.folder), "", partial(_try_drop, job, job.drop))
    yield from _each_place(setting, environment)
    yield from _monitored(file, setting, environment)


def _monitored(
    file: ConfigFile, setting: Setting, environment: Mapping[str, str]
) -> Iterator[Checked]:
    monitoring = setting.config.monitoring
    if monitoring.listen:
        found = _tried("listen", monitoring.listen, "", partial(try_to_listen, monitoring.listen))
        taken = found.error and is_running(setting.state)
        yield Checked(thing="listen", name=found.name, hint=_TAKEN) if taken else found
    for place, text in messaged(monitoring):
        thing = "heartbeat" if "heartbeat" in place else "webhook"
        if is_given_to_the_service_alone(text, environment):
            yield Checked(thing=thing, name=text, hint=_NOT_GIVEN)
        else:
            attempt = partial(_find_address, file, place, text, environment)
            yield _tried(thing, shown(text), "", attempt)


def _find_address(
    file: ConfigFile, place: toml_lines.Path, text: str, environment: Mapping[str, str]
) -> None:
    try:
        secret_url(text, environment)
    except ConfigError as error:
        raise file.wrong(place, error.message, hint=error.hint) from error


def _each_place(setting: Setting, environment: Mapping[str, str]) -> Iterator[Checked]:
    sources = {(str(job.source.locator), job.trust): job for job in setting.jobs if not job.drop}
    targets = {place.name: place for job in setting.jobs for place in job.targets}
    used = {job.source.name for job in sources.values()} | targets.keys()
    for (text, _), job in sources.items():
        yield _tried("source", job.source.name, text, partial(_look, job, environment))
    for name, place in targets.items():
        attempt = partial(_ask, place, setting.jobs, environment)
        found = _tried("target", name, str(place.locator), attempt)
        many = [job.name for job in setting.jobs if place in job.targets and _may_bring_more(job)]
        if place.locator.scheme == "dir" and many and not found.error:
            yield structs.replace(found, hint=_ONE.format(many[0]))
        else:
            yield found
    for name, place in setting.registries.items():
        if name not in used:
            yield _tried("registry", name, str(place.locator), partial(_open, place, environment))


def _may_bring_more(job: MirrorJob) -> bool:
    """Whether a mirror may bring more objects than one."""
    locator = job.source.locator
    if locator.scheme in {"dir", "package"}:
        return False
    selector = locator.selector
    of_model = selector.kind in {"models", "prompts"} and not (selector.version or selector.alias)
    return bool(job.drop) or selector.pattern or not selector.name or of_model


def _tried(thing: str, name: str, where: str, attempt: Callable[[], None]) -> Checked:
    try:
        with contained():
            attempt()
    except MlarchiveError as error:
        return Checked(
            thing=thing,
            name=name,
            where=where,
            error=error.message,
            hint=error.hint,
            code=error.code,
            exit_status=error.exit_status,
        )
    return Checked(thing=thing, name=name, where=where)


def _look(job: MirrorJob, environment: Mapping[str, str]) -> None:
    """See the first of the objects that are to be mirrored, if there is one yet."""
    with open_mirrored(job, environment) as source:
        next(iter(source.changes(job.source.locator.selector)), None)


def _try_drop(job: MirrorJob, drop: DropRules) -> None:
    """See that things can be taken out of a drop folder, and that their policy can be read."""
    require_there(drop.folder)
    _refuse_unwritable(drop.folder)
    trust_of(job)


def _try_vault(setting: Setting, vault: Path) -> None:
    """See that a vault can be written, and is there if it ever was."""
    _refuse_unwritable(vault)
    with Ledger.look(setting.state) as ledger:
        for job in setting.jobs:
            if job.vault == vault:
                require_vault(job, ledger)


def _ask(place: Place, jobs: Iterable[MirrorJob], environment: Mapping[str, str]) -> None:
    """Ask a target for something that it will not have, and see that it is no mirror's source."""
    nothing = Address(origin="mlarchived", kind="models", name="mlarchived-check", version="1")
    with open_target(place.locator, origin=place.name, environment=environment) as target:
        target.holding(nothing, WritePolicy())
        for job in (one for one in jobs if place in one.targets and not one.drop):
            with contextlib.ExitStack() as stack:
                try:
                    source = stack.enter_context(open_mirrored(job, environment))
                except MlarchiveError:
                    # What is wrong with it is told of the source.
                    continue
                refuse_itself(job, source, place, target)


def _open(place: Place, environment: Mapping[str, str]) -> None:
    with open_registry(place.locator, origin=place.name, environment=environment):
        pass


def _refuse_unwritable(folder: Path) -> None:
    """Refuse a folder that could not be created or written."""
    here = folder
    while not here.exists():
        here = here.parent
    if not here.is_dir():
        raise StorageError(f"{here} is not a folder", hint="name another folder")
    if not os.access(here, os.W_OK | os.X_OK):
        raise AccessError(f"may not write in {here}", hint="check its permissions")
