"""What is malformed or hostile in an export is refused with one sentence, or is a listed loss."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlarchive.errors import DamageError, MlarchiveError, NotFoundError
from mlarchive.registries import jsondocuments
from mlarchive.registries.base import Selector
from tests.support.exports import ALL, FIRST, MODEL, addressed, copied, edit, named, registry


def read_all(folder: Path) -> None:
    export = registry(folder)
    for listing in export.ls(Selector()):
        if listing.address.kind != "experiments":
            export.read(listing.address)


def in_run(**members: Any) -> Callable[[Path], None]:  # noqa: ANN401  (any JSON)
    return lambda folder: edit(folder / "experiments" / "1" / FIRST / "run.json", **members)


def raw(path: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / path).write_text(text)


RUN_PATH = f"experiments/1/{FIRST}/run.json"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (raw(RUN_PATH, "{"), r"run\.json is no JSON: "),
        (raw(RUN_PATH, "[]"), r"run\.json is not a JSON object"),
        (raw(RUN_PATH, "[" * 100_000), r"run\.json is no JSON: nested too deeply"),
        (raw(RUN_PATH, '{"mlflow": ' + "9" * 5000 + "}"), r"run\.json is no JSON: "),
        (raw("models/wine/model.json", "{}"), "does not say which model it is of"),
        (raw("experiments/experiments.json", '{"mlflow": []}'), "'mlflow' of .* is not an object"),
        (in_run(params=["depth"]), "'params' of .* item 1 is not an object"),
        (in_run(tags={"a": {}}), "'a' of 'tags' of .* is not text"),
        (in_run(other={"a": "\ud800"}), r"run\.json holds half a character, '\\ud800'"),
        (in_run(info={"start_time": "noon"}), "'start_time' of .* is not an integer of 64 bits"),
        (in_run(info={"end_time": 2**63}), "'end_time' of .* is not an integer of 64 bits"),
        (in_run(info={"run_id": "other"}), "is of run other, not of"),
        (in_run(metrics={"loss": [1]}), "point 1 of metric 'loss' in .* is not an object"),
        (in_run(metrics={"loss": [{"value": "1"}]}), "'timestamp' of .* is not an integer"),
        (
            in_run(metrics={"loss": [{"value": None, "timestamp": 0}]}),
            "'value' of .* is not a number of 64 bits",
        ),
        (
            in_run(metrics={"loss": [{"value": 10**400, "timestamp": 0}]}),
            "'value' of .* is not a number of 64 bits",
        ),
        (
            lambda folder: edit(folder / "experiments" / "1" / "experiment.json", runs=["../2"]),
            "names '../2', which is no name of a folder in it",
        ),
        (
            lambda folder: edit(
                folder / "experiments" / "experiments.json", experiments=[{"id": "/etc"}]
            ),
            "names '/etc', which is no name of a folder in it",
        ),
        (
            lambda folder: edit(folder / "models" / "models.json", models=["../experiments"]),
            r"names '\.\.', which is no name of a folder in it",
        ),
        (
            lambda folder: edit(
                folder / "experiments" / "experiments.json", experiments=[{"id": "9"}]
            ),
            "names the experiment 9, and .* has no experiment.json",
        ),
    ],
)
def test_a_malformed_document_is_refused_with_one_sentence(
    change: Callable[[Path], object], sentence: str, tmp_path: Path
) -> None:
    folder = copied(ALL, tmp_path / "all")
    change(folder)
    with pytest.raises(DamageError, match=sentence) as caught:
        read_all(folder)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "place", ["experiments", "experiments/1", f"experiments/1/{FIRST}", "models/wine", RUN_PATH]
)
def test_a_link_in_place_of_a_folder_or_document_is_refused(place: str, tmp_path: Path) -> None:
    folder = copied(ALL, tmp_path / "all")
    (folder / place).rename(tmp_path / "elsewhere")
    (folder / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DamageError, match="is a symbolic link, and"):
        read_all(folder)


def test_a_link_among_artifacts_is_a_loss_and_is_not_followed(tmp_path: Path) -> None:
    folder = copied(MODEL / FIRST, tmp_path / "run")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (folder / "artifacts" / "report" / "empty.bin").unlink()
    (folder / "artifacts" / "report" / "empty.bin").symlink_to(secret)
    os.mkfifo(folder / "artifacts" / "pipe")
    losses = {x.field: x.why for x in registry(folder).read(addressed(f"runs/{FIRST}")).losses}
    assert losses["report/empty.bin"] == "it is a symbolic link"
    assert losses["pipe"] == "it is no regular file"


def test_a_linked_folder_of_artifacts_is_a_loss(tmp_path: Path) -> None:
    folder = copied(MODEL / FIRST, tmp_path / "run")
    (folder / "artifacts").rename(tmp_path / "elsewhere")
    (folder / "artifacts").symlink_to(tmp_path / "elsewhere")
    snapshot = registry(folder).read(addressed(f"runs/{FIRST}"))
    assert "it is a symbolic link" in [loss.why for loss in snapshot.losses]
    assert not [s for s in snapshot.streams if hasattr(s.entry, "path")]


def test_a_source_that_leads_out_of_the_artifacts_brings_no_files(tmp_path: Path) -> None:
    folder = copied(MODEL, tmp_path / "model")
    document = json.loads((folder / "model.json").read_text())
    version = document["mlflow"]["registered_model"]["versions"][0]
    version["source"] = f"runs:/{FIRST}/../../../secret"
    (folder / "model.json").write_text(json.dumps(document))
    run = folder / FIRST / "run.json"
    run.write_text(json.dumps({**json.loads(run.read_text()), "mlarchive": {"carrier": True}}))
    snapshot = registry(folder).read(addressed("models/wine/1"))
    assert not snapshot.streams
    assert "is not among the files that were exported" in snapshot.losses[-1].why


def test_a_huge_document_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsondocuments, "LONGEST", 1 << 10)
    folder = copied(MODEL / FIRST, tmp_path / "run")
    with pytest.raises(DamageError, match=r"run\.json has more than 0 MiB, and is not read"):
        read_all(folder)


def test_a_folder_that_is_no_export_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is no export of mlflow-export-import"):
        named(tmp_path)
    with pytest.raises(NotFoundError, match="does not exist"):
        named(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(MlarchiveError, match="is not a folder"):
        named(tmp_path / "file")
