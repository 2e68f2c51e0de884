"""The kinds of records that can be restored, and what writes their rows.

A kind that is added to the records gets its line here: how its objects are told apart, which of
its fields no two packages may have otherwise, and the function that makes its rows. Where a
record hangs metric series, `rows_metrics` makes their rows.
"""

from collections.abc import Mapping

from mlarchive.records import (
    AnyRecord,
    Environment,
    Experiment,
    LoggedModel,
    ModelVersion,
    RegisteredModel,
    Run,
)
from mlarchive.registries.mlflow.restore.merging import Mergeable
from mlarchive.registries.mlflow.restore.resolving import identity_of
from mlarchive.registries.mlflow.restore.rows import Writer
from mlarchive.registries.mlflow.restore.rows_experiment import experiment_rows
from mlarchive.registries.mlflow.restore.rows_model import logged_model_rows
from mlarchive.registries.mlflow.restore.rows_registry import registered_model_rows, version_rows
from mlarchive.registries.mlflow.restore.rows_run import run_rows

_SAME: Mapping[type[AnyRecord], tuple[str, ...]] = {
    Experiment: (),
    # What refers to other records differs with what a package carries beside.
    Run: ("status", "start", "end", "user", "params", "inputs", "metrics", "files"),
    LoggedModel: ("name", "model_type", "status", "params", "metrics", "files"),
    RegisteredModel: (),
    ModelVersion: ("properties", "flavors", "files"),
}

WRITERS: Mapping[type[AnyRecord], Writer] = {
    Experiment: experiment_rows,
    Run: run_rows,
    LoggedModel: logged_model_rows,
    RegisteredModel: registered_model_rows,
    ModelVersion: version_rows,
}
"""What makes the rows of each kind."""

MERGEABLE: Mapping[type[AnyRecord], Mergeable] = {
    kind: Mergeable(identify=identity_of, same=_SAME[kind]) for kind in WRITERS
}

SAID_BY_FILES: tuple[type[AnyRecord], ...] = (Environment,)
"""Kinds whose records say only what files of other records hold, so that they need no rows.

An environment that is an object of its own comes from no MLflow server; it is a listed loss.
"""
