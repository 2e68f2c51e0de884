"""Who is out of reach in a round, and what that kept it from asking."""

from mlarchive.errors import RemoteError, UnavailableError
from mlarchive.records import Address
from mlarchived.room import PATIENCE, Reach


def wine(version: str) -> Address:
    return Address(origin="lab", kind="models", name="wine", version=version)


def test_a_target_that_answers_fails_for_the_object_of_which_it_cannot_tell() -> None:
    reach, error = Reach(), RemoteError("it says nonsense")
    reach.answered("dr")
    reach.told_nothing("dr", wine("2"), error)
    reach.told_nothing("dr", wine("3"), RemoteError("other nonsense"))
    assert list(reach.failures()) == [("dr", "lab#models/wine/2", error)]


def test_a_target_that_never_answers_fails_as_a_whole_and_once() -> None:
    reach = Reach()
    for version in range(PATIENCE):
        reach.told_nothing("down", wine(str(version)), UnavailableError("it is down"))
        assert [(at, thing) for at, thing, _ in reach.failures()] == [("down", "")]
