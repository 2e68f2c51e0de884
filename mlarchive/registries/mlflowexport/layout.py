"""What an export holds and where: its kind is told by the files that stand at its top.

| at the top | written by |
|---|---|
| `run.json` | export-run |
| `version.json`, `model.json`, `run/` | export-model-version |
| `model.json`, a folder for each run | export-model |
| `experiment.json` (or `manifest.json` before 1.1), a folder for each run | export-experiment |
| `experiments.json`, a folder for each experiment | export-experiments |
| `experiments/`, `models/` | export-models, export-all |

Nothing outside the folder is ever looked at: names from a document are single components, and
links are refused.
"""

from collections.abc import Iterator
from functools import reduce
from pathlib import Path

from msgspec import Struct

from mlarchive import fsops
from mlarchive.errors import DamageError, NotFoundError
from mlarchive.package.paths import DEPTH_MAX, component_refusal
from mlarchive.registries.jsondocuments import Table, read_document

RUN, MODEL, VERSION = "run.json", "model.json", "version.json"
EXPERIMENT, OLD_EXPERIMENT = "experiment.json", "manifest.json"
EXPERIMENTS, MODELS = "experiments.json", "models.json"
ARTIFACTS = "artifacts"
UNREAD = ("evaluation_datasets", "logged_models", "prompts", "traces")
"""Folders of later versions of the tool, for objects that have no place here yet."""


class RunPlace(Struct, frozen=True, kw_only=True):
    """Where a run is.

    Attributes:
        folder: Holds `run.json` and `artifacts/`.
        experiment: The experiment's document; None where there is none.
        failed: Whether the tool itself says that it could not export all of it.
    """

    folder: Path
    experiment: Path | None = None
    failed: bool = False


class ModelPlace(Struct, frozen=True, kw_only=True):
    """Where a registered model is.

    Attributes:
        folder: Holds `model.json`.
        version: The document of the one version that was exported; None where the model's has all.
    """

    folder: Path
    version: Path | None = None


class Export(Struct, frozen=True, kw_only=True):
    """All that an export holds.

    Attributes:
        folder: The top.
        runs: By id.
        experiments: Documents of experiments.
        models: Registered models.
        failed_models: Names of models that the tool says it could not export.
        unread: What lies there and cannot be read, by folder.
    """

    folder: Path
    runs: dict[str, RunPlace]
    experiments: tuple[Path, ...] = ()
    models: tuple[ModelPlace, ...] = ()
    failed_models: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def look(folder: Path) -> Export:
    """See what an export holds.

    Raises:
        NotFoundError: The folder is not there, or is no export.
        DamageError: A document is malformed, or a link stands where a folder should.
    """
    with fsops.explaining(folder, "read"):
        if not folder.is_dir():
            wrong = "is not a folder" if folder.exists() else "does not exist"
            raise NotFoundError(f"{folder} {wrong}", hint="check the path after mlflow-export:")
    found = _Finding(folder)
    found.look()
    return found.export()


def part(document: Table) -> Table:
    """What a document says of MLflow's objects; before version 1.1 it said nothing else."""
    return document.table("mlflow") if "mlflow" in document.members else document


def below(folder: Path, name: str) -> Path:
    """A folder by a name that a document states.

    Raises:
        DamageError: The name leads elsewhere, or a link does.
    """
    if "/" in name or component_refusal(name):
        raise DamageError(f"{folder} names {name!r}, which is no name of a folder in it")
    path = folder / name
    if path.is_symlink():
        raise DamageError(f"{path} is a symbolic link, and exports have none")
    return path


