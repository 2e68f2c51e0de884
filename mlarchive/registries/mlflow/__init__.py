"""MLflow tracking servers with their registries, as source and target (`mlflow+http:` and more).

Needs the extra `[mlflow]`. The mapping between MLflow's objects and records is
`spec/mapping-mlflow.md`.
"""

from mlarchive.errors import MissingExtraError

try:
    import mlflow as _mlflow  # noqa: F401  (asks once whether the extra is there)
except ModuleNotFoundError as error:
    raise MissingExtraError(
        "MLflow registries need mlflow, which is not installed",
        hint="pip install 'mlarchive[mlflow]'",
    ) from error

from mlarchive.registries.mlflow.registry import MlflowRegistry

__all__ = ["MlflowRegistry"]
