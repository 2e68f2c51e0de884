"""In which order assessments are made so that a server takes for replaced what was replaced.

A server sets by itself what is valid: when an assessment is created that replaces another one, and
when it is deleted. Nothing else changes it.
"""

from collections.abc import Mapping

import msgspec

from mlarchive.traces import Assessment, Trace, encode_trace


def in_order(
    assessments: Mapping[str, Assessment],
) -> tuple[list[Assessment], list[Assessment]]:
    """Assessments as they are to be made: those that replace none, then those that do.

    Args:
        assessments: All of a trace, by id. One that replaces what is not there, or that is in a
            ring of such, replaces none.
    """
    first = [a for a in assessments.values() if a.overrides not in assessments]
    made = {assessment.id for assessment in first}
    waiting = [a for a in assessments.values() if a.id not in made]
    later: list[Assessment] = []
    while ready := [a for a in waiting if a.overrides in made]:
        later += ready
        made |= {assessment.id for assessment in ready}
        waiting = [a for a in waiting if a.id not in made]
    return first + waiting, later


def must_be_made_again(wanted: Mapping[str, Assessment], held: Mapping[str, Assessment]) -> bool:
    """Whether adding what is missing is not enough: something there must go, or change.

    Args:
        wanted: All of a trace, by id.
        held: Those that the server has of it, by id.
    """
    missing = wanted.keys() - held.keys()
    replaced = {wanted[one].overrides for one in missing}
    return any(
        one not in wanted
        or _but_validity(wanted[one]) != _but_validity(there)
        or (wanted[one].valid != there.valid and one not in replaced)
        or there.overrides in missing
        for one, there in held.items()
    )


def _but_validity(assessment: Assessment) -> bytes:
    plain = msgspec.structs.replace(assessment, valid=True)
    return encode_trace(Trace(id="", assessments=(plain,)))
