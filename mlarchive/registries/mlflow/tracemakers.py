"""Which runs and logged models made traces and assessments, of those that are not their record's.

A package keeps it as evidence (clause 2.9), by the ids that traces and assessments keep anywhere.
"""

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from mlarchive.records import Traces

MOST_TOLD = 20_000
"""How many traces, and how many assessments, of a record it is told of."""


class Makers(Struct, frozen=True, kw_only=True):
    """Ids at the source, or at a target.

    Attributes:
        models: By a trace's id the logged model that made it.
        runs: By a trace's id the run that made it.
        assessing: By an assessment's id the run that made that.
    """

    models: Mapping[str, str] = {}
    runs: Mapping[str, str] = {}
    assessing: Mapping[str, str] = {}

    def where_known(self, run: Callable[[str], str], model: Callable[[str], str]) -> "Makers":
        """The same at a target, but for what it does not have.

        Args:
            run: The target's id of a run; "" if it has none.
            model: As `run`, of a logged model.
        """
        return Makers(
            models=_known(self.models, model),
            runs=_known(self.runs, run),
            assessing=_known(self.assessing, run),
        )

    def missing(self, there: "Makers") -> tuple[set[str], set[str]]:
        """Ids of runs and of logged models that a target does not have.

        Args:
            there: The same at the target, as `where_known` gives it.
        """
        models = _unknown(self.models, there.models)
        return _unknown(self.runs, there.runs) | _unknown(self.assessing, there.assessing), models

    def told(self) -> dict[str, str]:
        """The facts of a record that say it; none of what is too many."""
        named = {"models": self.models, "runs": self.runs, "assessing": self.assessing}
        facts = {
            f"{name}_of": msgspec.json.encode(ids, order="sorted").decode()
            for name, ids in named.items()
            if 0 < len(ids) <= MOST_TOLD
        }
        facts["models"] = " ".join(sorted(set(self.models.values())))
        facts["runs"] = " ".join(sorted({*self.runs.values(), *self.assessing.values()}))
        return {name: said for name, said in facts.items() if said}


def makers_told(record: Traces) -> Makers:
    """What the facts of a record say."""

    def said(name: str) -> dict[str, str]:
        try:
            text = record.native.also.get(f"{name}_of", "{}")
            return msgspec.json.decode(text, type=dict[str, str])
        except msgspec.DecodeError:
            return {}

    return Makers(models=said("models"), runs=said("runs"), assessing=said("assessing"))


def untold(record: Traces) -> tuple[set[str], set[str]]:
    """Ids of runs and of logged models that a record names, without saying what they made."""
    also, told = record.native.also, makers_told(record)
    runs = {*told.runs.values(), *told.assessing.values()}
    named_runs, named_models = (set(also.get(name, "").split()) for name in ("runs", "models"))
    return named_runs - runs, named_models - {*told.models.values()}


def _known(ids: Mapping[str, str], find: Callable[[str], str]) -> dict[str, str]:
    found = {one: find(one) for one in sorted(set(ids.values()))}
    return {made: found[one] for made, one in ids.items() if found[one]}


def _unknown(ids: Mapping[str, str], there: Mapping[str, str]) -> set[str]:
    return {one for made, one in ids.items() if made not in there}
