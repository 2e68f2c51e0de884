"""What is archived: frozen records whose every field is content, state or evidence.

`spec/records.md` is the normative table; it is generated from the annotations here, and a test
fails when it is stale. A record's *key* names it inside one snapshot. An adapter uses any key it
likes (the server's own id is natural); packing replaces keys by package-local ones that depend
on meaning alone, so a server's ids never reach `content_id` or `state_id`.

* `Content` fields say what a thing is. `content_id` is over these.
* `State` fields say how it is labelled today. `state_id` is over these.
* `Evidence` fields say how we know: names and numbers that are an address, native ids, server
  timestamps. They are kept, and no id covers them.

Times are integers: milliseconds since 1970-01-01T00:00:00Z. No field holds a float: bits that
matter (metrics) travel as columns, see `MetricSeries`.
"""

from typing import Annotated, Literal, TypeAlias, TypeVar

from msgspec import Meta, Struct

T = TypeVar("T")

Part: TypeAlias = Literal["content", "state", "evidence"]

Content = Annotated[T, Meta(extra={"part": "content"})]
State = Annotated[T, Meta(extra={"part": "state"})]
Evidence = Annotated[T, Meta(extra={"part": "evidence"})]

Integer: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""What 64 bits hold."""

Key: TypeAlias = Annotated[str, Meta(extra={"reference": True})]
"""The key of another record of the same snapshot; "" where there is none."""

Tags: TypeAlias = dict[str, str]

Role: TypeAlias = Literal["artifact", "environment", "notebook", "build-context"]
"""Why a file is there. `environment` marks files that say what a model needs to run."""


class File(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A file that hangs on a record.

    Attributes:
        path: Relative, `/`-separated, UTF-8 in NFC, unique within its record (clause 8 of the
            package specification says what is refused).
        size: In bytes.
        sha256: Of the whole file, lower-case hex.
        role: Why it is there.
    """

    path: str
    size: Integer
    sha256: str
    role: Role = "artifact"


