"""Thin packages on the command line: made, looked at, read with their bases, made full."""

import json
from pathlib import Path

import pytest

from tests.support.command import within
from tests.support.models import file_of, tuned, weights


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A folder with `one/`, `two/`, `one.mlpkg` and `two.mlpkg`, which leans on it."""
    model = weights(1, tensors=2)
    for name, weighed in (("one", model), ("two", tuned(model, 2))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(file_of(weighed))
        (tmp_path / name / "config.json").write_bytes(b'{"layers": 2}\n')
    assert within("pack", "dir:one", "-o", "one.mlpkg", cwd=tmp_path).status == 0
    made = within("pack", "dir:two", "-o", "two.mlpkg", "--base", "one.mlpkg", cwd=tmp_path)
    assert made.status == 0
    assert "thin" in made.out
    return tmp_path


def test_every_verb_that_reads_takes_a_base(bench: Path) -> None:
    assert (bench / "two.mlpkg").stat().st_size < 0.27 * (
        bench / "two/model.safetensors"
    ).stat().st_size
    base = ("--base", "one.mlpkg")
    for words in (
        ("verify", "two.mlpkg"),
        ("show", "two.mlpkg"),
        ("extract", "two.mlpkg", "-C", "out"),
        ("unpack", "two.mlpkg", "dir:unpacked"),
        ("diff", "two.mlpkg", "dir:two"),
        ("want", "two.mlpkg"),
    ):
        done = within(*words, *base, cwd=bench)
        assert done.status == 0, done.err
    shown = within("cat", "two.mlpkg", "config.json", *base, cwd=bench)
    assert shown.out == '{"layers": 2}\n'
    for folder in ("out", "unpacked"):
        read = (bench / folder / "model.safetensors").read_bytes()
        assert read == (bench / "two" / "model.safetensors").read_bytes()


def test_without_its_base_nothing_is_written_and_what_to_bring_is_said(bench: Path) -> None:
    for words in (("extract", "two.mlpkg", "-C", "out"), ("unpack", "two.mlpkg", "dir:out")):
        done = within(*words, cwd=bench)
        assert done.status == 17
        assert "--base" in done.err
        assert "mlarchive want" in done.err
        assert not (bench / "out").exists()
    checked = within("verify", "two.mlpkg", "--json", cwd=bench).document
    assert checked["missing"] == 4
    wanted = within("want", "two.mlpkg", "--json", cwd=bench)
    assert wanted.status == 17
    assert wanted.document["files"] == ["config.json", "model.safetensors"]
    assert len(wanted.document["missing"]) == 4


def test_folding_makes_a_full_package_of_the_same_ids(bench: Path) -> None:
    done = within("fold", "two.mlpkg", "--base", "one.mlpkg", "-o", "f.mlpkg", "--json", cwd=bench)
    thin = within("want", "two.mlpkg", "--json", cwd=bench).document
    assert done.status == 0
    assert done.document["content_id"] == thin["content_id"]
    assert done.document["state_id"] == thin["state_id"]
    assert not done.document["thin"]
    assert within("verify", "f.mlpkg", "--json", cwd=bench).document["missing"] == 0
    again = within("fold", "two.mlpkg", "-o", "g.mlpkg", cwd=bench)
    assert again.status == 17
    assert not (bench / "g.mlpkg").exists()


def test_a_thin_package_is_not_the_whole_one_that_is_asked_for(bench: Path) -> None:
    """Who then removes what it leans on would have lost the model."""
    thin = (bench / "two.mlpkg").read_bytes()
    for words in (
        ("fold", "two.mlpkg", "--base", "one.mlpkg", "-o", "two.mlpkg"),
        ("pack", "dir:two", "-o", "two.mlpkg"),
    ):
        done = within(*words, cwd=bench)
        assert done.status == 14
        assert "two.mlpkg exists already, and leaves chunks to another package" in done.err
    again = within("pack", "dir:two", "-o", "two.mlpkg", "--base", "one.mlpkg", cwd=bench)
    assert again.status == 0, again.err
    assert "nothing to do" in again.out
    assert (bench / "two.mlpkg").read_bytes() == thin


def test_a_have_list_says_what_to_leave_out(bench: Path) -> None:
    assert within("have", "one.mlpkg", "-o", "clinic.have", cwd=bench).status == 0
    words = (
        "pack",
        "dir:two",
        "--base",
        "two.mlpkg",
        "--base",
        "one.mlpkg",
        "--have",
        "clinic.have",
    )
    done = within(*words, "-o", "for-clinic.mlpkg", cwd=bench)
    assert done.status == 0, done.err
    wanted = within("want", "for-clinic.mlpkg", "--have", "clinic.have", cwd=bench)
    assert wanted.status == 0
    assert (
        within("verify", "for-clinic.mlpkg", "--base", "one.mlpkg", "--json", cwd=bench).document[
            "missing"
        ]
        == 0
    )
    (bench / "clinic.have").write_bytes(b"{}")
    refused = within(*words, "-o", "x.mlpkg", cwd=bench)
    assert refused.status == 36
    assert "clinic.have is not a have-list" in refused.err


def test_a_vault_lends_too(bench: Path) -> None:
    assert within("pack", "dir:one", "-o", "v", cwd=bench).status == 0
    done = within("pack", "dir:two", "-o", "x.mlpkg", "--base", "vault:v", "--json", cwd=bench)
    assert done.document["thin"]
    assert within("extract", "x.mlpkg", "-C", "out", "--base", "vault:v", cwd=bench).status == 0
    held = within("have", "vault:v", "-o", "h", "--json", cwd=bench).document
    assert (held["packages"], held["size"]) == (1, (bench / "h").stat().st_size)
    assert json.loads((bench / "h").read_bytes())["format"] == "mlarchive-have-1"


def test_a_have_list_replaces_nothing_but_another(bench: Path) -> None:
    before = (bench / "one.mlpkg").read_bytes()
    refused = within("have", "one.mlpkg", "-o", "one.mlpkg", cwd=bench)
    assert refused.status == 14
    assert "is no have-list" in refused.err
    assert (bench / "one.mlpkg").read_bytes() == before
    for _ in range(2):
        assert within("have", "one.mlpkg", "-o", "clinic.have", cwd=bench).status == 0


def test_what_makes_no_sense_is_refused(bench: Path) -> None:
    for words, status in (
        (("pack", "dir:two", "-o", "v", "--base", "one.mlpkg"), 2),
        (("pack", "dir:two", "-o", "x.mlpkg", "--base", "dir:one"), 2),
        (("pack", "dir:two", "-o", "x.mlpkg", "--base", "none.mlpkg"), 11),
        (("show", "dir:two", "--base", "one.mlpkg"), 2),
        (("want", "dir:two"), 2),
        (("fold", "two.mlpkg#folders/two", "-o", "x.mlpkg"), 2),
        (("have", "none.mlpkg", "-o", "h"), 11),
    ):
        assert within(*words, cwd=bench).status == status, words
