"""A version as it is seen, at a source and at a target: without marks it has from another one."""

from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.mlflow import marks
from mlarchive.registries.written import is_made_of_another


def with_own_marks(name: str, version: Asset) -> Asset:
    """A version without the marks that it has from another one, of which somebody made it.

    It goes on meaning the environment that they name, or being what a model's files state.

    Args:
        name: Of the model or environment.
        version: As the service has it.
    """
    held = version.texts("properties")
    if not is_made_of_another(held, name, version.name):
        return version
    kept = {mark: held[mark] for mark in (keys.ENVIRONMENT, marks.STATED) if mark in held}
    own = {**marks.state_tags(held), **kept}
    tags = marks.state_tags(version.texts("tags"))
    said = {**version.properties, "properties": own, "tags": tags}
    return Asset(version.name, {**version.raw, "properties": said})
