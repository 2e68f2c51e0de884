"""What people say of a version in a folder of models stays until its source says otherwise."""

import json
from pathlib import Path
from typing import Any

from mlarchive.registries.base import Receipt, WritePolicy
from tests.support.innereye import DOCUMENTS, PROSTATE, copied, document, read, written

MODEL = DOCUMENTS[0]
MERGE = WritePolicy(labels="merge")


def told(receipt: Receipt) -> dict[str, str]:
    return {change.field: change.why for change in receipt.transformations}


def say(top: Path, **said: Any) -> None:  # noqa: ANN401  (any JSON)
    """Change members of a model's document; tags are added to those that are there."""
    path = top / PROSTATE / MODEL
    stated = json.loads(path.read_text())
    tags = {**(stated["tags"] or {}), **said.pop("tags", {})}
    path.write_text(json.dumps({**stated, **said, "tags": tags}))


def both(tmp_path: Path) -> tuple[Path, Path]:
    """A source with the tag `x`, and a folder that has it from there."""
    source, target = copied(tmp_path, PROSTATE), tmp_path / "back"
    say(source, tags={"x": "1"}, description="one")
    written(read(source), target)
    return source, target


def test_what_people_added_and_changed_stays_and_is_told(tmp_path: Path) -> None:
    source, target = both(tmp_path)
    say(target, tags={"people": "yes"}, description="PEOPLE", experimentName="theirs")
    kept = written(read(source), target)
    assert (kept.actions[0].verb, sorted(told(kept))) == ("keep", ["description", "tag people"])
    say(source, tags={"x": "2"})
    receipt = written(read(source), target)
    assert receipt.actions[0].verb == "update"
    assert told(receipt) == {
        "description": "people at the target changed it, and theirs stays",
        "tag people": "the source does not say it; it stays",
    }
    stated = document(target / PROSTATE, MODEL)
    assert (stated["tags"]["people"], stated["tags"]["x"]) == ("yes", "2")
    assert (stated["description"], stated["experimentName"]) == ("PEOPLE", "theirs")
    assert written(read(source), target).idle


def test_what_both_changed_is_the_source_s_or_the_people_s_as_the_policy_says(
    tmp_path: Path,
) -> None:
    source, target = both(tmp_path)
    say(target, tags={"x": "theirs"})
    say(source, tags={"x": "2"})
    merged = written(read(source), target, MERGE)
    assert document(target / PROSTATE, MODEL)["tags"]["x"] == "theirs"
    assert [loss.field for loss in merged.losses] == ["tag x"]
    say(source, tags={"x": "3"})
    receipt = written(read(source), target)
    assert document(target / PROSTATE, MODEL)["tags"]["x"] == "3"
    assert told(receipt) == {"tag x": "the source's news replaces what people at the target said"}


def test_what_the_source_took_away_goes_and_what_people_took_away_stays_away(
    tmp_path: Path,
) -> None:
    source, target = both(tmp_path)
    for top, name in ((source, "x"), (target, "model_name")):
        path = top / PROSTATE / MODEL
        stated = json.loads(path.read_text())
        del stated["tags"][name]
        path.write_text(json.dumps(stated))
    assert sorted(told(written(read(source), target))) == ["tag model_name"]
    assert not {"x", "model_name"} & document(target / PROSTATE, MODEL)["tags"].keys()


def test_where_nothing_is_remembered_what_the_source_does_not_say_stays(tmp_path: Path) -> None:
    source, target = both(tmp_path)
    path = target / PROSTATE / "mlarchive.json"
    remembered = json.loads(path.read_text())
    del remembered["mlarchive.given"]
    path.write_text(json.dumps(remembered))
    say(target, tags={"people": "yes"})
    say(source, tags={"x": "2"})
    assert sorted(told(written(read(source), target))) == ["tag people", "tag x"]
    tags = document(target / PROSTATE, MODEL)["tags"]
    assert (tags["people"], tags["x"]) == ("yes", "2")
