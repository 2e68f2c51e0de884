"""Use case: what an environment file asks for is packed beside it, as wheels (spec/wheels.md).

pip resolves and downloads; nothing is built, and nothing that a requirements file says is executed.
Only plain requirements are taken: an option, an address or a folder in a file that a stranger wrote
would make pip do what the stranger wants.
"""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import UnsupportedError, UsageError
from mlarchive.records import Environment, File, Folder, Loss
from mlarchive.registries.redaction import redacted_text
from mlarchive.snapshot import Snapshot, Stream

FOLDER = "wheels"

_LONGEST = 1 << 20
_STEP = 1 << 20
_PATIENCE = 3600
_REQUIREMENTS = "requirements.txt"
_PLAIN = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
    r"(?:\[[A-Za-z0-9._, -]*\])?"
    r"\s*(?:(?:===?|~=|!=|<=?|>=?)\s*[A-Za-z0-9.*+!_-]+\s*,?\s*)*"
    r"(?:;[^\\@]*)?"
)
_PLATFORM = re.compile(r"([a-z0-9_]+):([0-9]\.[0-9]{1,2})")
_GLIBC = tuple(range(39, 16, -1))


class Machine(Struct, frozen=True, kw_only=True):
    """Where an environment is to be installed.

    Attributes:
        platform: As wheels spell it, such as `linux_x86_64`; "" for this machine's.
        python: Such as `3.11`; "" for the one that runs.
    """

    platform: str = ""
    python: str = ""

    def __str__(self) -> str:
        return f"{self.platform}, Python {self.python}" if self.platform else "this machine"


def machine(text: str) -> Machine:
    """A machine from `PLATFORM:PYTHON`, such as `linux_x86_64:3.11`.

    Raises:
        UsageError: It is none.
    """
    match = _PLATFORM.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text!r} is no PLATFORM:PYTHON",
            hint="give such as linux_x86_64:3.11 or win_amd64:3.12",
        )
    return Machine(platform=match[1], python=match[2])


@contextlib.contextmanager
def with_wheels(snapshot: Snapshot, machines: Sequence[Machine], home: Path) -> Iterator[Snapshot]:
    """The snapshot with the wheels that its requirements files ask for, and losses for the rest.

    The wheels lie in `wheels/` beside the requirements file; they are there within the block.

    Args:
        snapshot: From any source.
        machines: Where it is to be installed; none for this machine.
        home: Where a scratch folder is made.

    Raises:
        UnsupportedError: This Python has no pip.
        MlarchiveError: As the streams say.
    """
    if find_spec("pip") is None:
        raise UnsupportedError(
            "wheels are resolved by pip, and this Python has none",
            hint="install pip beside mlarchive",
        )
    with fsops.scratch_folder(home) as scratch:
        streams, losses = list[Stream](), list[Loss]()
        files = list(_files(snapshot))
        for number, (owner, path) in enumerate(files):
            folder = scratch / str(number)
            folder.mkdir()
            wanted, refused = _wanted(snapshot, owner, path)
            losses += refused
            for one in machines or (Machine(),):
                losses += [
                    _loss(owner, path, line, f"no wheel of it for {one}: {why}")
                    for line, why in _downloaded(wanted, one, folder).items()
                ]
            fresh, others = _streams(snapshot, owner, path, folder)
            streams += fresh
            losses += others
        if not files:
            losses.append(
                _loss(snapshot.subject, "environment", "", "no requirements file says it")
            )
        yield replace(
            snapshot,
            streams=(*snapshot.streams, *streams),
            losses=(*snapshot.losses, *losses),
            content_id="",
            state_id="",
            original=None,
        )


