"""What a read has collected so far: records, their streams, losses and transformations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from unicodedata import normalize

from mlarchive.package.paths import collisions, refusal
from mlarchive.records import AnyRecord, File, Loss, Role
from mlarchive.registries.mlflow.listed import Listed, ReadableFolder
from mlarchive.snapshot import Stream

if TYPE_CHECKING:
    # Adapters of other registries come here without mlflow.
    from mlflow.entities import Experiment

ENVIRONMENT_FILES = ("conda.yaml", "requirements.txt", "python_env.yaml")
MODEL_FILE = "MLmodel"


@dataclass(slots=True)
class Gathering:
    """Filled record by record; becomes a snapshot.

    Attributes:
        records: With what they hold.
        streams: Their bytes, not yet read.
        losses: What cannot be carried.
        transformations: What is carried in another form.
        experiments: As the server gave them, by id.
        listed: All experiments of the server by id, where a run is read, whose links to traces may
            lead to any.
        state_mark: Of the labels that were read; "" where nobody says.
        unlisted: Folders of which nobody knows what is in them, by the key of the record.
        checks: Called when all bytes were read; each raises if the whole did not stay as it was.
        found: Called when all bytes were read; each gives what these showed to be lost.
    """

    records: list[AnyRecord] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    transformations: list[Loss] = field(default_factory=list)
    experiments: "dict[str, Experiment]" = field(default_factory=dict)
    listed: "dict[str, Experiment]" = field(default_factory=dict)
    state_mark: str = ""
    unlisted: dict[str, list[str]] = field(default_factory=dict)
    checks: list[Callable[[], None]] = field(default_factory=list)
    found: list[Callable[[], Sequence[Loss]]] = field(default_factory=list)

    def found_lost(self) -> tuple[Loss, ...]:
        """What reading the bytes showed to be lost."""
        return tuple(loss for one in self.found for loss in one())

    def lose(self, record: str, what: str, why: str) -> None:
        """List something that cannot be carried."""
        self.losses.append(Loss(record=record, field=what, why=why))

    def change(self, record: str, what: str, why: str) -> None:
        """List something that is carried in another form."""
        self.transformations.append(Loss(record=record, field=what, why=why))


def gather_files(
    folder: ReadableFolder, owner: str, name: str, gathering: Gathering
) -> tuple[Listed, ...]:
    """List a record's files and make a stream of each; nothing is read yet.

    Args:
        folder: Where they are.
        owner: The record's key.
        name: What a person calls the record.
        gathering: Gets the streams, and what cannot be read as losses.

    Returns:
        What can be read.
    """
    listed = sorted(folder.files(), key=lambda entry: entry.path)
    models = {str(PurePosixPath(e.path).parent) for e in listed if _base(e.path) == MODEL_FILE}
    problems = _problems(listed)
    for entry in listed:
        path = normalize("NFC", entry.path)
        if entry.empty:
            gathering.change(name, entry.path, entry.problem)
            continue
        if why := problems.get(entry.path):
            gathering.lose(name, entry.path or "files", why)
            if entry.unlisted:
                gathering.unlisted.setdefault(owner, []).append(entry.path)
            continue
        if path != entry.path:
            gathering.change(name, path, "its name is kept in Unicode's composed form (NFC)")
        file = File(path=path, size=entry.size, sha256="", role=_role(path, models))
        gathering.streams.append(
            Stream(
                owner=owner,
                entry=file,
                open=partial(folder.open, entry.path),
                waits=folder.is_remote,
            )
        )
    return tuple(entry for entry in listed if entry.path not in problems)


def _problems(listed: Sequence[Listed]) -> dict[str, str]:
    """Why some files cannot be carried: the store or the format refuses."""
    problems = {}
    for entry in listed:
        refused = refusal(normalize("NFC", entry.path))
        if entry.problem or refused:
            problems[entry.path] = entry.problem or f"its path {refused}, so no package holds it"
    fitting = [entry.path for entry in listed if entry.path not in problems]
    return problems | _collisions(fitting)


def _collisions(paths: Sequence[str]) -> dict[str, str]:
    """Paths that some systems could not tell from an earlier one."""
    found = collisions([normalize("NFC", path) for path in paths])
    return {paths[number]: f"no package holds both: {why}" for number, why in found.items()}


def model_folders(listed: Sequence[Listed]) -> list[str]:
    """The folders that hold an `MLmodel` file; "" is the top."""
    parents = (PurePosixPath(e.path).parent for e in listed if _base(e.path) == MODEL_FILE)
    return sorted("" if parent == PurePosixPath() else str(parent) for parent in parents)


def _role(path: str, models: set[str]) -> Role:
    pure = PurePosixPath(path)
    beside = str(pure.parent) in models
    return "environment" if beside and pure.name in ENVIRONMENT_FILES else "artifact"


def _base(path: str) -> str:
    return PurePosixPath(path).name
