"""What is inserted: one row of one table of MLflow's own database models."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from mlflow.store.db.base_sql_model import Base

from mlarchive.registries.mlflow.restore.merging import Held, Merged
from mlarchive.registries.mlflow.restore.places import Artifacts

Model: TypeAlias = type[Any]
"""A class of `mlflow.store…dbmodels.models`; mlflow does not say its type."""

Row: TypeAlias = tuple[Model, dict[str, Any]]
"""A database model, and the values of its columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """What writers of rows know.

    Attributes:
        merged: Everything that the packages hold.
        artifacts: Where files go.
    """

    merged: Merged
    artifacts: Artifacts


Writer: TypeAlias = Callable[[Restoration, Held], Iterator[Row]]


def tables() -> list[str]:
    """The tables of MLflow's database, those first that others refer to."""
    return [table.name for table in Base.metadata.sorted_tables]
