"""What the tools of mlflow-export-import offer by options, on real servers: the same here."""

import contextlib
import sqlite3
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Experiment, LoggedModelStatus, Run

from tests.support import exports
from tests.support.command import Done, sentence, within
from tests.support.cutting_proxy import Cut, cutting_proxy
from tests.support.mlflow_seed import tracking
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

KINDS = {"runs", "models", "prompts", "evaluation-datasets"}
METADATA = ("mlflow_version", "tracking_uri", "experiment_name", "timestamp", "timestamp_nice")
MODEL = """artifact_path: model
flavors:
  python_function:
    loader_module: mlflow.sklearn
run_id: {run_id}
"""


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A source, a target, and what was logged at the source.

    Attributes:
        source: Its locator.
        target: Its locator.
        here: At the source.
        there: At the target.
        experiment: Its name; two runs are in it.
        runs: Their ids.
        model: Its name; a version is made of each run.
        desk: Where commands run.
    """

    source: str
    target: str
    here: MlflowClient
    there: MlflowClient
    experiment: str
    runs: tuple[str, str]
    model: str
    desk: Path

    def copy(self, *words: str) -> Done:
        """Copy what some words after the `#` name, with some options."""
        objects = [word for word in words if word.partition("/")[0] in KINDS]
        options = [word for word in words if word not in objects]
        named = [f"{self.source}#{one}" for one in objects]
        return within("copy", *named, self.target, *options, cwd=self.desk)

    def in_experiment(self, name: str) -> dict[str, Run]:
        """The runs of an experiment at the target by their names."""
        found = self.there.get_experiment_by_name(name)
        runs = self.there.search_runs([found.experiment_id]) if found else []
        return {str(run.info.run_name): run for run in runs}


def named(client: MlflowClient, experiment: str) -> Experiment:
    """An experiment that is there."""
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return found


@pytest.fixture
def lab(source_server: MlflowServer, target_server: MlflowServer, tmp_path: Path) -> Lab:
    here = MlflowClient(source_server.uri, source_server.uri)
    there = MlflowClient(target_server.uri, target_server.uri)
    mark = uuid.uuid4().hex[:8]
    experiment = here.create_experiment(f"cellar {mark}", tags={"team": "cellar"})
    here.create_registered_model(f"red-{mark}", tags={"area": "wine"}, description="Which wine.")
    runs = (_run(here, experiment, "one"), _run(here, experiment, "two"))
    for run_id in runs:
        here.create_model_version(
            f"red-{mark}", f"runs:/{run_id}/model", run_id, await_creation_for=0
        )
    return Lab(
        source=source_server.locator,
        target=target_server.locator,
        here=here,
        there=there,
        experiment=f"cellar {mark}",
        runs=runs,
        model=f"red-{mark}",
        desk=tmp_path,
    )


def _run(client: MlflowClient, experiment: str, name: str) -> str:
    tags = {"mlflow.user": "ada", "mlflow.source.name": "train.py"}
    run = client.create_run(experiment, start_time=1_700_000_000_000, tags=tags, run_name=name)
    run_id = str(run.info.run_id)
    client.log_text(run_id, MODEL.format(run_id=run_id), "model/MLmodel")
    client.set_terminated(run_id, end_time=1_700_000_009_000)
    return run_id


def test_a_copy_into_another_experiment_never_answers_for_the_plain_one(lab: Lab) -> None:
    one, two = (f"runs/{run_id}" for run_id in lab.runs)
    other = f"other {lab.experiment}"
    assert lab.copy(one, "--to-experiment", other).status == 0

    planned = lab.copy(two, "--dry-run").out
    assert f"in experiment '{lab.experiment}'" in planned
    assert lab.copy(one, two).status == 0
    assert lab.copy(one, two, "--to-experiment", other).status == 0
    assert lab.copy(one, two).status == 0

    for name in (lab.experiment, other):
        found = lab.there.search_runs([named(lab.there, name).experiment_id])
        assert sorted(str(run.info.run_name) for run in found) == ["one", "two"]


def test_the_end_of_a_copy_counts_what_came_and_names_what_failed(lab: Lab) -> None:
    one, two = (f"runs/{run_id}" for run_id in lab.runs)
    first = lab.copy(one, two)
    assert first.status == 0, first.err
    assert "\n2/2 runs in " in first.out
    assert "failed" not in first.out
    # A param that both sides say otherwise is a conflict of this one run.
    copied = lab.in_experiment(lab.experiment)["one"]
    lab.there.log_param(copied.info.run_id, "depth", "3")
    lab.here.log_param(lab.runs[0], "depth", "4")
    again = lab.copy(one, two)
    assert again.status not in {0, 3}
    counts, failed = again.out.splitlines()[-2:]
    assert counts.startswith("1/2 runs in ")
    assert failed == f"  failed: {lab.source}#{one}"
    *_, last = lab.copy(one, two, "--json").documents
    summary: dict[str, Any] = last["summary"]
    assert (summary["asked"], summary["done"]) == ({"runs": 2}, {"runs": 1})
    assert summary["failed"] == [f"{lab.source}#{one}"]
    assert summary["seconds"] > 0


def test_of_a_single_object_and_of_a_rehearsal_nothing_is_counted(lab: Lab) -> None:
    one, two = (f"runs/{run_id}" for run_id in lab.runs)
    assert "/1 runs" not in lab.copy(one).out
    assert "/2 runs" not in lab.copy(one, two, "--dry-run").out


def test_a_run_keeps_its_user(lab: Lab) -> None:
    assert lab.copy(f"runs/{lab.runs[0]}").status == 0
    assert lab.in_experiment(lab.experiment)["one"].data.tags["mlflow.user"] == "ada"


def test_the_runs_below_a_run_are_chosen_by_their_tag(lab: Lab) -> None:
    lab.here.set_tag(lab.runs[1], "mlflow.parentRunId", lab.runs[0])
    below = f"mlflow.parentRunId={lab.runs[0]}"
    listed = within("ls", f"{lab.source}#runs", "--tag", below, "--json", cwd=lab.desk)
    assert listed.document["object"] == f"runs/{lab.runs[1]}"


def test_files_of_a_run_are_listed(lab: Lab) -> None:
    listed = within("ls", f"{lab.source}#runs/{lab.runs[0]}", "--files", "--json", cwd=lab.desk)
    assert "model/MLmodel" in [one["path"].partition("files/")[2] for one in listed.documents]


def test_runs_go_into_any_experiment_and_again_changes_nothing(lab: Lab) -> None:
    one, two = (f"runs/{run_id}" for run_id in lab.runs)
    name = f"tasting {lab.experiment}"
    planned = lab.copy(one, "--to-experiment", name, "--dry-run").out
    assert f"would create experiment {name!r} " in planned
    assert f"would create run 'one' (in experiment {name!r})" in planned
    for status in ("done, ", "nothing to do"):
        done = lab.copy(one, two, "--to-experiment", name)
        assert done.status == 0, done.err
        assert done.out.count(status) == 2
    assert {*lab.in_experiment(name)} == {"one", "two"}
    assert lab.there.get_experiment_by_name(lab.experiment) is None
    # Asked for elsewhere, they are there too.
    assert lab.copy(one, "--to-experiment", f"{name} again").status == 0
    assert {*lab.in_experiment(f"{name} again")} == {"one"}
    assert {*lab.in_experiment(name)} == {"one", "two"}


def test_the_runs_of_a_model_go_into_an_experiment_with_a_prefix(lab: Lab) -> None:
    model = f"models/{lab.model}"
    done = lab.copy(model, "--to-experiment", "lab/{name}", "--rename", "lab-{name}")
    assert done.status == 0, done.err
    copied = lab.in_experiment(f"lab/{lab.experiment}")
    versions = lab.there.search_model_versions(f"name = 'lab-{lab.model}'")
    assert {version.run_id for version in versions} == {run.info.run_id for run in copied.values()}
    assert named(lab.there, f"lab/{lab.experiment}").tags["team"] == "cellar"
    assert lab.there.get_experiment_by_name(lab.experiment) is None
    # A version that is held stays where it is, and its run is not made again.
    again = lab.copy(model, "--to-experiment", f"other {lab.model}", "--rename", "lab-{name}")
    assert again.out.count("nothing to do") == 2, again.out
    assert lab.there.get_experiment_by_name(f"other {lab.model}") is None


def test_an_experiment_that_others_go_into_is_not_deleted_with_one_of_them(lab: Lab) -> None:
    name = f"kept {lab.experiment}"
    assert lab.copy(f"runs/{lab.runs[0]}", "--to-experiment", name).status == 0
    lab.here.delete_experiment(named(lab.here, lab.experiment).experiment_id)
    done = lab.copy(f"runs/{lab.runs[1]}", "--to-experiment", name)
    assert done.status == 0, done.err
    assert named(lab.there, name).lifecycle_stage == "active"
    assert {*lab.in_experiment(name)} >= {"one"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("dir:out", "--to-experiment", "x"), "so --to-experiment is not for it"),
        (("mlflow-export:out", "--rename", "x"), "--rename is not for runs"),
        (("dir:out", "--to-experiment", ""), "--to-experiment: a name is wanted, and it is empty"),
        (("dir:out", "--await-creation-for", "x"), "'x' is no number of seconds"),
    ],
)
def test_what_means_nothing_there_is_refused(lab: Lab, words: tuple[str, ...], says: str) -> None:
    done = within("copy", f"{lab.source}#runs/{lab.runs[0]}", *words, cwd=lab.desk)
    assert says in sentence(done)
    assert not (lab.desk / "out").exists()


def test_a_model_is_deleted_first_once_and_numbers_are_given_again(lab: Lab) -> None:
    model = f"models/{lab.model}"
    lab.there.create_registered_model(lab.model, description="Somebody else's.")
    run = lab.there.create_run("0").info.run_id
    for _ in range(3):
        lab.there.create_model_version(lab.model, f"runs:/{run}/x", run, await_creation_for=0)
    assert lab.copy(model).status not in {0, 3}
    planned = lab.copy(model, "--delete-first", "--dry-run")
    assert planned.out.count(f"would delete {model} (as asked, with 3 versions)") == 1
    assert planned.out.count(f"would create {model}/") == 2
    assert len(lab.there.search_model_versions(f"name = '{lab.model}'")) == 3
    for versions in (3, 2):
        done = lab.copy(model, "--delete-first")
        assert done.status == 0, done.err
        assert done.out.count(f"delete {model} (as asked, with {versions} versions)") == 1
        assert done.out.count(" delete ") == 1
        found = lab.there.search_model_versions(f"name = '{lab.model}'")
        assert sorted(int(one.version) for one in found) == [1, 2]
        assert lab.there.get_registered_model(lab.model).description == "Which wine."
    # What is made anew finds the runs that are there.
    assert {*lab.in_experiment(lab.experiment)} == {"one", "two"}
    assert len(lab.in_experiment(lab.experiment)) == len(lab.runs)


def test_a_prompt_and_an_evaluation_dataset_are_deleted_first(lab: Lab) -> None:
    name = lab.model
    lab.here.delete_registered_model(name)
    lab.here.register_prompt(name, "Hello {{name}}")
    lab.there.register_prompt(name, "Go away")
    for client, question in ((lab.here, "Which?"), (lab.there, "Why?")):
        dataset = client.create_dataset(name)
        with tracking(client.tracking_uri):
            dataset.merge_records([{"inputs": {"question": question}}])
    copied = [f"prompts/{name}", f"evaluation-datasets/{name}"]
    assert lab.copy(*copied).status not in {0, 3}
    assert lab.copy(*copied, "--delete-first").status == 0
    assert lab.there.get_prompt_version(name, "1").template == "Hello {{name}}"
    (dataset,) = lab.there.search_datasets(filter_string=f"name = '{name}'")
    with tracking(lab.there.tracking_uri):
        assert list(dataset.to_df()["inputs"]) == [{"question": "Which?"}]


def _with_logged_model(lab: Lab) -> str:
    """A third version at the source, made of a logged model of the first run; its id."""
    experiment = named(lab.here, lab.experiment).experiment_id
    made = lab.here.create_logged_model(experiment, name="model", source_run_id=lab.runs[0])
    model_id = str(made.model_id)
    folder = lab.desk / "logged"
    folder.mkdir()
    text = f"{MODEL.format(run_id=lab.runs[0])}model_id: {model_id}\n"
    (folder / "MLmodel").write_text(text)
    lab.here.log_model_artifacts(model_id, str(folder))
    lab.here.finalize_logged_model(model_id, LoggedModelStatus.READY)
    lab.here.create_model_version(
        lab.model, f"models:/{model_id}", lab.runs[0], model_id=model_id, await_creation_for=0
    )
    return model_id


def _mlmodels(client: MlflowClient, name: str) -> list[str]:
    """The `MLmodel` files of the first and the third version, as whoever loads them sees them."""
    with tracking(client.tracking_uri):
        return [
            load_text(f"models:/{name}/{version}/MLmodel", client.tracking_uri)
            for version in (1, 3)
        ]


def load_text(uri: str, tracking_uri: str) -> str:
    path = download_artifacts(artifact_uri=uri, tracking_uri=tracking_uri)
    return Path(path).read_text()


def _ids(lab: Lab, version: int) -> set[tuple[str, str]]:
    """The ids of a version at both servers; one pair, if they agree."""
    both = []
    for server, number in ((lab.source, 0), (lab.target, 1)):
        out = f"{number}-{version}.mlpkg"
        words = ("pack", f"{server}#models/{lab.model}/{version}", "-o", out, "--json")
        document = within(*words, cwd=lab.desk).document
        both.append((document["content_id"], document["state_id"]))
    return set(both)


def test_mlmodel_files_name_run_and_model_at_the_target_and_read_as_they_were(lab: Lab) -> None:
    model_id = _with_logged_model(lab)
    done = lab.copy(f"models/{lab.model}", "--json")
    assert done.status == 0, done.err
    why = "the ids of run and model in it become the target's"
    assert all(why in [one["why"] for one in r["transformations"]] for r in done.receipts)
    first, third = _mlmodels(lab.there, lab.model)
    found = lab.there.search_model_versions(f"name = '{lab.model}'")
    runs = {int(one.version): str(one.run_id) for one in found}
    sources = {int(one.version): str(one.source) for one in found}
    assert f"run_id: {runs[1]}" in first
    assert f"run_id: {runs[3]}\nmodel_id: {sources[3].removeprefix('models:/')}\n" in third
    assert lab.runs[0] not in first + third
    assert model_id not in third
    assert [len(_ids(lab, version)) for version in (1, 3)] == [1, 1]
    assert lab.copy(f"models/{lab.model}").out.count("nothing to do") == 3
    # What people log there is theirs, and reads as it is.
    own = MODEL.format(run_id=runs[1])
    lab.there.log_text(runs[1], f"{own}own: yes\n", "other/MLmodel")
    shown = within("cat", f"{lab.target}#runs/{runs[1]}", "other/MLmodel", cwd=lab.desk)
    assert shown.out == f"{own}own: yes\n"
    # What is asked for the next time does not count for what is there.
    lab.here.log_param(lab.runs[0], "depth", "3")
    grown = lab.copy(f"runs/{lab.runs[0]}", "--keep-mlmodel")
    assert grown.status == 0, grown.err
    assert _mlmodels(lab.there, lab.model) == [first, third]
    read = within("cat", f"{lab.target}#runs/{runs[1]}", "model/MLmodel", cwd=lab.desk)
    assert read.out == MODEL.format(run_id=lab.runs[0])


def test_mlmodel_files_stay_as_they_are_if_that_is_asked_for(lab: Lab) -> None:
    _with_logged_model(lab)
    done = lab.copy(f"models/{lab.model}", "--keep-mlmodel", "--json")
    assert done.status == 0, done.err
    why = "the ids of run and model in it are still the source's"
    assert all(why in [one["why"] for one in r["transformations"]] for r in done.receipts)
    assert _mlmodels(lab.there, lab.model) == _mlmodels(lab.here, lab.model)
    assert [len(_ids(lab, version)) for version in (1, 3)] == [1, 1]
    # A run that grows afterwards keeps its file.
    lab.here.log_param(lab.runs[0], "depth", "3")
    assert lab.copy(f"runs/{lab.runs[0]}").status == 0
    assert lab.in_experiment(lab.experiment)["one"].data.params == {"depth": "3"}


def test_source_tags_tell_of_each_object_under_the_names_of_the_tool(lab: Lab) -> None:
    model, run = f"models/{lab.model}/1", lab.runs[0]
    assert lab.copy(model).status == 0
    plain = lab.in_experiment(lab.experiment)["one"].data.tags
    assert plain["mlflow.source.name"] == "train.py"
    assert not [name for name in plain if name.startswith(("mlflow_exim", "mlflow_export_import"))]
    first = lab.copy(model, "--source-tags")
    assert first.status == 0, first.err
    tags = lab.in_experiment(lab.experiment)["one"].data.tags
    info = lab.here.get_run(run).info
    assert (
        tags.items()
        >= {
            "mlflow_exim.run_info.run_id": run,
            "mlflow_exim.run_info.start_time": str(info.start_time),
            "mlflow_exim.run_info.artifact_uri": info.artifact_uri,
            "mlflow_exim.mlflow_tag.user": "ada",
            "mlflow_exim.mlflow_tag.source.name": "train.py",
            "mlflow_export_import.metadata.experiment_name": lab.experiment,
            "mlflow_export_import.metadata.tracking_uri": lab.here.tracking_uri,
        }.items()
    )
    assert {f"mlflow_export_import.metadata.{name}" for name in METADATA} <= tags.keys()
    experiment = named(lab.there, lab.experiment).tags
    source = named(lab.here, lab.experiment)
    assert experiment["mlflow_exim.field.experiment_id"] == source.experiment_id
    assert experiment["mlflow_exim.field._creation_time"].startswith("20")
    there = lab.there.get_registered_model(lab.model).tags
    made = lab.here.get_registered_model(lab.model).creation_timestamp
    assert there["mlflow_exim.field.creation_timestamp"] == str(made)
    version = lab.there.get_model_version(lab.model, "1").tags
    assert version["mlflow_exim.field.source"] == f"runs:/{run}/model"
    assert version["mlflow_exim.src_version.run_id"] == run
    assert "nothing to do" in lab.copy(model, "--source-tags").out
    assert lab.copy(model).status == 0
    assert lab.in_experiment(lab.experiment)["one"].data.tags == plain


def test_a_version_counts_when_its_server_says_that_it_is_ready(
    lab: Lab, target_server: MlflowServer
) -> None:
    model = f"models/{lab.model}/1"

    def tell(statement: str) -> None:
        with contextlib.closing(sqlite3.connect(target_server.folder / "mlflow.db")) as database:
            database.execute(statement)
            database.commit()

    # MLflow's own server is always ready at once, so its database is made slow for this model.
    tell(
        f"""CREATE TRIGGER "slow {lab.model}" AFTER INSERT ON model_versions
        WHEN NEW.name = '{lab.model}' BEGIN UPDATE model_versions
        SET status = 'PENDING_REGISTRATION' WHERE name = NEW.name; END"""  # noqa: S608  (a name of our own)
    )
    done = lab.copy(model, "--await-creation-for", "1")
    assert done.status not in {0, 3}
    assert "version 1 of" in done.err
    assert "is still not ready after 1 s" in done.err
    assert "mlarchive.content_id" not in lab.there.get_model_version(lab.model, "1").tags
    tell(f"UPDATE model_versions SET status = 'READY' WHERE name = '{lab.model}'")  # noqa: S608
    assert lab.copy(model, "--await-creation-for", "1").status == 0
    assert "mlarchive.content_id" in lab.there.get_model_version(lab.model, "1").tags
    unawaited = lab.copy(f"models/{lab.model}/2", "--await-creation-for", "0")
    assert unawaited.status == 0, unawaited.err
    tell(f'DROP TRIGGER "slow {lab.model}"')


def test_registered_models_and_their_latest_versions_are_told_in_full(lab: Lab) -> None:
    lab.here.set_registered_model_alias(lab.model, "best", "2")
    lab.here.update_model_version(lab.model, "2", "The better one.")
    there = lab.here.get_registered_model(lab.model)
    names = ("--include", lab.model, "--json")
    listed = within("ls", f"{lab.source}#registered-models", *names, cwd=lab.desk).document
    assert listed["address"]["name"] == there.name
    assert listed["description"] == there.description
    assert listed["tags"] == {name: [value] for name, value in there.tags.items()}
    assert listed["made_at"] == there.creation_timestamp
    assert listed["updated_at"] == there.last_updated_timestamp
    latest = within(
        "ls", f"{lab.source}#models", "--latest-versions", *names, cwd=lab.desk
    ).document
    version = lab.here.get_model_version(lab.model, "2")
    assert latest["address"]["version"] == "2"
    assert (latest["aliases"], latest["stage"]) == (["best"], "")
    assert latest["description"] == "The better one."
    assert latest["source"] == version.source
    assert latest["facts"]["run"] == version.run_id
    assert latest["facts"]["status"] == version.status
    assert latest["made_at"] == version.creation_timestamp
    assert latest["updated_at"] == version.last_updated_timestamp


def test_what_an_old_export_says_of_itself_is_set_as_it_is(lab: Lab) -> None:
    export = exports.copied(exports.ALL, lab.desk / "export")
    (document,) = export.rglob(f"{exports.PARENT}/run.json")
    said = {
        "mlflow_export_import.metadata.timestamp": "1655007510",
        "mlflow_export_import.run_info.user_id": "andre",
    }
    exports.edit(document, tags={"mlflow.source.name": "train.py", **said})
    words = (f"mlflow-export:{export}#runs/{exports.PARENT}", lab.target)
    for option in ((), ("--source-tags",)):
        done = within("copy", *words, "--to-experiment", lab.experiment, *option, cwd=lab.desk)
        assert done.status in {0, 3}, done.err
        (run,) = lab.in_experiment(lab.experiment).values()
        assert (said.items() <= run.data.tags.items()) == bool(option)
    assert run.data.tags["mlflow_exim.run_info.run_id"] == exports.PARENT
    assert run.data.tags["mlflow_exim.mlflow_tag.source.name"] == "train.py"


def test_evaluation_datasets_are_chosen_by_experiment(lab: Lab) -> None:
    experiment = named(lab.here, lab.experiment).experiment_id
    asked = lab.here.create_dataset(f"asked {lab.model}", experiment_id=experiment)
    other = lab.here.create_dataset(f"other {lab.model}", experiment_id="0")
    where = f"{lab.source}#evaluation-datasets"
    listed = within("ls", where, "--experiment", lab.experiment, "--json", cwd=lab.desk).documents
    assert [one["address"]["name"] for one in listed] == [asked.dataset_id]
    assert listed[0]["experiments"] == [lab.experiment]
    all_of_them = within("ls", where, "--json", cwd=lab.desk).documents
    assert {one["address"]["name"] for one in all_of_them} >= {asked.dataset_id, other.dataset_id}


def test_runs_are_linked_to_their_parents_whatever_their_ids(lab: Lab) -> None:
    child, parent = sorted(lab.runs)
    lab.here.set_tag(child, "mlflow.parentRunId", parent)
    words = ("copy", f"{lab.source}#runs", lab.target, "--experiment", lab.experiment)
    done = within(*words, cwd=lab.desk)
    assert done.status == 0, done.err
    there = lab.in_experiment(lab.experiment)
    names = dict(zip(lab.runs, ("one", "two"), strict=True))
    assert there[names[child]].data.tags["mlflow.parentRunId"] == there[names[parent]].info.run_id


def test_an_export_links_runs_to_their_parents_at_once(lab: Lab) -> None:
    words = ("--to-experiment", lab.experiment, "--rename", lab.model)
    done = within("copy", f"mlflow-export:{exports.ALL}", lab.target, *words, cwd=lab.desk)
    assert done.status == 3, done.err
    runs = lab.in_experiment(lab.experiment)
    parent = runs["sweep"].info.run_id
    for name in ("training", "again"):
        assert runs[name].data.tags["mlflow.parentRunId"] == parent


def test_what_is_copied_is_never_deleted_for_its_copy(lab: Lab) -> None:
    dataset = lab.here.create_dataset(lab.model)
    lab.here.register_prompt(f"p{lab.model}", "Hello")
    with cutting_proxy(lab.source.removeprefix("mlflow+"), Cut()) as another_address:
        for one in (
            f"models/{lab.model}",
            f"prompts/p{lab.model}",
            f"evaluation-datasets/{lab.model}",
        ):
            words = ("copy", f"{lab.source}#{one}", f"mlflow+{another_address}", "--delete-first")
            done = within(*words, cwd=lab.desk)
            assert done.status == 14, done.err
            assert "is what is copied, and is not deleted for it" in done.err
    assert len(lab.here.search_model_versions(f"name = '{lab.model}'")) == len(lab.runs)
    assert lab.here.get_dataset(dataset.dataset_id).name == lab.model
