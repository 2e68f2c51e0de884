"""What a model registry names: models, versions, what they need to run, prompts."""

from mlarchive.records.parts import (
    ArtifactRoot,
    Content,
    Evidence,
    File,
    Integer,
    Key,
    MetricSeries,
    Record,
    State,
    Tags,
)


class RegisteredModel(Record, frozen=True, kw_only=True, tag="registered-model"):
    """A named model of a registry, of which there are versions.

    Attributes:
        name: Its name; an address, therefore evidence.
        description: Free text.
        tags: As the registry has them.
        properties: Further key-value facts (Azure ML).
        lifecycle: `active` or `archived` (Azure ML hides archived ones).
    """

    name: Evidence[str] = ""
    description: State[str] = ""
    tags: State[Tags] = {}
    properties: State[Tags] = {}
    lifecycle: State[str] = "active"


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
        flavor_data: What the registry says of flavours (Azure ML): JSON texts by name.
        model_type: `custom_model`, `mlflow_model` or `triton_model` (Azure ML); "" if unsaid.
        lifecycle: `active` or `archived` (Azure ML hides archived ones).
        run: The run that made it.
        job: Name of the job that made it (Azure ML), whether its run is carried or not.
        environment: The environment that it names, where it names one as an object of its own.
        logged_model: MLflow 3's logged model behind it.
        root: Where its files are, where another record carries them.
        folder: What the folder is called that its own files lie in (Azure ML, such as
            `final_model`); "" where they lie in none, and where it has no name of its own.
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
    flavor_data: Content[dict[str, str]] = {}
    model_type: Content[str] = ""
    lifecycle: State[str] = "active"
    run: Content[Key] = ""
    job: Evidence[str] = ""
    environment: Content[Key] = ""
    logged_model: Content[Key] = ""
    root: Content[ArtifactRoot | None] = None
    folder: Evidence[str] = ""
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


class Environment(Record, frozen=True, kw_only=True, tag="environment"):
    """What a model needs to run: as files of another record say it, or an object of its own.

    Of the first kind `record` names whose files `conda`, `requirements` and `python_env` are. An
    object of its own (Azure ML, InnerEye) has a name, a version, and files that hang on itself;
    then `record` is "".

    Attributes:
        record: The record whose files these are; "" where they are its own.
        name: Its name; an address.
        version: As the source spells it; an address.
        description: Free text.
        tags: As the registry has them.
        properties: Further key-value facts (Azure ML).
        lifecycle: `active` or `archived` (Azure ML hides archived ones).
        python: The Python version stated, such as `3.11.7`; "" if none is.
        conda: Path of the conda file among the files, its bytes as the source has them; "" if none.
        requirements: Path of the pip requirements file; "" if none.
        python_env: Path of MLflow's `python_env.yaml`; "" if none.
        image: The container image that it starts from, by reference; "" if none.
        dockerfile: Path of the Dockerfile among the files; "" if none.
        context: The folder among the files that is the Dockerfile's build context, such as
            `context`; its files have the role `build-context`; "" if there is none.
        os: Operating system, `Linux` or `Windows`; "" if unsaid.
        variables: Environment variables. Those whose names look secret are refused.
        inference: How a server of the model is asked (Azure ML), JSON text; "" if unsaid.
        files: Its own files.
    """

    record: Content[Key] = ""
    name: Evidence[str] = ""
    version: Evidence[str] = ""
    description: State[str] = ""
    tags: State[Tags] = {}
    properties: State[Tags] = {}
    lifecycle: State[str] = "active"
    python: Content[str] = ""
    conda: Content[str] = ""
    requirements: Content[str] = ""
    python_env: Content[str] = ""
    image: Content[str] = ""
    dockerfile: Content[str] = ""
    context: Content[str] = ""
    os: Content[str] = ""
    variables: Content[Tags] = {}
    inference: Content[str] = ""
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
