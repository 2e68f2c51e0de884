"""The versions of an environment that are there, and which are made of what is written."""

from mlarchive.errors import NotFoundError
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.environment_there import Look, look_at
from mlarchive.registries.azureml.environment_wanted import Wanted
from mlarchive.registries.azureml.ownmarks import with_own_marks
from mlarchive.registries.azureml.reading_environment import meant
from mlarchive.registries.azureml.standin import stated_by
from mlarchive.registries.azureml.work import Work


def versions_of(work: Work, name: str) -> list[Asset]:
    """The versions of an environment that are there, by number, with marks of their own."""
    listed = work.control.versions("environments", name, archived=True)
    return [with_own_marks(name, one) for one in listed]


def meant_there(work: Work, name: str, number: str) -> Asset | None:
    """The version of an environment that a reader would take for the one that is meant."""
    try:
        return (
            work.control.version("environments", name, number)
            if number
            else meant(work.control, name)
        )
    except NotFoundError:
        return None


def is_alike(work: Work, wanted: Wanted, one: Asset) -> bool:
    """Whether a version can be the one; what stands in for another one is none but that."""
    return _could_be(wanted, one) and look(work, wanted, one).is_same


def was_alike(work: Work, wanted: Wanted, one: Asset) -> bool:
    """Whether a version is that one still, but for files that somebody altered since."""
    return _could_be(wanted, one) and look(work, wanted, one).altered != ""


def _could_be(wanted: Wanted, one: Asset) -> bool:
    is_real = bool(wanted.stated_by) or not stated_by(one)
    return is_real and not one.is_failed


def look(work: Work, wanted: Wanted, one: Asset, name: str = "") -> Look:
    """Look at a version of the environment, or of one of another name, once."""
    return look_at(work, name or wanted.name, one, wanted.record, wanted.files)
