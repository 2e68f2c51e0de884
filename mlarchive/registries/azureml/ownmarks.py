"""A version as it is seen, at a source and at a target: without marks it has from another one."""

import re

from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.mlflow import marks
from mlarchive.registries.written import is_made_of_another

_WRITTEN_TO = re.compile(r"/mlarchive/(?:models/([^/]+)/([^/]+)/)?[0-9a-f]{64}/")


def with_own_marks(name: str, version: Asset) -> Asset:
    """A version without the marks that it has from another one, of which somebody made it.

    It goes on meaning the environment that they name, or being what a model's files state.

    Args:
        name: Of the model or environment.
        version: As the service has it.
    """
    held = version.texts("properties")
    is_anothers = is_made_of_another(held, name, version.name)
    if not is_anothers and not _was_made_otherwise(name, version):
        return version
    kept = {mark: held[mark] for mark in (keys.ENVIRONMENT, marks.STATED) if mark in held}
    own = {**marks.state_tags(held), **kept}
    tags = marks.state_tags(version.texts("tags"))
    said = {**version.properties, "properties": own, "tags": tags}
    return Asset(version.name, {**version.raw, "properties": said})


def is_where_written(uri: str) -> bool:
    """Whether files lie where this program sends some to."""
    return _WRITTEN_TO.search(uri) is not None


def _was_made_otherwise(name: str, version: Asset) -> bool:
    """Whether the files of a version of old, which does not say what it was written as, tell.

    Those that this program sent lie where it sends them to; in a registry, which gives a place for
    each version, those that it copied by itself lie elsewhere.
    """
    held, uri = version.texts("properties"), version.text("modelUri")
    if marks.ORIGIN not in held or {marks.WRITTEN, marks.ADOPTED} & held.keys() or not uri:
        return False
    found = _WRITTEN_TO.search(uri)
    if found is None:
        return not uri.startswith("https://")
    return bool(found[1]) and found.groups() != (name, version.name)
