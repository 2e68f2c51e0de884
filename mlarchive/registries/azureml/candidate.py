"""What is to be registered: a model version, or a plain folder, as Azure ML has models."""

import re
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from mlarchive.errors import UnsupportedError, UsageError
from mlarchive.records import (
    AnyRecord,
    Environment,
    Experiment,
    File,
    Folder,
    LoggedModel,
    Loss,
    ModelVersion,
    Notebook,
    RegisteredModel,
    Run,
    Tags,
)
from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Json
from mlarchive.registries.azureml.uploading import Sent, digest_of, longest_prefix, refuses
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.innereye.modeldocument import evidence_alone, experiment_of
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.gathering import MODEL_FILE
from mlarchive.snapshot import Snapshot

CUSTOM, MLFLOW = "custom_model", "mlflow_model"
TYPES = (CUSTOM, MLFLOW, "triton_model")

CLASSIC_ALONE = "only the classic client has a place for it; the package keeps it"

NAMES = "those begin with a letter or digit, and have letters, digits, _ and -, at most 255"
"""What names of models and environments are, for a person."""

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
_DEFAULT_FOLDER = "model"
_PLACED = (ModelVersion, RegisteredModel, Environment, Experiment, Folder)


class Candidate(Struct, frozen=True, kw_only=True):
    """A model version as it is to be at the target.

    Attributes:
        name: Of the model there.
        version: As the source spells it; "" where it has none.
        description: Free text.
        tags: Texts by name.
        properties: What the source has, without marks.
        lineage: Where it comes from, as further properties.
        stage: "" for none.
        model_type: One of `TYPES`, or another of the service's.
        flavors: As the service takes them.
        archived: Whether lists are to hide it.
        files: All of them, by path below the folder.
        folder: The last part of its path; "" where it is one file and no folder.
    """

    name: str
    version: str
    description: str
    tags: Tags
    properties: Tags
    lineage: Tags
    stage: str
    model_type: str
    flavors: Json
    archived: bool
    files: tuple[Sent, ...]
    folder: str

    @property
    def digest(self) -> str:
        """Of all files and their folder."""
        return digest_of(self.folder, self.files)

    @property
    def path(self) -> str:
        """What follows the place of the upload in the model's path."""
        return self.folder or self.files[0].file.path


def is_name(text: str) -> bool:
    """Whether a model or an environment can have that name."""
    return _NAME.fullmatch(text) is not None


def candidate(snapshot: Snapshot, policy: WritePolicy, *, in_registry: bool) -> Candidate:
    """What a snapshot of a model version or of a folder is to be.

    Args:
        snapshot: Of it.
        policy: Of the write.
        in_registry: Whether it goes to a registry.

    Raises:
        UnsupportedError: Its name is none that Azure ML has, or it has no files.
    """
    subject = snapshot.record(snapshot.subject)
    assert isinstance(subject, ModelVersion | Folder)  # noqa: S101  (the caller looked)
    name = policy.named(subject.name)
    if not is_name(name):
        raise UnsupportedError(
            f"{name!r} is no name for a model of Azure ML: {NAMES}",
            hint="give it another one: --name for a folder, else --rename",
        )
    below = _sent_below(name, subject, in_registry=in_registry)
    found = files_of(snapshot, subject)
    files = tuple(sent for sent in found if not refuses(sent.file.path, below))
    if not files:
        those = "Azure ML takes" if found else "a package holds"
        raise UnsupportedError(
            f"{snapshot.address} has no files that {those}, and a model of Azure ML is made of "
            "files"
        )
    version = subject if isinstance(subject, ModelVersion) else ModelVersion(key="")
    if policy.model_type and version.model_type not in {"", policy.model_type}:
        raise UsageError(
            f"{snapshot.address} is a {version.model_type}",
            hint="--type is for folders, which have no type of their own",
        )
    paths = {sent.file.path for sent in files}
    guessed = MLFLOW if MODEL_FILE in paths else CUSTOM
    return Candidate(
        name=name,
        version=subject.version,
        description=subject.description,
        tags=subject.tags,
        properties=version.properties,
        lineage=_lineage(snapshot, version),
        stage=version.stage,
        model_type=policy.model_type or version.model_type or guessed,
        flavors={flavor: msgspec.json.decode(data) for flavor, data in version.flavor_data.items()},
        archived=version.lifecycle == "archived",
        files=files,
        folder=_folder(subject, files),
    )


def files_of(snapshot: Snapshot, subject: ModelVersion | Folder) -> Iterator[Sent]:
    """The files of a subject, wherever they hang, by path below its own folder."""
    root = subject.root if isinstance(subject, ModelVersion) else None
    owner = root.record if root else subject.key
    below = f"{root.path}/" if root and root.path else ""
    for stream in snapshot.streams_of(owner):
        entry = stream.entry
        if isinstance(entry, File) and entry.path.startswith(below):
            path = entry.path.removeprefix(below)
            yield Sent(msgspec.structs.replace(entry, path=path), stream)


