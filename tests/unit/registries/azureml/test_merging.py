"""What people say at the target stays, and what the source took away goes."""

from typing import Any

from msgspec.structs import replace

from mlarchive.records import RegisteredModel
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.labelling import plan_labels
from mlarchive.registries.azureml.labels import Labels
from mlarchive.registries.azureml.merging import Merged
from mlarchive.registries.azureml.places import Place
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.azureml.writing_model import plan_model
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.given import given_in
from tests.support.snapshots import model_version

ORIGIN = {marks.ORIGIN: "lab#models/m/1"}


def labels(
    description: str = "", stage: str = "", properties: dict[str, str] | None = None, **tags: str
) -> Labels:
    return Labels(
        description=description, tags=tags, properties={**(properties or {}), **ORIGIN}, stage=stage
    )


def written(wanted: Labels, there: Asset | None = None) -> Asset:
    """What a target holds once labels are written."""
    return Asset("1", {"properties": wanted.properties_of(there)})


def relabelled(there: Asset, tags: dict[str, str], **said: str) -> Asset:
    """What a target holds once people said something; tags are added to those that are there."""
    labels = {**said, "tags": {**there.texts("tags"), **tags}}
    return Asset("1", {"properties": {**there.properties, **labels}})


def seen(one: Merged) -> tuple[str, dict[str, str], dict[str, str], str]:
    return one.description, one.tags, one.properties, one.stage


def test_what_the_source_took_away_goes_but_properties_which_are_a_loss_each_time() -> None:
    there = written(labels("d", "Production", {"p": "1"}, k="1", l="2"))
    for _ in range(2):
        merged = labels(l="2").merged_with(there)
        assert seen(merged) == ("", {"l": "2"}, {"p": "1"}, "")
        assert [label for label, _ in merged.lost] == ["property p"]
        there = written(labels(l="2"), there)
    assert merged.changed == ()


def test_what_people_said_stays_until_the_source_says_something_else() -> None:
    wanted = labels("d", "Staging", {"p": "1"}, k="1", l="2")
    tags = {"k": "mine", "own": "3"}
    there = relabelled(written(wanted), tags, description="mine", stage="Production")
    mine = ("mine", {"k": "mine", "l": "2", "own": "3"}, {"p": "1"}, "Production")
    assert seen(wanted.merged_with(there)) == mine
    assert seen(wanted.merged_with(written(wanted, there))) == mine
    news = labels("news", "Archived", {"p": "1"}, k="news", l="2")
    insisted = ("news", {"k": "news", "l": "2", "own": "3"}, {"p": "1"}, "Archived")
    assert seen(news.merged_with(there)) == insisted
    merged = news.merged_with(there, insists=False)
    assert seen(merged) == mine
    assert [label for label, _ in merged.lost] == ["description", "tag k", "stage"]


def test_what_people_took_away_stays_away() -> None:
    wanted = labels("d", k="1")
    there = written(wanted)
    del there.properties["tags"]["k"]
    there = relabelled(there, {}, description="")
    assert seen(wanted.merged_with(there)) == ("", {}, {}, "")
    assert wanted.merged_with(there).changed == ()


def test_what_was_there_before_stays_where_the_source_says_nothing() -> None:
    said = {"description": "mine", "tags": {"own": "1", "k": "mine"}, "stage": "Staging"}
    there = Asset("1", {"properties": {**said, "properties": {"q": "1"}}})
    merged = labels(k="1").merged_with(there)
    assert seen(merged) == ("mine", {"own": "1", "k": "1"}, {"q": "1"}, "Staging")
    assert merged.lost == ()


