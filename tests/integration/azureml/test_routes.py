"""Several sources lead to one version: none takes the other's labels away, in no order."""

import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mlarchive.records import Loss
from mlarchive.registries.base import Receipt, WritePolicy
from tests.integration.azureml.registries import Open, address, carry
from tests.support.azureml import Emulator, Place
from tests.support.azureml.world import Json
from tests.support.command import environment
from tests.support.mirroring import Workbench

ONE = {"w": b"1"}


def carried(
    opened: Open, source: Place, what: tuple[str, str, str], target: Place, scratch: Path
) -> Receipt:
    return carry(opened(source), address(source, *what), opened(target), scratch).receipt


def fields(losses: tuple[Loss, ...]) -> list[tuple[str, str]]:
    return [(one.record, one.field) for one in losses]


def said(place: Place, kind: str, name: str, number: str) -> Json:
    properties: Json = place.version(kind, name, number)["properties"]
    return properties


def test_a_version_keeps_the_labels_of_the_source_that_wrote_it(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, other, clinic = (azureml.workspace(tenant, name) for name in ("lab", "other", "clinic"))
    for place in (lab, other):
        azureml.put_model(place, "m", "1", ONE, description=place.name, tags={"by": place.name})
        whole = {"description": place.name, "properties": {"of": place.name}}
        place.of("models")["m"].properties.update(whole)
    what = ("models", "m", "1")
    first = carried(opened, lab, what, clinic, tmp_path)
    before = (repr(said(clinic, *what)), repr(clinic.of("models")["m"].properties))
    assert (first.losses, said(clinic, *what)["description"]) == ((), "lab")
    assert clinic.of("models")["m"].properties["properties"]["of"] == "lab"
    for _ in range(2):
        second = carried(opened, other, what, clinic, tmp_path)
        assert fields(second.losses) == [
            ("models/m/1", "description"),
            ("models/m/1", "tag by"),
            ("models/m", "description"),
            ("models/m", "property of"),
        ]
        assert f"{lab.locator}#models/m/1" in second.losses[0].why
        again = carried(opened, lab, what, clinic, tmp_path)
        assert (second.idle, again.idle, again.losses) == (True, True, ())
    assert (repr(said(clinic, *what)), repr(clinic.of("models")["m"].properties)) == before


def test_a_version_that_came_twice_with_the_same_labels_lacks_nothing(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, middle, clinic = (azureml.workspace(tenant, name) for name in ("lab", "mid", "clinic"))
    azureml.put_model(lab, "m", "1", ONE, description="d", stage="Production")
    what = ("models", "m", "1")
    carried(opened, lab, what, middle, tmp_path)
    carried(opened, lab, what, clinic, tmp_path)
    last = carried(opened, middle, what, clinic, tmp_path)
    assert (last.idle, last.losses) == (True, ())


def test_what_a_version_that_was_taken_over_is_not_is_a_loss_for_each_source(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, other, clinic = (azureml.workspace(tenant, name) for name in ("lab", "other", "clinic"))
    data = {"onnx": {"data": {"v": "1"}}}
    for place in (lab, other):
        azureml.put_model(place, "m", "1", ONE, modelType="custom_model", flavors=data)
    azureml.put_model(clinic, "m", "1", ONE, modelType="triton_model")
    what = ("models", "m", "1")
    lost = [("models/m/1", "type"), ("models/m/1", "flavor onnx")]
    for source in (lab, other, other, lab):
        assert fields(carried(opened, source, what, clinic, tmp_path).losses) == lost


def test_a_step_that_changes_no_label_calls_none_changed(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    lab, clinic = (azureml.workspace(azureml.tenant(), name) for name in ("lab", "clinic"))
    for place in (lab, clinic):
        azureml.put_model(place, "m", "1", ONE, tags={"k": "1"})
    what = ("models", "m", "1")
    whys = []
    for changed in ({}, {"description": "news"}, {"tags": {"k": "2"}}):
        said(lab, *what).update(changed)
        (step,) = carried(opened, lab, what, clinic, tmp_path).actions
        whys.append(step.why)
    remembered = "only what is remembered of it changed"
    assert whys == [remembered, "description changed", "tags changed"]


def test_what_a_person_put_on_a_version_that_is_taken_over_stays_for_good(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    lab, clinic = (azureml.workspace(azureml.tenant(), name) for name in ("lab", "clinic"))
    azureml.put_model(lab, "m", "1", ONE, tags={"k": "1"})
    own: dict[str, Any] = {"description": "mine", "tags": {"own": "1"}, "stage": "Staging"}
    azureml.put_model(clinic, "m", "1", ONE, **own)
    what = ("models", "m", "1")
    for changed in ("1", "1", "2"):
        said(lab, *what)["tags"]["k"] = changed
        done = carried(opened, lab, what, clinic, tmp_path)
        there = said(clinic, *what)
        assert done.losses == ()
        assert (there["description"], there["stage"]) == ("mine", "Staging")
        assert {"own": "1", "k": changed}.items() <= there["tags"].items()
    assert carried(opened, lab, what, clinic, tmp_path).idle
    assert there["properties"]["mlarchive.adopted"] == "m/1"


@pytest.mark.parametrize("alone", [True, False])
def test_an_environment_of_the_same_under_its_number_is_used_as_it_is(
    azureml: Emulator, opened: Open, tmp_path: Path, *, alone: bool
) -> None:
    lab, clinic = (azureml.workspace(azureml.tenant(), name) for name in ("lab", "clinic"))
    azureml.put_environment(lab, "e", "7", image="i", description="theirs", tags={"k": "1"})
    azureml.put_environment(clinic, "e", "7", image="i", description="mine")
    azureml.put_model(lab, "m", "1", ONE, tags={"python_environment_name": "e"})
    what = ("environments", "e", "7")
    before = repr(said(clinic, *what))
    subject = what if alone else ("models", "m", "1")
    for _ in range(2):
        done = carried(opened, lab, subject, clinic, tmp_path)
        assert fields(done.losses) == [
            ("environments/e/7", "description"),
            ("environments/e/7", "tag k"),
        ]
        assert list(clinic.of("environments")["e"].versions) == ["7"]
    assert (done.idle, repr(said(clinic, *what))) == (True, before)
    if alone:
        anew = WritePolicy(conflict="new-version")
        done = carry(opened(lab), address(lab, *what), opened(clinic), tmp_path, anew).receipt
        assert done.losses == ()
        assert said(clinic, "environments", "e", "8")["description"] == "theirs"
    else:
        marks = said(clinic, "models", "m", "1")["properties"]
        assert marks["mlarchive.environment"] == "e:7"


CONFIG = """\
[registries.lab]
locator = "{lab}"
[registries.other]
locator = "{other}"
[registries.clinic]
locator = "{clinic}"
[[mirror]]
name = "one"
source = "lab"
vault = "first"
targets = ["clinic"]
[[mirror]]
name = "two"
source = "other"
vault = "second"
targets = ["clinic"]
"""


def test_two_mirrors_of_the_same_pass_over_what_the_other_labelled(
    azureml: Emulator, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    places = {name: azureml.workspace(tenant, name) for name in ("lab", "other", "clinic")}
    for name in ("lab", "other"):
        azureml.put_model(places[name], "m", "1", ONE, description=name)
        azureml.put_environment(places[name], "e", "7", image="i", description=name)
    located = {name: place.locator for name, place in places.items()}
    (tmp_path / "mirror.toml").write_text(CONFIG.format(**located))
    bench, told = Workbench(tmp_path), []
    with mock.patch.dict(os.environ, environment(azureml.environment(tenant)), clear=True):
        for _ in range(2):
            done = bench.run("once", "--json")
            assert done.status in {0, 3}, done.out + done.err
            ended = (one for one in done.events if one["event"] == "ended")
            told.append(
                {(one["object"], one["outcome"]) for one in ended if one["target"] != "vault:"}
            )
    assert told == [
        {
            ("lab#models/m/1", "copied"),
            ("lab#environments/e/7", "copied"),
            ("other#models/m/1", "passed-over"),
            ("other#environments/e/7", "passed-over"),
        },
        set(),
    ]
    assert said(places["clinic"], "models", "m", "1")["description"] == "lab"
