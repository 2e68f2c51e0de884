"""Models and the stages of their versions: what a version needs to know of the others.

Neptune gives each version a stage and any number of versions the same; an alias stands for one
version. So of the versions in a stage the one with the highest number gets its alias.
"""

from collections.abc import Iterable
from dataclasses import replace

from mlarchive.registries.neptune.objects import Attribute, NeptuneObject
from mlarchive.registries.neptune.snapshots import SYS, stage_of

ALIASES = frozenset({"staging", "production"})
"""Stages that become aliases; `none` and `archived` are tags only."""


class Models:
    """The models that a registry has, and which version stands for which stage."""

    def __init__(self, found: Iterable[NeptuneObject]) -> None:
        """Look at all objects of a registry.

        Args:
            found: With their `sys/` at least; runs are passed over.
        """
        self._attributes: dict[tuple[str, str], tuple[Attribute, ...]] = {}
        self._highest: dict[tuple[str, str, str], tuple[int, str]] = {}
        for one in found:
            if one.kind == "model":
                self._attributes[one.project, one.id] = tuple(
                    a for a in one.attributes if a.path.startswith(SYS)
                )
            elif one.kind == "model-version" and (stage := stage_of(one)) in ALIASES:
                key = (one.project, one.model, stage)
                number = int(one.version) if one.version.isdecimal() else 0
                self._highest[key] = max(self._highest.get(key, (-1, "")), (number, one.id))

    def joined(self, found: NeptuneObject) -> NeptuneObject:
        """A version with its aliases and its model's attributes; anything else as it is."""
        if found.kind != "model-version":
            return found
        stage = stage_of(found)
        highest = self._highest.get((found.project, found.model, stage), (0, ""))
        return replace(
            found,
            aliases=(stage,) if highest[1] == found.id else (),
            model_attributes=self._attributes.get((found.project, found.model), ()),
        )
