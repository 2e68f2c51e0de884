"""The kinds of records that can be restored, and what writes their rows.

A kind that is added to the records gets its line here: how its objects are told apart, which of
its fields no two packages may have otherwise, and the function that makes its rows. Where a
record hangs metric series, `rows_metrics` makes their rows; traces are written by `traces`.
"""

from collections.abc import Mapping

from mlarchive.records import (
    AnyRecord,
    Environment,
    EvaluationDataset,
    Experiment,
    LoggedModel,
    ModelVersion,
    Notebook,
    Prompt,
    PromptVersion,
    RegisteredModel,
    Run,
    Scorer,
    Traces,
    Webhook,
)
from mlarchive.registries.mlflow.restore.merging import Mergeable
from mlarchive.registries.mlflow.restore.resolving import identity_of
from mlarchive.registries.mlflow.restore.rows import Writer
from mlarchive.registries.mlflow.restore.rows_dataset import dataset_rows
from mlarchive.registries.mlflow.restore.rows_experiment import experiment_rows
from mlarchive.registries.mlflow.restore.rows_model import logged_model_rows
from mlarchive.registries.mlflow.restore.rows_notebook import notebook_rows
from mlarchive.registries.mlflow.restore.rows_prompt import prompt_rows, prompt_version_rows
from mlarchive.registries.mlflow.restore.rows_registry import registered_model_rows, version_rows
from mlarchive.registries.mlflow.restore.rows_run import run_rows
from mlarchive.registries.mlflow.restore.rows_scorer import scorer_rows
from mlarchive.registries.mlflow.restore.rows_webhook import webhook_rows

_SAME: Mapping[type[AnyRecord], tuple[str, ...]] = {
    Experiment: (),
    # What refers to other records differs with what a package carries beside.
    Run: ("status", "start", "end", "user", "params", "inputs", "metrics", "files"),
    LoggedModel: ("name", "model_type", "status", "params", "metrics", "files"),
    RegisteredModel: (),
    ModelVersion: ("properties", "flavors", "files"),
    Prompt: (),
    PromptVersion: ("template", "template_type", "response_format"),
    # What may be added to, or edited, after the first package of it.
    EvaluationDataset: (),
    Scorer: (),
    Webhook: (),
    # A source may give the same revision with other bytes.
    Notebook: (),
    Traces: (),
}

WRITERS: Mapping[type[AnyRecord], Writer] = {
    Experiment: experiment_rows,
    Run: run_rows,
    LoggedModel: logged_model_rows,
    RegisteredModel: registered_model_rows,
    ModelVersion: version_rows,
    Prompt: prompt_rows,
    PromptVersion: prompt_version_rows,
    EvaluationDataset: dataset_rows,
    Scorer: scorer_rows,
    Webhook: webhook_rows,
    Notebook: notebook_rows,
}
"""What makes the rows of each kind."""

MERGEABLE: Mapping[type[AnyRecord], Mergeable] = {
    kind: Mergeable(identify=identity_of, same=same) for kind, same in _SAME.items()
}

SAID_BY_FILES: tuple[type[AnyRecord], ...] = (Environment,)
"""Kinds whose records say only what files of other records hold, so that they need no rows.

An environment that is an object of its own comes from no MLflow server; it is a listed loss.
"""
