"""Which environment of the target the tags of a version mean there, where none comes along."""

from mlarchive.errors import NotFoundError
from mlarchive.records import Tags
from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.reading_environment import may_mean, meant
from mlarchive.registries.azureml.standin import stated_by
from mlarchive.registries.azureml.work import Work

NEITHER = "it is named by a tag, and neither carried nor registered at the target"
"""Why an environment is lost."""


def number_meant(work: Work, name: str, number: str) -> str:
    """The number of the version that tags mean at the target, of any where they name none.

    Returns:
        "" where there is none that a reader would take for it.
    """
    try:
        if not number:
            one = meant(work.control, name)
            return "" if one.is_archived else one.name
        one = work.control.version("environments", name, number)
    except NotFoundError:
        return ""
    return "" if one.is_failed or stated_by(one) else number


def keep_or_move(work: Work, called: str, tags: Tags, held: str) -> None:
    """Let a version that is there mean what tags name by now, if that is there as well.

    Args:
        work: Gets what it means, or the loss.
        called: The version, as a person knows it.
        tags: They name an environment of the same name.
        held: What it means, `NAME:VERSION`.
    """
    name, _, number = held.partition(":")
    told = tags.get(keys.ENVIRONMENT_VERSION, "")
    if may_mean(work.control, tags, name, number):
        return
    if number_meant(work, name, told):
        work.environment = f"{name}:{told}"
    else:
        why = f"{NEITHER}; what is there goes on meaning {held}"
        work.lose(called, f"environment {name}, version {told}", why)
