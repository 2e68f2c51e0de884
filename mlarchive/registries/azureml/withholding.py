"""Secrets that somebody wrote into an environment, such as a docker registry's password.

They are found by the names of tags, properties and members, and in URLs, and are never kept; what
is left out is a loss. Files are carried byte by byte, whatever stands in them.
"""

from collections.abc import Iterator

import msgspec

from mlarchive.records import Environment, Tags
from mlarchive.registries.redaction import image_without_user, redacted, redacted_text

NEVER_KEPT = "a secret is never kept; set it again"


def without_secrets(environment: Environment) -> tuple[Environment, tuple[str, ...]]:
    """An environment as it is kept, and the names of what is left out of it."""
    kept = msgspec.structs.replace(
        environment,
        image=image_without_user(environment.image),
        description=redacted_text(environment.description),
        inference="" if _is_secret("", environment.inference) else environment.inference,
        tags=plain(environment.tags),
        properties=plain(environment.properties),
    )
    return kept, tuple(_left_out(environment, kept))


def plain(texts: Tags) -> Tags:
    """Tags or properties without those that are secret, or hold one."""
    return {name: said for name, said in texts.items() if not _is_secret(name, said)}


def _left_out(before: Environment, kept: Environment) -> Iterator[str]:
    for field, what in (
        ("image", "user and password in the image's name"),
        ("description", "credentials in the description"),
        ("inference", "inference config"),
    ):
        if getattr(before, field) != getattr(kept, field):
            yield what
    yield from (f"tag {name}" for name in sorted(before.tags.keys() - kept.tags.keys()))
    gone = before.properties.keys() - kept.properties.keys()
    yield from (f"property {name}" for name in sorted(gone))


def _is_secret(name: str, said: str) -> bool:
    shown: object = redacted({name: said})
    return shown != {name: said}
