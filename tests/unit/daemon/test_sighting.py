"""What a source shows is kept on disk, in the order in which it is worked on."""

from collections.abc import Iterator

import pytest

from mlarchive.errors import MlarchiveError, UnavailableError
from mlarchive.records import Address
from mlarchive.registries.base import Ref
from mlarchived.plan import in_turn
from mlarchived.sighting import PAGE, Sighting
from mlarchived.steps import ObjectPlan, Step
from mlarchived.views import View
from mlarchived.worklist import Worklist


def ref(name: str, version: int, mark: str = "c") -> Ref:
    address = Address(origin="lab", kind="models", name=name, version=str(version))
    return Ref(address=address, content_mark=mark, state_mark="s", through=("a", "b"))


def test_objects_come_in_their_turn_however_many_there_are() -> None:
    refs = [ref(name, version) for name in ("ü", "wine", "wine/2") for version in range(PAGE)]
    wanted = sorted(refs, key=lambda one: in_turn(one.address))
    sighting = Sighting(reversed(refs))
    assert list(sighting) == wanted
    assert [one.address.version for one in wanted[:3]] == ["0", "1", "2"]
    assert len(sighting) == len(refs)
    assert max(map(len, sighting.pages())) <= PAGE


def test_an_object_that_is_shown_twice_counts_once_as_it_was_shown_last() -> None:
    assert list(Sighting([ref("wine", 1), ref("wine", 1, "c2")])) == [ref("wine", 1, "c2")]


def test_a_digest_tells_what_was_shown_and_not_in_which_order() -> None:
    one, two = ref("wine", 1), ref("wine", 2)
    digest = Sighting([one, two]).digest()
    assert Sighting([two, one]).digest() == digest
    others: tuple[list[Ref], ...] = ([one], [], [one, ref("wine", 2, "c2")], [one, ref("wine", 3)])
    assert digest not in {Sighting(refs).digest() for refs in others}


def test_what_was_not_shown_is_lacking() -> None:
    shown, other = ref("wine", 1), ref("wine", 2)
    assert Sighting([shown]).lacking([shown.address, other.address]) == [other.address]
    assert Sighting([]).lacking([]) == []


def test_a_source_that_falls_silent_midway_was_not_seen() -> None:
    def shown() -> list[Ref]:
        raise UnavailableError("gone")

    with pytest.raises(UnavailableError):
        Sighting(one for refs in ([ref("wine", 1)], shown()) for one in refs)


def test_nothing_counts_as_gone_while_a_name_is_behind() -> None:
    behind = {"models/wine": UnavailableError("it shows none of it")}
    known: dict[str, MlarchiveError] = {}

    def shown() -> Iterator[Ref]:
        yield ref("oak", 1)
        known.update(behind)

    sighting = Sighting(shown(), lagging=lambda: known)
    assert (sighting.whole, sighting.lagging) == (False, behind)
    assert sighting.trouble() == "it shows none of it"
    assert sighting.hiding() == "the source has it perhaps all the same: it shows none of it"
    sound = Sighting([ref("oak", 1)])
    assert (sound.whole, sound.hiding()) == (True, "")
    assert sound.digest() != sighting.digest()


def test_work_is_done_in_the_order_in_which_it_was_planned() -> None:
    with Worklist() as worklist:
        wanted = []
        for version in range(3):
            view = View(address=ref("wine", version).address, ref=ref("wine", version))
            step = Step(target="dr", verb="copy", reason="new")
            plan = ObjectPlan(address=view.address, reading="everything", steps=(step,))
            worklist.put(plan, view)
            wanted.append((plan, view))
        assert list(worklist.take()) == wanted