class _Finding:
    """Fills an `Export`."""

    def __init__(self, folder: Path) -> None:
        self._top = folder
        self._runs: dict[str, RunPlace] = {}
        self._experiments: list[Path] = []
        self._models: list[ModelPlace] = []
        self._failed_models: list[str] = []

    def look(self) -> None:
        """Recognise the top."""
        top = self._top
        if (top / RUN).exists():
            self._run(top, None)
        elif (top / VERSION).exists():
            self._version(top)
        elif (top / MODEL).exists():
            self._model(top)
        elif experiment := _experiment_document(top):
            self._experiment(top, experiment)
        elif (top / EXPERIMENTS).exists():
            self._all_experiments(top)
        else:
            self._both()

    def export(self) -> Export:
        """What was found."""
        unread = [name for name in UNREAD if _has_something(self._top / name)]
        return Export(
            folder=self._top,
            runs=self._runs,
            experiments=tuple(self._experiments),
            models=tuple(self._models),
            failed_models=tuple(self._failed_models),
            unread=tuple(unread),
        )

    def _both(self) -> None:
        experiments, models = (below(self._top, name) for name in ("experiments", "models"))
        if not experiments.is_dir() and not models.is_dir():
            raise NotFoundError(
                f"{self._top} is no export of mlflow-export-import: it has none of {RUN}, {MODEL}, "
                f"{EXPERIMENT}, {EXPERIMENTS}, experiments/ and models/",
                hint="name the folder that was given to the tool as --output-dir",
            )
        if experiments.is_dir():
            self._all_experiments(experiments)
        if models.is_dir():
            self._all_models(models)

    def _all_experiments(self, folder: Path) -> None:
        listed = _listed(folder / EXPERIMENTS)
        named = [item.text("id") for item in listed.tables("experiments")] if listed else []
        for name in dict.fromkeys([*named, *_folders(folder)]):
            place = below(folder, name)
            if document := _experiment_document(place):
                self._experiment(place, document)
            elif name in named:
                raise DamageError(
                    f"{folder / EXPERIMENTS} names the experiment {name}, and {place} has no "
                    f"{EXPERIMENT}",
                    hint="the export is not whole; make it again",
                )

    def _experiment(self, folder: Path, document: Path) -> None:
        self._experiments.append(document)
        stated = read_document(document)
        inside = part(stated)
        report = stated.table("info" if "info" in stated.members else "export_info")
        named = [*inside.texts("runs"), *inside.texts("run_ids"), *report.texts("ok_runs")]
        failed = [*report.texts("failed_runs"), *inside.texts("failed_run_ids")]
        present = [name for name in _folders(folder) if (folder / name / RUN).exists()]
        for name in dict.fromkeys([*named, *failed, *present]):
            self._run(below(folder, name), document, name=name, failed=name in failed)

    def _all_models(self, folder: Path) -> None:
        listed = _listed(folder / MODELS)
        if listed:
            report = read_document(folder / MODELS).table("info")
            self._failed_models += report.texts("failed_models")
        named = listed.texts("models") if listed else []
        # A / in a model's name makes folders in folders.
        present = [str(path.parent.relative_to(folder)) for path in _documents(folder, MODEL)]
        for name in dict.fromkeys([*named, *present]):
            place = reduce(below, name.split("/"), folder)
            if (place / MODEL).exists():
                self._model(place)
            else:
                self._failed_models.append(name)

    def _model(self, folder: Path) -> None:
        self._models.append(ModelPlace(folder=folder))
        for name in _folders(folder):
            if (folder / name / RUN).exists():
                self._run(folder / name, None, name=name)

    def _version(self, folder: Path) -> None:
        self._models.append(ModelPlace(folder=folder, version=folder / VERSION))
        experiment = _experiment_document(folder)
        if experiment:
            self._experiments.append(experiment)
        if (below(folder, "run") / RUN).exists():
            self._run(folder / "run", experiment)

    def _run(
        self, folder: Path, experiment: Path | None, *, name: str = "", failed: bool = False
    ) -> None:
        run_id = name or part(read_document(folder / RUN)).table("info").text("run_id")
        if not run_id:
            raise DamageError(f"{folder / RUN} does not say which run it is: it has no run_id")
        place = RunPlace(folder=folder, experiment=experiment, failed=failed)
        known = self._runs.setdefault(run_id, place)
        if known.experiment is None and experiment:
            self._runs[run_id] = place


def _listed(path: Path) -> Table | None:
    return part(read_document(path)) if path.exists() else None


def _experiment_document(folder: Path) -> Path | None:
    if (folder / EXPERIMENT).exists():
        return folder / EXPERIMENT
    old = folder / OLD_EXPERIMENT
    return old if old.exists() and "experiment" in read_document(old).members else None


def _folders(folder: Path) -> list[str]:
    with fsops.explaining(folder, "read"):
        entries = sorted(folder.iterdir())
    for entry in entries:
        if entry.is_symlink():
            raise DamageError(f"{entry} is a symbolic link, and exports have none")
    return [e.name for e in entries if e.is_dir() and not fsops.is_temporary(e.name)]


def _documents(folder: Path, name: str, depth: int = 0) -> Iterator[Path]:
    if depth > DEPTH_MAX:
        raise DamageError(f"{folder} lies deeper than any model's name leads")
    for child in _folders(folder):
        if child == ARTIFACTS:
            continue
        place = folder / child
        if (place / name).exists():
            yield place / name
        yield from _documents(place, name, depth + 1)


def _has_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
