"""MLflow tracking servers with their registries, as source and target (`mlflow+http:` and more).

Needs the extra `[mlflow]`. The mapping between MLflow's objects and records is
`spec/mapping-mlflow.md`. What reads files and labels alone does not import mlflow, so that
adapters of other registries can use it.
"""

from typing import TYPE_CHECKING, Any

from mlarchive.errors import MissingExtraError

if TYPE_CHECKING:
    from mlarchive.registries.mlflow.registry import MlflowRegistry

__all__ = ["MlflowRegistry"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  (as modules have it)
    """The registry, when it is asked for: mlflow takes seconds to import."""
    if name not in __all__:
        raise AttributeError(name)
    try:
        from mlarchive.registries.mlflow.registry import MlflowRegistry
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "MLflow registries need mlflow, which is not installed",
            hint="pip install 'mlarchive[mlflow]'",
        ) from error
    return MlflowRegistry
