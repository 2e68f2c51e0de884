"""What is inserted: one row of one table of MLflow's own database models."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
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


_NAMESPACE = uuid.UUID("b5e2bb1e-7f5f-5c5e-9d9a-2a1f0f6a3c11")


def made_id(*parts: str | int) -> str:
    """An id of a row that no package tells; the same each time."""
    return uuid.uuid5(_NAMESPACE, msgspec.json.encode(parts).decode()).hex


def tables() -> list[str]:
    """The tables of MLflow's database, those first that others refer to."""
    return [table.name for table in Base.metadata.sorted_tables]
