"""Fields as tags of the run that carries them, where no field of MLflow's says the same.

What was logged is params, metrics and artifacts of the run. Labels and what the source's server
says of the object have no place in MLflow but tags, named `neptune.PATH`; what a record's own tags,
name or description say already is left out (clause 3 of `spec/mapping-neptune.md`).
"""

import json

from mlarchive.records import Field, Fields, Run, Tags
from mlarchive.snapshot import Snapshot

_PREFIX = "neptune."
_SAID = frozenset({"sys/name", "sys/description"})
"""What is a run's, a version's or a model's own name or description."""


def field_tags(snapshot: Snapshot, record: Run) -> Tags:
    """The tags that a run has at the target beside its own."""
    found: Tags = {}
    for fields in snapshot.records:
        if not isinstance(fields, Fields) or fields.carrier != record.key:
            continue
        tags = getattr(snapshot.by_key.get(fields.record), "tags", {})
        for field in (*fields.labels, *fields.facts):
            label = f"{_PREFIX}{field.path.removeprefix('sys/')}"
            if field.path not in _SAID and label not in tags:
                found[f"{_PREFIX}{field.path}"] = _text(field)
    return found


def _text(field: Field) -> str:
    return json.dumps(field.values) if field.type == "string_set" else field.value
