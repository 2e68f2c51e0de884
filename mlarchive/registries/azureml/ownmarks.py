"""A version as it is seen at a target: without marks that it has from another one."""

from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.mlflow import marks
from mlarchive.registries.written import is_made_of_another


def with_own_marks(name: str, version: Asset) -> Asset:
    """A version of a model without the marks that somebody gave it with those of another version.

    It goes on meaning the environment that they name.

    Args:
        name: Of the model.
        version: As the service has it.
    """
    held = version.texts("properties")
    if not is_made_of_another(held, name, version.name):
        return version
    own = marks.state_tags(held)
    if means := held.get(keys.ENVIRONMENT):
        own[keys.ENVIRONMENT] = means
    tags = marks.state_tags(version.texts("tags"))
    said = {**version.properties, "properties": own, "tags": tags}
    return Asset(version.name, {**version.raw, "properties": said})
