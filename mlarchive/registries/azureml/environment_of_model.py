"""Plans the environment that a model names, or that its files state, with the model."""

from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.candidate import Candidate
from mlarchive.registries.azureml.environment_wanted import (
    Wanted,
    apart,
    environment_of,
    stated_by_files,
)
from mlarchive.registries.azureml.environments_present import (
    is_alike,
    look,
    meant_there,
    versions_of,
)
from mlarchive.registries.azureml.meaning import NEITHER, keep_or_move, number_meant
from mlarchive.registries.azureml.reading_environment import named_environment
from mlarchive.registries.azureml.registering_environment import refusal
from mlarchive.registries.azureml.standin import BASE_IMAGE
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.azureml.writing_environment import (
    lose_environment_since,
    plan_environment,
)


def plan_environment_of(work: Work, candidate: Candidate, present: Asset | None) -> None:
    """Plan the environment that a model names, or that its MLflow files state.

    Args:
        work: Gets the steps and losses.
        candidate: The model version.
        present: The version that is there; None if it is to be made.
    """
    _plan_environment_of(work, candidate, present)
    name, number = named_environment(present) if present else ("", "")
    before = meant_there(work, name, number) if name and work.environment else None
    if present is None or before is None or work.environment == f"{name}:{before.name}":
        return
    why = f"it means {work.environment} from now on, and meant {name}:{before.name}, which stays"
    work.change(f"models/{candidate.name}/{present.name}", "environment", why)


def _plan_environment_of(work: Work, candidate: Candidate, present: Asset | None) -> None:
    called = f"models/{candidate.name}/{candidate.version}".rstrip("/")
    name = candidate.tags.get(keys.ENVIRONMENT_NAME, "")
    known = environment_of(work)
    held = present.texts("properties").get(keys.ENVIRONMENT, "") if present else ""
    if known and not (known.stated_by and name):
        _plan_needed(work, called, apart(work, known) if known.stated_by else known, held)
        return
    version = candidate.tags.get(keys.ENVIRONMENT_VERSION, "") if name else ""
    held_name, _, held_number = held.partition(":")
    if name and held_name == name and number_meant(work, name, held_number):
        keep_or_move(work, called, candidate.tags, held)
        return
    if name and (number := number_meant(work, name, version)):
        if held_name not in {"", name}:
            # What stood for it gives way.
            work.environment = f"{name}:{number}"
        return
    named = f"environment {name}" + (f", version {version}" if version else "")
    stated = known or stated_by_files(work.snapshot, candidate, name)
    if stated is not None:
        _plan_needed(work, called, apart(work, stated), held)
        if not work.environment:
            return
        why = f"its conda file is registered as {work.environment}, on {BASE_IMAGE}"
        work.change(called, "environment", why)
        if name:
            why = f"{NEITHER}; what the model's files state stands for it, as {work.environment}"
            work.lose(called, named, why)
    elif name:
        stays = f"; what is there goes on meaning {held}" if held_number else ""
        work.lose(called, named, f"{NEITHER}{stays}")
    elif present and held_number:
        _list_more(work, f"models/{candidate.name}/{present.name}", held_name, held_number)


def plan_environment_there(work: Work, candidate: Candidate, present: Asset) -> None:
    """Plan the environment of a version that is what the source was written from.

    Nothing is registered for it, since it goes on meaning the one that it means.

    Args:
        work: Gets the steps and losses.
        candidate: The model version.
        present: What it was first.
    """
    carried = environment_of(work)
    if carried is None or carried.stated_by:
        return
    there = versions_of(work, carried.name)
    if any(is_alike(work, carried, one) for one in there):
        plan_environment(work, carried, as_subject=False, creates=False)
    _list_meant(work, candidate, present, carried)


def list_environment_since(work: Work, candidate: Candidate, present: Asset) -> None:
    """Lose the environment of a version that is itself what is copied, where it changed since.

    Args:
        work: Gets the losses.
        candidate: The model version.
        present: As it is.
    """
    carried = environment_of(work)
    if carried is None or carried.stated_by:
        return
    one = _list_meant(work, candidate, present, carried)
    if one and named_environment(present)[0] == carried.name:
        lose_environment_since(work, carried, one)


def list_environment_there(work: Work, candidate: Candidate, present: Asset) -> None:
    """Lose the environment that comes along, where a version that stays as it is means another.

    Args:
        work: Gets the loss.
        candidate: The model version.
        present: What is there in its place, of another source.
    """
    carried = environment_of(work)
    if carried is not None:
        _list_meant(work, candidate, present, carried)
        return
    name, number = named_environment(present)
    if name and number and not candidate.tags.get(keys.ENVIRONMENT_NAME):
        _list_more(work, f"models/{candidate.name}/{present.name}", name, number)


def _list_meant(work: Work, candidate: Candidate, present: Asset, carried: Wanted) -> Asset | None:
    """Lose the environment that comes along, where a version means another one.

    Returns:
        The one that it means, if that is made of the same.
    """
    name, number = named_environment(present)
    one = meant_there(work, name, number) if name else None
    if one and not one.is_failed and look(work, carried, one, name).is_same:
        return one
    it_means = f"means {name}:{one.name}" if one else "means none that is there"
    why = f"the version is there already and stays as it is, and {it_means}"
    work.lose(f"models/{candidate.name}/{present.name}", f"environment {carried.name}", why)
    return None


def _list_more(work: Work, what: str, name: str, number: str) -> None:
    """List the environment that a version means, where the source means none."""
    if number_meant(work, name, number):
        why = f"the version is there already and stays as it is, and means {name}:{number}"
        work.change(what, "environment", f"{why}, where the source means none")


def _plan_needed(work: Work, called: str, wanted: Wanted, held: str) -> None:
    """Plan what a model needs; one that Azure ML cannot hold is a loss of the model's.

    Args:
        work: Gets the steps and losses.
        called: The model, as a person knows it.
        wanted: The environment.
        held: The one that it means at the target by now, `NAME:VERSION`; "" if it means none.
    """
    if why := refusal(wanted, in_registry=work.control.place.is_registry):
        work.lose(called, f"environment {wanted.name}", why)
    else:
        name, _, number = held.partition(":")
        means = number if name == wanted.name else ""
        work.environment = plan_environment(work, wanted, as_subject=False, held=means)