def _files(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Each requirements file: the record that has it, and its path."""
    for record in snapshot.records:
        if isinstance(record, Environment) and record.requirements:
            yield record.record or record.key, record.requirements
        elif isinstance(record, Folder):
            for stream in snapshot.streams_of(record.key):
                if isinstance(stream.entry, File) and stream.entry.path == _REQUIREMENTS:
                    yield record.key, _REQUIREMENTS


def _wanted(snapshot: Snapshot, owner: str, path: str) -> tuple[list[str], list[Loss]]:
    """The lines that are plain requirements, and losses for those that are something else."""
    stream = _beside(snapshot, owner).get(path)
    if stream is None:
        return [], [_loss(owner, path, "", "there is no such file, so no wheels are packed for it")]
    with stream.open() as file:
        raw = file.read(_LONGEST + 1)
    if len(raw) > _LONGEST:
        why = f"it is longer than {_LONGEST} bytes, so no wheels are packed for it"
        return [], [_loss(owner, path, "", why)]
    lines = [line.partition("#")[0].strip() for line in raw.decode("utf-8", "replace").splitlines()]
    found = [line for line in dict.fromkeys(lines) if line]
    plain = [line for line in found if _PLAIN.fullmatch(line)]
    why = "it is no plain requirement"
    return plain, [_loss(owner, path, line, why) for line in found if line not in plain]


def _beside(snapshot: Snapshot, owner: str) -> Mapping[str, Stream]:
    """The files of a record, by path."""
    return {
        stream.entry.path: stream
        for stream in snapshot.streams_of(owner)
        if isinstance(stream.entry, File)
    }


def _downloaded(wanted: Sequence[str], one: Machine, folder: Path) -> Mapping[str, str]:
    """Download all; what cannot be had, and why, if they cannot be had together."""
    if not wanted or not _why_not(wanted, one, folder):
        return {}
    reasons = {line: _why_not([line], one, folder) for line in wanted}
    return {line: why for line, why in reasons.items() if why} or dict.fromkeys(
        wanted, "they contradict one another"
    )


def _why_not(wanted: Sequence[str], one: Machine, folder: Path) -> str:
    """Why some requirements cannot be had; "" if they were downloaded."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(folder)]
    for tag in _tags(one.platform):
        command += ["--platform", tag]
    if one.python:
        command += ["--python-version", one.python, "--implementation", "cp"]
    done = subprocess.run(  # noqa: S603  (words that were checked, behind --)
        [*command, "--", *wanted],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=_PATIENCE,
    )
    if not done.returncode:
        return ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    return (errors or ["ERROR: pip failed"])[-1].removeprefix("ERROR: ")


def _tags(platform: str) -> tuple[str, ...]:
    """The names that wheels have for a platform; Linux has one for each age of its libraries."""
    if not platform.startswith("linux_"):
        return (platform,) if platform else ()
    machine_name = platform.removeprefix("linux_")
    many = tuple(f"manylinux_2_{minor}_{machine_name}" for minor in _GLIBC)
    return (*many, f"manylinux2014_{machine_name}", platform)


def _streams(
    snapshot: Snapshot, owner: str, path: str, folder: Path
) -> tuple[list[Stream], list[Loss]]:
    """The wheels that the object has not yet, and losses for those that it has with other bytes."""
    there = _beside(snapshot, owner)
    beside = path.rpartition("/")[0]
    prefix = f"{beside}/{FOLDER}" if beside else FOLDER
    fresh, losses = list[Stream](), list[Loss]()
    for wheel in sorted(folder.glob("*.whl")):
        place = f"{prefix}/{wheel.name}"
        if place not in there:
            entry = File(path=place, size=wheel.stat().st_size, sha256="", role="environment")
            fresh.append(Stream(owner=owner, entry=entry, open=partial(_opened, wheel)))
        elif not _are_equal(there[place], wheel):
            why = "the object has it with other bytes than the index, and these were packed"
            losses.append(Loss(record=owner, field=place, why=why))
    return fresh, losses


def _are_equal(stream: Stream, wheel: Path) -> bool:
    with stream.open() as one, wheel.open("rb") as other:
        while True:
            part = one.read(_STEP)
            if part != other.read(len(part) or 1):
                return False
            if not part:
                return True


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _loss(owner: str, path: str, line: str, why: str) -> Loss:
    # Lines of a stranger, and what pip says of its index, may hold passwords.
    field = f"{path}: {redacted_text(line)}" if line else path
    return Loss(record=owner, field=field, why=redacted_text(why))
