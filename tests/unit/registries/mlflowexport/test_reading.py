"""An export gives what its server would give, of every kind and version of the tool."""

import json
import math
import shutil
from pathlib import Path

import pytest

from mlarchive.errors import DamageError, NotFoundError, UnsupportedError
from mlarchive.package.columns import decode_columns
from mlarchive.records import Experiment, File, ModelVersion, Run
from mlarchive.registries.base import Selector
from tests.support.exports import (
    ALL,
    AT_THE_SERVER,
    FIRST,
    MODEL,
    PARENT,
    SECOND,
    addressed,
    copied,
    edit,
    ids,
    made_older,
    named,
    registry,
)

VERSIONS = ["models/wine/1", "models/wine/2"]


@pytest.mark.parametrize("text", sorted(AT_THE_SERVER))
def test_an_object_has_the_ids_that_it_has_at_its_server(text: str, tmp_path: Path) -> None:
    assert ids(ALL, text, tmp_path) == AT_THE_SERVER[text]


@pytest.mark.parametrize(
    ("folder", "taken"),
    [
        (ALL, [*VERSIONS, f"runs/{PARENT}"]),
        (ALL / "experiments", [f"runs/{run}" for run in (FIRST, PARENT, SECOND)]),
        (ALL / "experiments" / "1", [f"runs/{run}" for run in (FIRST, PARENT, SECOND)]),
        (MODEL, VERSIONS),
        (MODEL / FIRST, [f"runs/{FIRST}"]),
    ],
    ids=["export-all", "export-experiments", "export-experiment", "export-model", "export-run"],
)
def test_each_kind_of_export_is_known_by_what_lies_at_its_top(
    folder: Path, taken: list[str]
) -> None:
    assert named(folder) == sorted(taken)


def test_a_model_by_itself_has_the_same_content_and_says_what_it_lacks(tmp_path: Path) -> None:
    content_id, _ = ids(MODEL, "models/wine/1", tmp_path)
    assert content_id == AT_THE_SERVER["models/wine/1"][0]
    losses = registry(MODEL).read(addressed("models/wine/1")).losses
    assert [(loss.record, loss.field) for loss in losses] == [
        ("experiment 1", "tags"),
        (f"run {FIRST}", "dataset inputs"),
    ]


def test_a_run_by_itself_has_the_same_content_and_an_experiment_without_a_name(
    tmp_path: Path,
) -> None:
    folder = MODEL / FIRST
    content_id, _ = ids(folder, f"runs/{FIRST}", tmp_path)
    assert content_id == AT_THE_SERVER[f"runs/{FIRST}"][0]
    (lost, _) = registry(folder).read(addressed(f"runs/{FIRST}")).losses
    assert lost.field == "name and tags; it is called 'experiment 1' here"


def test_an_export_from_before_1_1_has_the_same_ids(tmp_path: Path) -> None:
    folder = made_older(copied(ALL, tmp_path / "old"))
    assert named(folder) == [*VERSIONS, f"runs/{PARENT}"]
    assert ids(folder, "models/wine/1", tmp_path) == AT_THE_SERVER["models/wine/1"]
    # MLflow 1 had no datasets, so none can be missing.
    assert not registry(folder).read(addressed("models/wine/1")).losses


def test_a_model_version_by_itself_is_read(tmp_path: Path) -> None:
    folder = copied(ALL / "experiments" / "1" / FIRST, tmp_path / "version" / "run").parent
    document = json.loads((MODEL / "model.json").read_text())
    model = document["mlflow"]["registered_model"]
    version = next(v for v in model.pop("versions") if v["version"] == "1")
    (folder / "model.json").write_text(json.dumps(document))
    stated = {"system": document["system"], "mlflow": {"model_version": version}}
    (folder / "version.json").write_text(json.dumps(stated))
    shutil.copy(ALL / "experiments" / "1" / "experiment.json", folder)
    edit(folder / "experiment.json", runs=None)
    assert named(folder) == ["models/wine/1"]
    assert ids(folder, "models/wine/1", tmp_path) == AT_THE_SERVER["models/wine/1"]


def test_dataset_inputs_of_later_exports_are_read(tmp_path: Path) -> None:
    folder = copied(MODEL / FIRST, tmp_path / "run")
    dataset = {"name": "iris", "digest": "1f2e", "source_type": "local", "source": "{}"}
    tags = [{"key": "mlflow.data.context", "value": "training"}]
    edit(folder / "run.json", inputs=[{"dataset": {**dataset, "schema": None}, "tags": tags}])
    snapshot = registry(folder).read(addressed(f"runs/{FIRST}"))
    run = snapshot.record(f"run/{FIRST}")
    assert isinstance(run, Run)
    (found,) = run.inputs
    assert (found.name, found.schema, found.tags) == (
        "iris",
        "",
        {"mlflow.data.context": "training"},
    )
    assert "dataset inputs" not in [loss.field for loss in snapshot.losses]


def test_a_history_keeps_every_bit() -> None:
    snapshot = registry(ALL).read(addressed(f"runs/{FIRST}"))
    (stream,) = (s for s in snapshot.streams if getattr(s.entry, "key", "") == "loss")
    with stream.open() as file:
        steps, times, values = decode_columns(file.read())
    assert steps.tolist() == [0, 1, 2, 3, 4]
    assert times.tolist() == [1_700_000_000_000 + step for step in range(5)]
    assert math.isnan(values[1])
    assert values[[0, 2, 3, 4]].tolist() == [0.5, 0.25, 5e-324, 0.1 + 0.2]


