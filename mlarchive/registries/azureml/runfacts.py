"""What the service itself says of a run, kept in a tag as its source said it.

A workspace gives every run its own user, its own properties, and may give it its own times.
"""

import msgspec
from msgspec import Struct

from mlarchive.records import Run, Tags
from mlarchive.registries.mlflow import marks

TAG = f"{marks.PREFIX}run_facts"
"""The tag's name; its value is JSON."""


class _Facts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of a run of the same names."""

    user: str = ""
    start: int = 0
    end: int = 0
    properties: Tags = {}


def facts_of(run: Run) -> str:
    """The tag's value for a run."""
    facts = _Facts(user=run.user, start=run.start, end=run.end, properties=run.properties)
    return msgspec.json.encode(facts, order="sorted").decode()


def with_facts(run: Run, said: str) -> Run:
    """A run as a tag's value says it; as it is where there is none, or it is not understood."""
    try:
        facts = msgspec.json.decode(said, type=_Facts) if said else None
    except msgspec.DecodeError:
        facts = None
    if facts is None:
        return run
    return msgspec.structs.replace(
        run, user=facts.user, start=facts.start, end=facts.end, properties=facts.properties
    )
