"""An object of Neptune as a snapshot: what becomes what, and what is content, state, evidence."""

import io
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlarchive.pack import pack
from mlarchive.package.paths import check_paths
from mlarchive.records import Fields, File, MetricSeries, ModelVersion, RegisteredModel, Run
from mlarchive.registries.neptune.names import Names
from mlarchive.registries.neptune.objects import (
    Attribute,
    AttributeFile,
    Kind,
    NeptuneObject,
    float_series,
)
from mlarchive.registries.neptune.snapshots import snapshot
from mlarchive.snapshot import Snapshot


def text(path: str, value: str, kind: str = "string") -> Attribute:
    return Attribute(path=path, type=kind, value=value)


def file(path: str, raw: bytes = b"x") -> Attribute:
    held = AttributeFile(path=path, open=partial(io.BytesIO, raw))
    return Attribute(path=path, type="file", files=(held,))


SYS = (
    text("sys/creation_time", "2023-11-14T22:13:20.123Z", "datetime"),
    text("sys/modification_time", "2023-11-15T00:00:00.000Z", "datetime"),
    text("sys/owner", "ann"),
    text("sys/name", "wine"),
    text("sys/description", "good"),
    Attribute(path="sys/tags", type="string_set", values=("b", "a")),
)


def made(attributes: Sequence[Attribute] = (), kind: Kind = "run") -> NeptuneObject:
    number = {"run": "P-1", "model": "P-MOD", "model-version": "P-MOD-3"}[kind]
    model = "P-MOD" if kind == "model-version" else ""
    return NeptuneObject(
        kind=kind, project="ws/p", id=number, model=model, attributes=(*SYS, *attributes)
    )


T = TypeVar("T")


def record_of(kind: type[T], found: Snapshot) -> T:
    (one,) = [record for record in found.records if isinstance(record, kind)]
    return one


def content_id(found: NeptuneObject) -> str:
    return pack(snapshot(found, "o"), io.BytesIO(), packed_at=1).content_id


def state_id(found: NeptuneObject) -> str:
    return pack(snapshot(found, "o"), io.BytesIO(), packed_at=1).state_id


def test_a_run_starts_when_it_was_created_and_has_params_metrics_files_and_labels() -> None:
    series = float_series([0, 0.5], [1, 2], [3.0, 4.0])
    found = snapshot(
        made(
            [
                text("params/lr", "0.1", "float"),
                Attribute(path="metrics/loss", type="float_series", series=series),
                file("model/weights.bin"),
            ]
        ),
        "neptune-export:x",
    )
    run = record_of(Run, found)
    assert (run.start, run.name, run.user, run.status) == (1700000000123, "wine", "ann", "FINISHED")
    assert run.params == {"params/lr": "0.1"}
    assert run.tags == {"neptune.tags": '["a", "b"]', "mlflow.note.content": "good"}
    entries = [stream.entry for stream in found.streams]
    assert entries == [
        MetricSeries(key="metrics/loss", points=2, sha256="", step_decimals=1),
        File(path="model/weights.bin", size=-1, sha256=""),
    ]
    assert str(found.address) == "neptune-export:x#runs/P-1"


def test_every_attribute_is_a_field_of_its_type_in_one_of_three_parts() -> None:
    found = snapshot(made([text("n", "3", "int"), text("n2", "3")]), "o")
    fields = record_of(Fields, found)
    assert [(one.path, one.type, one.value) for one in fields.values] == [
        ("n", "int", "3"),
        ("n2", "string", "3"),
    ]
    assert [one.path for one in fields.labels] == ["sys/description", "sys/name", "sys/tags"]
    assert [one.path for one in fields.facts] == [
        "sys/creation_time",
        "sys/modification_time",
        "sys/owner",
    ]


def test_a_label_changes_the_state_and_what_a_server_notes_changes_no_id() -> None:
    before = made([text("sys/size", "1.0", "float")])
    noted = made([text("sys/size", "2.0", "float")])
    staged = made([text("sys/size", "1.0", "float"), text("sys/stage", "staging")])
    logged = made([text("sys/size", "1.0", "float"), text("a", "b")])
    assert (content_id(before), state_id(before)) == (content_id(noted), state_id(noted))
    assert content_id(before) == content_id(staged)
    assert state_id(before) != state_id(staged)
    assert content_id(before) != content_id(logged)


def test_a_model_version_has_its_number_its_model_its_run_and_its_files() -> None:
    version = made([file("w.bin"), text("sys/stage", "production")], "model-version")
    found = snapshot(replace(version, model_attributes=SYS, aliases=("production",)), "o")
    record = record_of(ModelVersion, found)
    assert (record.name, record.version, record.aliases) == ("P-MOD", "3", ("production",))
    assert record.tags["neptune.stage"] == "production"
    assert record.root is not None
    assert record.root.record == record.run == record_of(Run, found).key
    assert record_of(RegisteredModel, found).tags["neptune.name"] == "wine"
    assert str(found.address) == "o#models/P-MOD/3"


def test_a_model_is_a_registered_model_with_a_run_that_holds_what_was_logged_to_it() -> None:
    found = snapshot(made([text("a", "b")], "model"), "o")
    assert found.record(found.subject) == record_of(RegisteredModel, found)
    assert record_of(Run, found).params == {"a": "b"}
    assert record_of(Fields, found).record == found.subject
    assert str(found.address) == "o#registered-models/P-MOD"


def test_steps_that_had_to_be_rounded_are_a_loss() -> None:
    series = float_series([0.1 + 0.2, 1], [1, 2], [3.0, 4.0])
    found = snapshot(made([Attribute(path="loss", type="float_series", series=series)]), "o")
    (loss,) = found.losses
    assert (loss.record, loss.field) == ("run P-1", "loss")
    assert "1 of its steps" in loss.why


def test_files_whose_names_no_package_holds_are_kept_under_others_and_listed() -> None:
    found = snapshot(made([file("a:b/c"), file("A/x"), file("a"), file("con")]), "o")
    paths = [stream.entry.path for stream in found.streams if isinstance(stream.entry, File)]
    assert paths == ["A/x", "a~2", "a%3Ab/c", "co%6E"]
    assert [change.field for change in found.transformations] == ["a", "a:b/c", "con"]


@given(st.lists(st.text(max_size=300), max_size=8))
def test_names_of_any_paths_are_allowed_together_and_none_is_given_twice(paths: list[str]) -> None:
    names = Names()
    given_names = [names.name(path) for path in paths]
    check_paths(given_names)
    assert len(set(given_names)) == len(paths)


@pytest.mark.parametrize("path", ["a", "a.b/c.tar.gz", "x/y z/\u00fc", ".hidden", "..."])
def test_an_ordinary_name_stays_as_it_is(path: str) -> None:
    assert (Names().name(path) == path) is (path != "...")
