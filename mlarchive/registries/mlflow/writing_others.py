"""Writes nothing of what has no record: a listed loss (clause 11)."""

from mlarchive.records import Address, OtherObjects
from mlarchive.registries.mlflow.work import Work


def plan_others(work: Work, origin: str, subject: OtherObjects) -> Address:
    """List that they are not written."""
    what = f"other-objects/{subject.name}"
    count = subject.native.also.get("count", "0")
    # That some were not read is told as a loss of the source.
    if count != "0":
        why = f"{count} of the source's are kept in the package as evidence, and cannot be written"
        work.lose(what, "all of them", why)
    work.step("skip", what, "there is no record for them")
    return Address(origin=origin, kind="other-objects", name=subject.name)
