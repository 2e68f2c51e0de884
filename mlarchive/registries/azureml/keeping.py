"""What a version that is there cannot be made into, and the run that it is given afterwards.

Azure ML fixes type, flavours and job of a version when it is made.
"""

from functools import partial

from msgspec.structs import replace

from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.candidate import Candidate
from mlarchive.registries.azureml.labels import Labels, is_taken_over, made_of
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.azureml.writing_run import run_of

_LABELS = ("description", "tags", "stage", "isArchived")


def list_frozen(work: Work, what: str, wanted: Candidate, present: Asset) -> None:
    """List what is otherwise in a version that is there, and stays so.

    Args:
        work: Gets the losses and transformations.
        what: The version, as a person knows it.
        wanted: As it is to be.
        present: As it is.
    """
    list_kind(work, what, wanted, present)
    if is_taken_over(present):
        _list_job(work, what, wanted.lineage.get(keys.JOB, ""), present.text("jobName"))


def list_kind(work: Work, what: str, wanted: Candidate, present: Asset) -> None:
    """List type and flavours that are others in a version that is there.

    Args:
        work: Gets the losses and transformations.
        what: The version, as a person knows it.
        wanted: As it is to be.
        present: As it is.
    """
    held_as = present.text("modelType")
    if held_as and held_as != wanted.model_type:
        why = f"it is there as {held_as}, not as {wanted.model_type}, and Azure ML changes no type"
        work.lose(what, "type", why)
    if not is_taken_over(present):
        return
    held = present.properties.get("flavors") or {}
    for name in sorted({*held, *wanted.flavors}):
        if name not in wanted.flavors:
            work.change(what, f"flavor {name}", "it was there before, and stays")
        elif held.get(name) != wanted.flavors[name]:
            it_is = "another one" if name in held else "none"
            work.lose(what, f"flavor {name}", f"there is {it_is}, and Azure ML changes none")


def with_job_there(work: Work, what: str, wanted: Candidate, present: Asset) -> Candidate:
    """The candidate with the lineage of a version that another job made; it stays that one's.

    Args:
        work: Gets the loss.
        what: The version, as a person knows it.
        wanted: As it is to be.
        present: As it is.
    """
    held = {name: present.texts("properties").get(name, "") for name in (keys.JOB, keys.EXPERIMENT)}
    job = wanted.lineage.get(keys.JOB, "")
    why = f"there it is one that {held[keys.JOB]} made, which it stays, with that one's run"
    work.lose(what, f"job {job}" if job else "that no job made it", why)
    rest = {name: value for name, value in wanted.lineage.items() if name not in held}
    kept = {name: value for name, value in held.items() if value}
    return replace(wanted, lineage={**rest, **kept})


def list_job_there(work: Work, what: str, wanted: Candidate, present: Asset) -> None:
    """List the job of a version that is there without one, and stays so.

    Args:
        work: Gets the loss.
        what: The version, as a person knows it.
        wanted: As it is to be.
        present: As it is, of another source.
    """
    job = wanted.lineage.get(keys.JOB, "")
    if job and not (present.texts("properties").get(keys.JOB) or present.text("jobName")):
        work.lose(what, f"job {job}", "it is there already without one, and stays as it is")


def _list_job(work: Work, what: str, job: str, held: str) -> None:
    if held and job and held != job:
        why = f"there it is one that {held} made, and Azure ML changes no job"
        work.lose(what, f"job {job}", why)
    elif job and not held:
        marks = f"{keys.JOB} and {keys.RUN}" if _has_run(work) else keys.JOB
        why = f"Azure ML gives no job to a version that is there; the mark {marks} says it"
        work.change(what, f"job {job}", why)


def plan_link(work: Work, name: str, present: Asset, labels: Labels) -> None:
    """Plan to say of a version that is there which run of the target is the one that made it.

    Args:
        work: Gets the step; its run is planned.
        name: Of the model at the target.
        present: The version.
        labels: Its labels; what has no marks gets none.
    """
    if labels.is_unmarked or not _has_run(work) or keys.RUN in present.texts("properties"):
        return
    do = partial(_link, work, name, present.name)
    work.step("update", f"run of models/{name}/{present.name}", "named in a property", do)


def _link(work: Work, name: str, number: str) -> None:
    run = work.made_run()
    if not run:
        return
    one = work.control.version("models", name, number)
    kept = {part: one.properties[part] for part in _LABELS if part in one.properties}
    properties = {**one.texts("properties"), keys.RUN: run}
    sent = {**made_of(one), **kept, "properties": properties}
    work.control.put_version("models", name, number, sent)


def _has_run(work: Work) -> bool:
    return run_of(work.snapshot) is not None and not work.control.place.is_registry