class MetricSeries(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The whole history of one metric, as columns.

    The bytes are three little-endian columns one after another, each `points` long: steps
    (int64), timestamps (int64, milliseconds since 1970 UTC), values (float64, bit-exact, so NaN
    payloads and the sign of zero are kept). Points are sorted by (step, timestamp, value bits as
    uint64); exact duplicates are kept.

    Attributes:
        key: The metric's name.
        points: How many.
        sha256: Of the columns, lower-case hex.
        dataset: Name and digest of the dataset it was measured on, "name@digest"; "" if none.
    """

    key: str
    points: Integer
    sha256: str
    dataset: str = ""


class DatasetInput(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A dataset that went into a run (MLflow: `Dataset` with its `InputTag`s).

    Attributes:
        name: As logged.
        digest: As logged; whatever its source calls a digest.
        source_type: Such as `http`, `local`, `code`.
        source: As the client serialised it, JSON text as a rule.
        schema: JSON text, or "".
        profile: JSON text, or "".
        tags: Such as `mlflow.data.context`.
    """

    name: str
    digest: str
    source_type: str
    source: str
    schema: str = ""
    profile: str = ""
    tags: Tags = {}


class ModelInput(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A logged model that went into a run, by key where the snapshot holds it."""

    model: Key


class ArtifactRoot(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Where a model version's files are: a folder among the files of another record.

    Attributes:
        record: The record that carries the files.
        path: The folder within them; "" for all of them.
    """

    record: Key
    path: str = ""


class Native(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the source's server knows a record.

    Attributes:
        id: The server's own id ("" where it has none).
        created: Creation time by the server's clock, ms since 1970 UTC; 0 if unknown.
        updated: Last update by the server's clock, ms since 1970 UTC; 0 if unknown.
        user: Who, as the server recorded it.
        location: Where the server keeps the files, without credentials.
        verbatim: The server's answer, as JSON text, redacted of secrets.
        also: Further native facts by name, such as the id of a parent that is not carried.
    """

    id: str = ""
    created: Integer = 0
    updated: Integer = 0
    user: str = ""
    location: str = ""
    verbatim: str = ""
    also: dict[str, str] = {}


class Record(
    Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="kind",
):
    """What all records have.

    Attributes:
        key: Names the record within its snapshot.
        native: How the source's server knows it.
    """

    key: str
    native: Evidence[Native] = Native()


class RegisteredModel(Record, frozen=True, kw_only=True, tag="registered-model"):
    """A named model of a registry, of which there are versions.

    Attributes:
        name: Its name; an address, therefore evidence.
        description: Free text.
        tags: As the registry has them.
    """

    name: Evidence[str] = ""
    description: State[str] = ""
    tags: State[Tags] = {}


class ModelVersion(Record, frozen=True, kw_only=True, tag="model-version"):
    """One version of a registered model.

    Attributes:
        registered_model: The model it is a version of.
        name: The model's name; an address.
        version: As the source spells it; an address.
        aliases: The aliases that point at this version, sorted.
        stage: MLflow's deprecated stage; "" stands for none.
        description: Free text.
        tags: As the registry has them.
        properties: Frozen key-value facts (Azure ML).
        flavors: Flavour names, sorted.
        run: The run that made it.
        logged_model: MLflow 3's logged model behind it.
        root: Where its files are, where another record carries them.
        files: Its own files, where no other record carries them.
        status: As the source reports it (`READY` as a rule).
    """

    registered_model: Content[Key] = ""
    name: Evidence[str] = ""
    version: Evidence[str] = ""
    aliases: State[tuple[str, ...]] = ()
    stage: State[str] = ""
    description: State[str] = ""
    tags: State[Tags] = {}
    properties: Content[Tags] = {}
    flavors: Content[tuple[str, ...]] = ()
    run: Content[Key] = ""
    logged_model: Content[Key] = ""
    root: Content[ArtifactRoot | None] = None
    files: Content[tuple[File, ...]] = ()
    status: Evidence[str] = ""


class LoggedModel(Record, frozen=True, kw_only=True, tag="logged-model"):
    """MLflow 3's model entity, as `log_model` makes it.

    Attributes:
        name: As logged; not unique.
        model_type: As logged; "" if none.
        status: `READY`, `FAILED` or `PENDING`.
        params: Immutable.
        tags: As the server has them.
        run: The run that made it.
        step: The step at which the run logged it.
        metrics: The model's own metrics, with the dataset each was measured on.
        files: Its artifacts.
    """

    name: Content[str] = ""
    model_type: Content[str] = ""
    status: Content[str] = ""
    params: Content[Tags] = {}
    tags: State[Tags] = {}
    run: Content[Key] = ""
    step: Content[Integer] = 0
    metrics: Content[tuple[MetricSeries, ...]] = ()
    files: Content[tuple[File, ...]] = ()


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


class Environment(Record, frozen=True, kw_only=True, tag="environment"):
    """What a model needs to run, as far as its files say it.

    Attributes:
        record: The record whose files these are.
        python: The Python version stated, such as `3.11.7`; "" if none is.
        conda: Path of the conda file among the record's files; "" if none.
        requirements: Path of the pip requirements file; "" if none.
        python_env: Path of MLflow's `python_env.yaml`; "" if none.
    """

    record: Content[Key] = ""
    python: Content[str] = ""
    conda: Content[str] = ""
    requirements: Content[str] = ""
    python_env: Content[str] = ""


class Folder(Record, frozen=True, kw_only=True, tag="folder"):
    """A plain folder of files (locator `dir:`), with a name and version if it was given them.

    Attributes:
        name: Its name; an address.
        version: Its version; an address.
        description: Free text.
        tags: Given on the command line.
        files: Everything in it.
    """

    name: Evidence[str] = ""
    version: Evidence[str] = ""
    description: State[str] = ""
    tags: State[Tags] = {}
    files: Content[tuple[File, ...]] = ()


class Prompt(Record, frozen=True, kw_only=True, tag="prompt"):
    """A named prompt of a registry, of which there are versions.

    Attributes:
        name: Its name; an address, therefore evidence.
        description: Free text.
        tags: As the registry has them, without those that another field says.
        experiments: Names of the experiments that it is linked to, sorted.
    """

    name: Evidence[str] = ""
    description: State[str] = ""
    tags: State[Tags] = {}
    experiments: State[tuple[str, ...]] = ()


class PromptVersion(Record, frozen=True, kw_only=True, tag="prompt-version"):
    """One version of a prompt.

    Attributes:
        prompt: The prompt it is a version of.
        name: The prompt's name; an address.
        version: As the source spells it; an address.
        template: The text, letter for letter; of a chat its messages, as the JSON text that was
            registered.
        template_type: `text` or `chat`.
        response_format: JSON text; "" if none.
        model_settings: MLflow's `model_config`, JSON text; "" if none. It may be changed later.
        message: The commit message, which MLflow shows as the version's description too.
        aliases: The aliases that point at this version, sorted.
        tags: As the registry has them, without those that another field says.
    """

    prompt: Content[Key] = ""
    name: Evidence[str] = ""
    version: Evidence[str] = ""
    template: Content[str] = ""
    template_type: Content[str] = ""
    response_format: Content[str] = ""
    model_settings: State[str] = ""
    message: State[str] = ""
    aliases: State[tuple[str, ...]] = ()
    tags: State[Tags] = {}


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


class Webhook(Record, frozen=True, kw_only=True, tag="webhook"):
    """Who is told of changes in a registry. Its secret is never part of it.

    Attributes:
        name: Its name, which need not be unique; an address.
        url: Whom to tell; credentials in it are replaced by `[redacted]`.
        events: Of what, such as `model_version.created`, sorted.
        description: Free text.
        status: `ACTIVE` or `DISABLED`.
    """

    name: Evidence[str] = ""
    url: Content[str] = ""
    events: Content[tuple[str, ...]] = ()
    description: State[str] = ""
    status: State[str] = ""


class OtherObjects(Record, frozen=True, kw_only=True, tag="other-objects"):
    """What a server has of some kind that has no record of its own: its answer, and nothing else.

    Attributes:
        name: Of what kind they are, such as `review-queues`.
    """

    name: Evidence[str] = ""


AnyRecord: TypeAlias = (
    RegisteredModel
    | ModelVersion
    | LoggedModel
    | Run
    | Experiment
    | Traces
    | Environment
    | Folder
    | Prompt
    | PromptVersion
    | EvaluationDataset
    | Scorer
    | Webhook
    | OtherObjects
)


class Address(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an object is called: where, what kind, which name, which version.

    Neither content nor state: the same model under another name is the same content.

    Attributes:
        origin: The registry's own name (a name given in the configuration, else its locator).
        kind: `models`, `runs`, `experiments`, `folders`, `prompts` and others of `locators.md`.
        name: The name, or the id for kinds that have no name.
        version: As the source spells it; "" where the kind has none.
    """

    origin: str
    kind: str
    name: str
    version: str = ""

    def __str__(self) -> str:
        """Origin and object as a locator writes them: `ORIGIN#KIND/NAME/VERSION`."""
        from urllib.parse import quote

        parts = [self.kind, quote(self.name, safe=""), quote(self.version, safe="")]
        return f"{self.origin}#{'/'.join(part for part in parts if part)}"


class Loss(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something that could not be carried, or not be carried unchanged.

    Attributes:
        record: Which record, as a person would name it ("run 1f3a…", "models/wine/3").
        field: Which field, file or part of it.
        why: One sentence.
    """

    record: str
    field: str
    why: str
