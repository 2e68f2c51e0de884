"""Makes things of azure-ai-ml, which takes seconds to load: only those who use it wait for it."""

from typing import TYPE_CHECKING, Any

from mlarchive.registries.grammars import without_grammars

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import BuildContext, Environment, Model


def client(*where: Any, **said: Any) -> "MLClient":  # noqa: ANN401  (as the client takes them)
    """A client of a workspace or a registry."""
    with without_grammars():
        from azure.ai.ml import MLClient

    return MLClient(*where, **said)


def model(**said: Any) -> "Model":  # noqa: ANN401  (as the client takes them)
    """A model that is not registered yet."""
    from azure.ai.ml.entities import Model

    return Model(**said)


def an_environment(**said: Any) -> "Environment":  # noqa: ANN401  (as the client takes them)
    """An environment that is not registered yet."""
    from azure.ai.ml.entities import Environment

    return Environment(**said)


def build_context(path: str) -> "BuildContext":
    """What an environment is built from."""
    from azure.ai.ml.entities import BuildContext

    return BuildContext(path=path)
