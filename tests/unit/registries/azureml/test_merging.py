"""What people say at the target stays, and what the source took away goes."""

from msgspec.structs import replace

from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.labels import Labels
from mlarchive.registries.azureml.merging import Merged
from mlarchive.registries.mlflow import marks

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
    listed = {label: why.startswith("it stays") for label, why in merged.unknown}
    replaced, stay = ("description", "tag k"), ("tag own", "property p", "stage")
    assert listed == {**dict.fromkeys(replaced, False), **dict.fromkeys(stay, True)}
    assert merged.lost == ()
    merged = wanted.merged_with(there, insists=False)
    assert seen(merged) == ("d", {"k": "1", "own": "2"}, kept, "Staging")
    assert [label for label, _ in merged.lost] == ["description", "tag k"]
    there = Asset("1", {"properties": wanted.properties_of(there)})
    assert wanted.merged_with(there).unknown == ()


def test_what_the_source_said_last_is_known_from_a_state_that_is_the_same() -> None:
    wanted = replace(labels("d", k="1", l="2"), state_id="s1")
    there = relabelled(written(wanted), {"k": "mine", "own": "3"})
    del there.properties["tags"][marks.GIVEN]
    merged = wanted.merged_with(there)
    assert seen(merged) == ("d", {"k": "mine", "l": "2", "own": "3"}, {}, "")
    assert (merged.changed, merged.unknown) == ((), ())
    news = replace(wanted, state_id="s2").merged_with(there)
    assert (news.tags["k"], news.changed) == ("1", ("tag k",))
    # With a model, an environment keeps the mark of its own state.
    assert labels("d").properties_of(there)["tags"][marks.STATE_ID] == "s1"