def losses_of(snapshot: Snapshot, name: str, *, in_registry: bool) -> Iterator[Loss]:
    """What Azure ML cannot hold of a model version or a folder.

    Args:
        snapshot: What is written.
        name: What the model is called at the target.
        in_registry: Whether it goes to a registry, which has no runs.
    """
    subject = snapshot.record(snapshot.subject)
    assert isinstance(subject, ModelVersion | Folder)  # noqa: S101  (the caller looked)
    called = f"models/{subject.name}/{subject.version}".rstrip("/")
    below = _sent_below(name, subject, in_registry=in_registry)
    for sent in files_of(snapshot, subject):
        if why := refuses(sent.file.path, below):
            yield Loss(record=called, field=sent.file.path, why=why)
    if isinstance(subject, ModelVersion):
        for member in evidence_alone(subject):
            yield Loss(record=called, field=member, why=CLASSIC_ALONE)
        for alias in subject.aliases:
            yield Loss(record=called, field=f"alias {alias}", why="Azure ML has no aliases")
    for record in snapshot.records:
        if others := _other_files(record, snapshot, subject):
            why = "only the model's own files can be registered"
            yield Loss(record=_called(record), field=f"{others} other files", why=why)
        if not isinstance(record, Run):
            yield from _unplaced(record)
        elif in_registry or record.key != getattr(subject, "run", ""):
            why = "a registry has no runs; the job's name is kept"
            yield Loss(record=_called(record), field="parameters, metrics and tags", why=why)


def _other_files(record: AnyRecord, snapshot: Snapshot, subject: ModelVersion | Folder) -> int:
    """How many files of a record are neither the model's nor an environment's."""
    root = subject.root if isinstance(subject, ModelVersion) else None
    below = ""
    if record.key == (root.record if root else subject.key):
        if root is None or not root.path:
            return 0
        below = f"{root.path}/"
    elif isinstance(record, Environment | Notebook):
        # A notebook is lost as a whole.
        return 0
    return sum(
        isinstance(stream.entry, File) and not (below and stream.entry.path.startswith(below))
        for stream in snapshot.streams_of(record.key)
    )


def _unplaced(record: AnyRecord) -> Iterator[Loss]:
    if isinstance(record, LoggedModel):
        if record.params or record.tags or record.metrics:
            why = "Azure ML has no logged models; the files are kept"
            yield Loss(record=_called(record), field="parameters, metrics and tags", why=why)
    elif not isinstance(record, _PLACED):
        yield Loss(record=_called(record), field="all of it", why="Azure ML has no place for it")


def _called(record: AnyRecord) -> str:
    kind = str(record.__struct_config__.tag).replace("-", " ")
    if isinstance(record, Notebook) and record.path:
        return f"{kind} {record.path} ({', '.join(sorted(record.formats))})"
    return f"{kind} {getattr(record, 'name', '') or record.native.id or record.key}"


def _lineage(snapshot: Snapshot, version: ModelVersion) -> Tags:
    """Where it comes from: what the target gives no field for, and a person asks first."""
    run = snapshot.by_key.get(version.run)
    experiment = snapshot.by_key.get(run.experiment) if isinstance(run, Run) else None
    # Where no run comes along, its lineage stays known from one place to the next.
    before = experiment_of(version) or version.native.also.get(keys.EXPERIMENT, "")
    named = experiment.name if isinstance(experiment, Experiment) else before
    said = {
        keys.JOB: version.job or (run.native.id if run else ""),
        keys.EXPERIMENT: named,
        keys.SOURCE_VERSION: marks.first_number(version.native.also, snapshot.address.version),
        **marks.path_marks(snapshot.record(snapshot.subject), snapshot),
        **marks.model_marks(version, snapshot),
    }
    return {name: value for name, value in said.items() if value}


def _sent_below(name: str, subject: ModelVersion | Folder, *, in_registry: bool) -> str:
    folder = subject.name if isinstance(subject, Folder) else subject.folder
    return longest_prefix("models", name, folder or _DEFAULT_FOLDER, in_registry=in_registry)


def _folder(subject: ModelVersion | Folder, files: tuple[Sent, ...]) -> str:
    """What the folder is called; "" for a single file that lies in none."""
    if isinstance(subject, Folder):
        return subject.name
    whole = subject.root is None and len(files) == 1 and "/" not in files[0].file.path
    return subject.folder or ("" if whole else _DEFAULT_FOLDER)
