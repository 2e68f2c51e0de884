"""What an experiment tracker logs: runs, notebooks, traces, fields, datasets and scorers."""

from mlarchive.records.parts import (
    Content,
    DatasetInput,
    Evidence,
    Field,
    File,
    Integer,
    Key,
    MetricSeries,
    ModelInput,
    Record,
    State,
    Tags,
)

UNFINISHED = frozenset({"RUNNING", "SCHEDULED"})
"""Statuses of a run that logs, or will."""


class Run(Record, frozen=True, kw_only=True, tag="run"):
    """A run of an experiment.

    Attributes:
        experiment: The experiment it belongs to.
        name: Its display name.
        status: `FINISHED`, `FAILED`, `KILLED`, `RUNNING` or `SCHEDULED`.
        start: Start time, ms since 1970 UTC; 0 if unknown.
        end: End time, ms since 1970 UTC; 0 if it has not ended.
        user: Who ran it.
        lifecycle: `active` or `deleted`.
        params: Immutable.
        tags: As the server has them, without those that say what another field says.
        properties: Frozen key-value facts of the job (Azure ML).
        metrics: Complete histories.
        inputs: Datasets that went in.
        model_inputs: Logged models that went in, where they are carried.
        parent: The parent run, where the snapshot carries it; else its id is in `native.also`.
        files: Its artifacts.
    """

    experiment: Content[Key] = ""
    name: State[str] = ""
    status: Content[str] = ""
    start: Content[Integer] = 0
    end: Content[Integer] = 0
    user: Content[str] = ""
    lifecycle: State[str] = "active"
    params: Content[Tags] = {}
    tags: State[Tags] = {}
    properties: Content[Tags] = {}
    metrics: Content[tuple[MetricSeries, ...]] = ()
    inputs: Content[tuple[DatasetInput, ...]] = ()
    model_inputs: Content[tuple[ModelInput, ...]] = ()
    parent: Content[Key] = ""
    files: Content[tuple[File, ...]] = ()


class Experiment(Record, frozen=True, kw_only=True, tag="experiment"):
    """What runs belong to.

    Attributes:
        name: Its name; an address.
        tags: As the server has them.
        lifecycle: `active` or `deleted`.
    """

    name: Evidence[str] = ""
    tags: State[Tags] = {}
    lifecycle: State[str] = "active"


class Notebook(Record, frozen=True, kw_only=True, tag="notebook"):
    """A revision of the notebook or script that made a run, in one or several formats.

    Attributes:
        record: The run that it made; else what it was attached to by hand.
        formats: Its files' paths by format: `SOURCE`, `HTML`, `JUPYTER` or `DBC`.
        source: Where it is from: `databricks`, `git`, `azureml`, or `file` if it was attached.
        path: What it is called there; an address.
        revision: Which one it is, as its source spells it: a revision's id, a commit, a snapshot.
        files: It itself, with the role `notebook`.
    """

    record: Content[Key] = ""
    formats: Content[Tags] = {}
    source: Evidence[str] = ""
    path: Evidence[str] = ""
    revision: Evidence[str] = ""
    files: Content[tuple[File, ...]] = ()


class Traces(Record, frozen=True, kw_only=True, tag="traces"):
    """Traces of one run, or of an experiment and none of its runs, as pages (`spec/traces.md`).

    Attributes:
        experiment: The experiment they belong to; "" where `run` says it.
        run: The run that made them or that they were linked to.
        logged_model: The logged model that they say made them, where it is carried.
        count: How many.
        files: The pages, `traces-000001.jsonl` and on; below `attached/` what was attached.
    """

    experiment: Content[Key] = ""
    run: Content[Key] = ""
    logged_model: Content[Key] = ""
    count: Content[Integer] = 0
    files: Content[tuple[File, ...]] = ()


class Fields(Record, frozen=True, kw_only=True, tag="fields"):
    """All fields of another record, typed, at their paths (Neptune), each in order of its path.

    Attributes:
        record: The record whose fields they are.
        carrier: The record whose files and metric series hold their bytes.
        values: What was logged.
        labels: What can be changed at any time: tags, name, stage.
        facts: What the source's server says of it.
    """

    record: Content[Key] = ""
    carrier: Content[Key] = ""
    values: Content[tuple[Field, ...]] = ()
    labels: State[tuple[Field, ...]] = ()
    facts: Evidence[tuple[Field, ...]] = ()


class EvaluationDataset(Record, frozen=True, kw_only=True, tag="evaluation-dataset"):
    """A dataset that evaluations of prompts and agents run on (MLflow 3).

    Attributes:
        name: Its name, which need not be unique; an address.
        records: How many it has.
        files: They themselves, in `records.jsonl` (`evaluation-datasets.md` defines its bytes).
        tags: As the server has them.
        experiments: Names of the experiments that it belongs to, sorted.
    """

    name: Evidence[str] = ""
    records: Content[Integer] = 0
    files: Content[tuple[File, ...]] = ()
    tags: State[Tags] = {}
    experiments: State[tuple[str, ...]] = ()


class Scorer(Record, frozen=True, kw_only=True, tag="scorer"):
    """A registered scorer of an experiment (MLflow 3), with all its versions.

    Attributes:
        name: Its name; an address.
        experiment: The experiment it belongs to.
        versions: What MLflow serialised of it, JSON text, by version number. It may hold source
            code, which nothing here runs.
        online: How it is applied to new traces: JSON texts with `filter` and `sample_rate`, sorted.
    """

    name: Evidence[str] = ""
    experiment: Content[Key] = ""
    versions: Content[dict[str, str]] = {}
    online: State[tuple[str, ...]] = ()
