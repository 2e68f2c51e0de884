"""The state mark of what can bear aliases, by what a look tells and by what a read took (clause 6).

An alias that moves away and back between two looks leaves no trace in them, while the read between
them took it elsewhere. So a read says itself what labels it took.
"""

from collections.abc import Mapping, Sequence

from mlflow.entities import Experiment, LoggedModel, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from mlarchive.registries.marking import digest
from mlarchive.registries.mlflow import marks, prompts
from mlarchive.registries.mlflow.reading_run import run_name_and_user


def version_mark(
    version: ModelVersion,
    model: RegisteredModel,
    run: Run | None,
    logged: LoggedModel | None,
    experiments: Mapping[str, Experiment],
) -> str:
    """Of a model's version and what it brings.

    Args:
        version: With its aliases.
        model: Of which it is one.
        run: The one that the version itself names; None without one, and if it is gone.
        logged: The one that its source names, likewise.
        experiments: That of the run, by id.
    """
    return digest(
        [
            version.description,
            stage_of(version),
            sorted(version.aliases),
            marks.state_tags(version.tags),
            [model.description, marks.state_tags(model.tags)],
            _run_state(run, experiments) if run else None,
            marks.logged_model_tags(logged.tags or {}) if logged else None,
        ]
    )


def stage_of(version: ModelVersion) -> str:
    """A version's stage; "" for none."""
    return "" if version.current_stage in {None, "None"} else str(version.current_stage)


def run_mark(run: Run, experiments: Mapping[str, Experiment]) -> str:
    """Of a run, with the experiment that is its by id."""
    return digest(_run_state(run, experiments))


def prompt_state(prompt: RegisteredModel, names: Mapping[str, str]) -> list[object]:
    """Of a prompt, with the names of the experiments that it is linked to, by id."""
    ids = prompts.ids_in(prompt.tags.get(prompts.EXPERIMENTS, ""))
    linked = sorted({names.get(one, "") for one in ids})
    return [prompt.description, prompts.prompt_labels(prompt.tags), linked]


def prompt_version_state(version: ModelVersion, prompt: Sequence[object]) -> list[object]:
    """Of a prompt's version, with its aliases, and the state of the prompt."""
    labels = prompts.version_labels(version.tags)
    return [version.description, sorted(version.aliases), labels, list(prompt)]


def _run_state(run: Run, experiments: Mapping[str, Experiment]) -> list[object]:
    name, user = run_name_and_user(run)
    experiment = experiments.get(run.info.experiment_id)
    return [
        name,
        run.info.lifecycle_stage,
        marks.run_tags(run.data.tags, name=name, user=user),
        [marks.state_tags(experiment.tags), experiment.lifecycle_stage] if experiment else None,
    ]