def test_what_nobody_knows_whether_the_source_said_it_once_stays_and_is_listed() -> None:
    said = {"description": "d", "stage": "Staging", "tags": {"k": "1", "own": "2"}}
    properties = {"p": "1", "azureml.labels": "x", **ORIGIN}
    there = Asset("1", {"properties": {**said, "properties": properties}})
    wanted = labels("news", k="news")
    kept = {"p": "1", "azureml.labels": "x"}
    merged = wanted.merged_with(there)
    assert seen(merged) == ("news", {"k": "news", "own": "2"}, kept, "Staging")
    listed = {label: why.startswith("it stays") for label, why in merged.told}
    replaced, stay = ["description", "tag k"], ["tag own", "property p", "stage"]
    assert listed == {**dict.fromkeys(replaced, False), **dict.fromkeys(stay, True)}
    assert merged.lost == ()
    merged = wanted.merged_with(there, insists=False)
    assert seen(merged) == ("d", {"k": "1", "own": "2"}, kept, "Staging")
    assert [label for label, _ in merged.lost] == ["description", "tag k"]
    there = Asset("1", {"properties": wanted.properties_of(there)})
    told = wanted.merged_with(there).told
    assert [label for label, why in told if "the source does not say it" in why] == stay


def test_what_the_source_said_last_is_known_from_a_state_that_is_the_same() -> None:
    wanted = replace(labels("d", k="1", l="2"), state_id="s1")
    there = relabelled(written(wanted), {"k": "mine", "own": "3"})
    del there.properties["tags"][marks.GIVEN]
    merged = wanted.merged_with(there)
    assert seen(merged) == ("d", {"k": "mine", "l": "2", "own": "3"}, {}, "")
    assert (merged.changed, [label for label, _ in merged.told]) == ((), ["tag k", "tag own"])
    news = replace(wanted, state_id="s2").merged_with(there)
    assert (news.tags["k"], news.changed) == ("1", ("tag k",))
    # With a model, an environment keeps the mark of its own state.
    assert labels("d").properties_of(there)["tags"][marks.STATE_ID] == "s1"


class Target:
    """A control plane that holds one asset, and keeps what is sent of it."""

    def __init__(self, held: Asset) -> None:
        self.held = held
        self.place = Place(name="clinic")

    def named(self, *_: object) -> list[Asset]:
        return [self.held]

    def version(self, *_: object) -> Asset:
        return self.held

    def put_container(self, *sent: Any) -> None:  # noqa: ANN401  (any JSON)
        self.put_version(*sent)

    def put_version(self, *sent: Any) -> Asset:  # noqa: ANN401  (any JSON)
        self.held = Asset("1", {"properties": {**self.held.properties, **sent[-1]}})
        return self.held


def work_at(target: Any) -> Work:  # noqa: ANN401  (some of a control plane)
    nobody: Any = None
    return Work(
        control=target,
        storage=nobody,
        origin="clinic",
        snapshot=model_version(files={"w": b"1"}),
        policy=WritePolicy(),
    )


def planned(wanted: Labels, target: Target) -> Work:
    """Label what is there."""
    work = work_at(target)
    plan_labels(work, "models", "m", target.held, wanted)
    for _, do in work.steps:
        do()
    return work


def told(work: Work) -> list[tuple[str, str]]:
    return [(one.field, one.why) for one in work.transformations]


def test_what_people_changed_at_the_target_is_told_each_time_and_is_not_the_same() -> None:
    wanted = labels("d", "Staging", k="1", l="2")
    there = relabelled(written(wanted), {"own": "3"}, stage="Production")
    del there.properties["tags"]["k"]
    work = planned(wanted, Target(there))
    theirs = "people at the target changed it, and theirs stays"
    own = ("tag own", "the source does not say it; it stays")
    assert told(work) == [("tag k", theirs), own, ("stage", theirs)]
    (action,) = work.actions
    assert (action.verb, action.why) == ("keep", "it holds the same, but for labels")
    (action,) = planned(wanted, Target(written(wanted))).actions
    assert action.why == "it holds the same already"


def test_news_of_the_source_in_place_of_what_people_said_are_told() -> None:
    there = relabelled(written(labels(k="1")), {"k": "mine"})
    work = planned(labels(k="2"), Target(there))
    replaced = "the source's news replaces what people at the target said"
    assert told(work) == [("tag k", replaced)]


def test_what_stays_of_a_version_that_is_taken_over_and_what_goes_is_told() -> None:
    said = {"tags": {"own": "1", "k": "mine"}, "properties": {"q": "1", "azureml.x": "1"}}
    target = Target(Asset("1", {"properties": {"description": "mine", **said}}))
    work = planned(labels("d", k="1"), target)
    replaced, stays = "the source's word replaces what was there", "it was there before, and stays"
    assert told(work) == [
        ("description", f"{replaced} before"),
        ("tag k", f"{replaced} before"),
        ("tag own", stays),
        ("property q", stays),
    ]


