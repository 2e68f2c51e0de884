"""Labels and facts of an object as attributes of the run that it becomes.

Names, descriptions and tags go where a run has them; all else of `sys/` goes to `old_sys/`, since
the server assigns its own; where something was logged there before, to `old_sys_2/`. What an
object was is a tag, and its model a group tag.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from mlarchive.records import Field
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.neptune.live.operations import Operation, assign, assign_text
from mlarchive.registries.neptune.live.work import Work

_SYS: Final = "sys/"
_TEXTS: Final = frozenset({"sys/name", "sys/description"})
TAGS: Final = "sys/tags"
GROUPS: Final = "sys/group_tags"
STAGE: Final = "sys/stage"


def labels(work: Work, policy: WritePolicy) -> Iterator[Operation]:
    """What gives a run all labels and facts, sets apart."""
    for field in (*work.fields.labels, *work.fields.facts):
        if field.path in {TAGS, GROUPS} or (field.path == STAGE and policy.stage == "tag"):
            continue
        operation = assign(field, place(work, field))
        if operation is not None:
            yield operation


def unsaid(work: Work) -> Iterator[Field]:
    """Labels and facts that cannot be written: files, series, and what is no finite number."""
    for field in (*work.fields.labels, *work.fields.facts):
        is_set = field.path in {TAGS, GROUPS}
        if assign(field, field.path) is None or (is_set and field.type != "string_set"):
            yield field


def place(work: Work, field: Field) -> str:
    """Where a label or a fact stands."""
    settable = field.path in _TEXTS or (
        field.path == "sys/failed" and work.kind == "run" and field.type == "bool"
    )
    return field.path if settable else f"{work.old_sys}{field.path.removeprefix(_SYS)}"


def sets(work: Work, policy: WritePolicy) -> Mapping[str, AbstractSet[str]]:
    """What the sets of labels hold, by path."""
    held = {field.path: set(field.values) for field in work.fields.labels if field.values}
    tags = held.get(TAGS, set())
    groups = held.get(GROUPS, set())
    if work.kind != "run":
        tags.add(work.kind)
        groups.add(work.model)
        stages = [field.value for field in work.fields.labels if field.path == STAGE]
        if policy.stage == "tag":
            tags |= {stage for stage in stages if stage and stage != "none"}
    return {TAGS: tags, GROUPS: groups}


def places(work: Work, policy: WritePolicy) -> frozenset[str]:
    """Where labels and facts stand, sets apart."""
    return frozenset(operation["path"] for operation in labels(work, policy))


def is_place(work: Work, path: str) -> bool:
    """Whether labels and facts may stand there."""
    return path.startswith((_SYS, work.old_sys))


def removing(paths: AbstractSet[str]) -> Iterator[Operation]:
    """What takes labels and attributes away; what belongs to every run becomes empty."""
    for path in sorted(paths):
        if path in _TEXTS:
            yield assign_text(path, "")
        elif not path.startswith(_SYS):
            yield {"path": path, "deleteAttribute": {}}


def set_operations(
    wanted: Mapping[str, AbstractSet[str]],
    present: Mapping[str, Sequence[str]],
    written: Mapping[str, Collection[str]],
) -> Iterator[Operation]:
    """What makes sets hold what they should, and of what was written before nothing else."""
    for path, values in wanted.items():
        here = set(present.get(path, ()))
        if missing := sorted(values - here):
            yield {"path": path, "insertStrings": {"values": missing}}
        if extra := sorted(here & set(written.get(path, ())) - values):
            yield {"path": path, "removeStrings": {"values": extra}}