def test_labels_of_a_version_are_read() -> None:
    export = registry(ALL)
    first, second = (
        export.read(addressed(text)).record(f"model-version/wine/{text[-1]}") for text in VERSIONS
    )
    assert isinstance(first, ModelVersion)
    assert isinstance(second, ModelVersion)
    assert (first.aliases, first.stage, first.description) == (
        ("previous",),
        "Archived",
        "The first.",
    )
    assert (second.aliases, second.stage, second.flavors) == (
        ("champion",),
        "",
        ("python_function", "sklearn"),
    )


def test_tags_that_the_tool_added_are_evidence_and_no_state(tmp_path: Path) -> None:
    folder = copied(MODEL / FIRST, tmp_path / "run")
    run = json.loads((folder / "run.json").read_text())["mlflow"]
    added = {
        "mlflow_export_import.metadata.experiment_name": "wine",
        "mlflow_export_import.metadata.tracking_uri": "http://127.0.0.1:5000",
        "mlflow_export_import.run_info.start_time": "1700000000123",
        "mlflow_export_import.mlflow.user": "ada",
    }
    edit(folder / "run.json", tags={**run["tags"], **added})
    snapshot = registry(folder).read(addressed(f"runs/{FIRST}"))
    record = snapshot.record(f"run/{FIRST}")
    assert isinstance(record, Run)
    assert not record.tags
    assert added.items() <= record.native.also.items()
    (experiment,) = (r for r in snapshot.records if isinstance(r, Experiment))
    assert experiment.name == "wine"


def test_a_run_that_the_tool_failed_to_export_says_so(tmp_path: Path) -> None:
    folder = copied(ALL / "experiments" / "1", tmp_path / "experiment")
    document = json.loads((folder / "experiment.json").read_text())
    document["mlflow"]["runs"].remove(SECOND)
    document["info"]["failed_runs"] = [SECOND]
    (folder / "experiment.json").write_text(json.dumps(document))
    losses = registry(folder).read(addressed(f"runs/{SECOND}")).losses
    assert "the tool reports that it failed" in next(x.why for x in losses if x.field == "files")


def test_a_version_that_the_tool_failed_to_export_is_listed_and_refused(tmp_path: Path) -> None:
    folder = copied(MODEL, tmp_path / "model")
    document = json.loads((folder / "model.json").read_text())
    failed = {"version": "3", "run_id": "gone", "error": "Run 'gone' not found"}
    document["info"]["failed_versions"] = [failed]
    (folder / "model.json").write_text(json.dumps(document))
    assert named(folder) == [*VERSIONS, "models/wine/3"]
    with pytest.raises(DamageError, match=r"version 3 of wine is not in the export.*'gone'"):
        registry(folder).read(addressed("models/wine/3"))


def test_a_run_that_is_named_and_not_there_is_an_error(tmp_path: Path) -> None:
    folder = copied(ALL / "experiments" / "1", tmp_path / "experiment")
    shutil.rmtree(folder / SECOND)
    assert f"runs/{SECOND}" in named(folder)
    with pytest.raises(NotFoundError, match=r"run\.json is not there"):
        registry(folder).read(addressed(f"runs/{SECOND}"))


def test_a_version_whose_run_is_not_there_says_what_it_lacks(tmp_path: Path) -> None:
    folder = copied(MODEL, tmp_path / "model")
    shutil.rmtree(folder / SECOND)
    losses = registry(folder).read(addressed("models/wine/2")).losses
    assert [(loss.record, loss.field) for loss in losses] == [
        (f"run {SECOND}", "all of it"),
        ("models/wine/2", "files"),
    ]


def test_what_cannot_be_read_yet_is_not_passed_over(tmp_path: Path) -> None:
    folder = copied(ALL, tmp_path / "all")
    (folder / "prompts" / "greeting_v1").mkdir(parents=True)
    with pytest.raises(UnsupportedError, match="holds more than can be carried: prompts"):
        named(folder)
    assert named(folder, Selector(kind="models")) == VERSIONS


def test_files_are_streams_of_their_size() -> None:
    snapshot = registry(ALL).read(addressed(f"runs/{FIRST}"))
    files = {s.entry.path: s for s in snapshot.streams if isinstance(s.entry, File)}
    assert sorted(files) == [
        "model/MLmodel",
        "model/conda.yaml",
        "model/model.pkl",
        "model/python_env.yaml",
        "model/requirements.txt",
        "report/empty.bin",
        "report/notes/Zoë's plan.txt",
    ]
    with files["model/model.pkl"].open() as file:
        assert file.read() == b"not a pickle 1\n"


def test_listing_names_versions_runs_and_experiments() -> None:
    listed = [str(item.address).partition("#")[2] for item in registry(ALL).ls(Selector())]
    assert listed == [
        *VERSIONS,
        *(f"runs/{run}" for run in (FIRST, PARENT, SECOND)),
        "experiments/empty",
        "experiments/wine",
        "experiments/Default",
    ]


def test_a_version_is_found_by_its_alias() -> None:
    selector = Selector(kind="models", name="wine", alias="champion")
    assert [item.address.version for item in registry(ALL).ls(selector)] == ["2"]


def test_what_is_named_and_not_there_is_said() -> None:
    with pytest.raises(NotFoundError, match="export has no models/beer as named"):
        list(registry(ALL).ls(Selector(kind="models", name="beer", version="1")))