ARCHIVED = ("lifecycle", "it was archived at the target, and stays so")
RESTORED = ("lifecycle", "it was restored at the target, and stays so")


def in_turn(target: Target, *said: str) -> list[tuple[bool, list[tuple[str, str]]]]:
    """What becomes of a lifecycle: the source's words in turn, or what people do (`*`)."""
    found = []
    for word in said:
        if word.startswith("*"):
            hides = {"isArchived": word == "*archived"}
            target.held = Asset("1", {"properties": {**target.held.properties, **hides}})
            continue
        work = planned(replace(labels("d"), archived=word == "archived"), target)
        found.append((target.held.is_archived, told(work)))
    return found


def test_what_people_archived_or_restored_stays_until_the_source_says_something_else() -> None:
    target = Target(written(labels("d")))
    said = in_turn(target, "active", "*archived", "active", "active", "archived", "active")
    assert said == [
        (False, []),
        (True, [ARCHIVED]),
        (True, [ARCHIVED]),
        (True, []),
        (False, []),
    ]
    said = in_turn(target, "archived", "*active", "archived", "active", "archived")
    assert said == [(True, []), (False, [RESTORED]), (False, []), (True, [])]


def test_a_version_that_is_taken_over_stays_archived_and_follows_the_source_then() -> None:
    target = Target(Asset("1", {"properties": {"description": "d", "isArchived": True}}))
    assert in_turn(target, "active", "active") == [(True, [ARCHIVED])] * 2
    assert in_turn(target, "archived", "active") == [(True, []), (False, [])]
    target = Target(Asset("1", {"properties": {"description": "d"}}))
    replaced = ("lifecycle", "the source's word replaces what was there before")
    assert in_turn(target, "archived", "active") == [(True, [replaced]), (False, [])]


def test_what_nobody_knows_who_archived_is_restored_and_told() -> None:
    there = written(labels("d", k="1"))
    too_long = {**there.texts("tags"), marks.GIVEN: "-"}
    for tags in ({}, too_long):
        said = {"description": "d", "isArchived": True, "tags": tags}
        archived = Asset("1", {"properties": {**there.properties, **said}})
        merged = labels("d", k="1", new="1").merged_with(archived)
        assert (merged.archived, "lifecycle" in merged.changed) == (False, True)
        told = dict(merged.told)
        assert told["lifecycle"] == "the source's word replaces what nobody knows who said"
        assert told["tag new"].startswith("the source says it; whether people")


def test_what_comes_home_follows_what_was_changed_elsewhere_and_leaves_what_was_changed_here() -> (
    None
):
    elsewhere = written(labels("d", "Staging", k="1", l="2"))
    home = {"description": "d", "stage": "Production", "tags": {"k": "1", "l": "2", "m": "3"}}
    base = given_in(elsewhere.texts("tags"))
    target = Target(Asset("1", {"properties": home}))
    news = replace(labels("news", "Staging", k="4"), is_unmarked=True, home=base)
    work = planned(news, target)
    here = "it was changed here since it was copied from here, and stays"
    stays = "it was there before, and stays"
    assert told(work) == [("tag l", stays), ("tag m", stays), ("stage", here)]
    assert (target.held.text("description"), target.held.stage) == ("news", "Production")
    assert target.held.texts("tags") == {"k": "4", "l": "2", "m": "3"}
    archived = replace(news, archived=True)
    planned(archived, target)
    assert target.held.is_archived
    # As the source remembers it, once that was copied from here again.
    planned(replace(news, home=base and replace(base, lifecycle="archived")), target)
    assert not target.held.is_archived


def test_a_model_that_is_taken_over_stays_archived_as_a_whole() -> None:
    target = Target(Asset("wine", {"properties": {"isArchived": True}}))
    for _ in range(2):
        work = work_at(target)
        assert any(isinstance(one, RegisteredModel) for one in work.snapshot.records)
        plan_model(work, "wine")
        for _, do in work.steps:
            do()
        assert told(work) == [("lifecycle", "it was archived at the target, and stays so")]
    assert target.held.is_archived
