"""Putting systemd's units, and alert rules, in their places, with the path to this program.

Everything is read from the package; a file that somebody else wrote is never replaced.
"""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path, PurePosixPath

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import ConflictError, UsageError

PROGRAM = "/opt/mlarchive/bin/mlarchived"
"""What the units as they are call the program."""

_OURS = "# Written by `mlarchived install-units`; "
MARK = f"{_OURS}changes belong into drop-ins.\n"
_ALERTS_MARK = f"{_OURS}changes belong into a file of your own.\n"

_HOMES = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108  (none is written to)
"""What the units hide from the service."""

_PLACES = {
    ".service": "etc/systemd/system",
    ".timer": "etc/systemd/system",
    ".sysusers": "etc/sysusers.d",
    ".tmpfiles": "etc/tmpfiles.d",
}
_AIR_GAP = "air-gap.conf"
_ALERTS = PurePosixPath("usr/local/share/mlarchived/alerts.yml")
"""Readable by Prometheus, as what is below /etc/mlarchived is not."""


class Installed(Struct, frozen=True, kw_only=True, tag_field="event", tag="installed"):
    """A file that was put in its place.

    Attributes:
        path: Where.
        outcome: `new`, `changed`, or `same`; `left` is a drop-in that an earlier `--air-gap` put
            there, and that stays in force.
    """

    path: str
    outcome: str


def install(root: Path, program: Path, *, air_gap: bool, dry_run: bool) -> Iterator[Installed]:
    """Write every unit.

    Args:
        root: What stands for `/`.
        program: The program that the units start.
        air_gap: Whether every service gets the drop-in that takes all network away.
        dry_run: Whether nothing is written.

    Raises:
        UsageError: The units could not see the program.
        ConflictError: A file is there that is not ours; nothing is written.
        MlarchiveError: As the system says.
    """
    if any(program.is_relative_to(home) for home in _HOMES):
        raise UsageError(
            f"{program} is in a folder that the units hide from the service",
            hint="install mlarchive elsewhere, such as in a venv in /opt/mlarchive",
        )
    texts = {root / place: text for place, text in units(program, air_gap=air_gap)}
    outcomes = {path: _outcome(path, text) for path, text in texts.items()}
    for path, text in texts.items():
        if not dry_run and outcomes[path] != "same":
            with fsops.atomic_file(path) as file:
                file.write(text.encode())
            path.chmod(0o644)
        yield Installed(path=str(path), outcome=outcomes[path])
    for place, _ in units(program, air_gap=True):
        path = root / place
        with fsops.explaining(path, "read"):
            if path not in texts and path.exists():
                yield Installed(path=str(path), outcome="left")


def units(program: Path, *, air_gap: bool) -> Iterator[tuple[PurePosixPath, str]]:
    """Where each file belongs, relative to the root, and its text."""
    installed = resources.files("mlarchived") / "systemd"
    # In a checkout they lie at its top.
    folder = installed if installed.is_dir() else Path(__file__).parents[2] / "systemd"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        text = MARK + file.read_text(encoding="utf-8").replace(PROGRAM, str(program))
        name = PurePosixPath(file.name)
        if file.name == _AIR_GAP:
            if air_gap:
                for unit in folder.iterdir():
                    if unit.name.endswith(".service"):
                        drop_ins = PurePosixPath(_PLACES[".service"], f"{unit.name}.d")
                        yield drop_ins / file.name, text
            continue
        place = PurePosixPath(_PLACES[name.suffix])
        plain = name.suffix in {".sysusers", ".tmpfiles"}
        yield place / (f"{name.stem}.conf" if plain else file.name), text
    rules = resources.files("mlarchived.monitoring") / "alerts.yml"
    yield _ALERTS, _ALERTS_MARK + rules.read_text(encoding="utf-8")


def _outcome(path: Path, text: str) -> str:
    with fsops.explaining(path, "read"):
        if not path.exists():
            return "new"
        there = path.read_text(encoding="utf-8", errors="replace")
    if there == text:
        return "same"
    if not there.startswith(_OURS):
        raise ConflictError(
            f"{path} is there already, and was not written by this command",
            hint="move it away, then run the same command again",
        )
    return "changed"
