"""`mlarchive ls`, `show`, `cat`, `extract`: what is in a package, for people and for programs."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from mlarchive.pack import pack_file
from mlarchive.records import Loss
from tests.support import snapshots
from tests.support.command import sentence, within
from tests.support.safetensors import safetensors


def test_ls_says_what_to_write_after_the_hash(desk: Path) -> None:
    done = within("ls", "wine.mlpkg", "--json", cwd=desk)
    objects = [item["object"] for item in done.documents]
    assert objects == ["models/wine/3", "experiments/e-a", "logged-models/m-a", "runs/run-a"]
    for name in objects:
        (item,) = within("ls", f"wine.mlpkg#{name}", "--json", cwd=desk).documents
        assert item["object"] == name


def test_ls_lists_every_file_with_the_path_that_cat_takes(desk: Path) -> None:
    listed = within("ls", "wine.mlpkg", "--files", "--json", cwd=desk).documents
    assert len(listed) == len(snapshots.model_version().streams)
    for item in listed:
        shown = within("cat", "wine.mlpkg", item["path"], cwd=desk)
        assert shown.status == 0
        if not item["path"].endswith(".csv"):
            assert len(shown.raw) == item["size"]


def test_ls_for_a_person_is_a_table(desk: Path) -> None:
    done = within("ls", "wine.mlpkg", cwd=desk)
    assert done.out.splitlines()[0].split() == [
        "models/wine/3",
        "10.3",
        "kB",
        "wine",
        *["record", "model-version-1", "files", "3", "aliases", "champion", "status", "READY"],
    ]


def test_ls_of_an_empty_answer_is_no_failure(desk: Path) -> None:
    done = within("ls", "wine.mlpkg#folders", cwd=desk)
    assert (done.status, done.out, done.err) == (0, "", "nothing there\n")


def test_show_tells_a_person_what_matters(desk: Path) -> None:
    text = " ".join(within("show", "wine.mlpkg", cwd=desk).out.split())
    for line in (
        "models/wine/3",
        "  from      prod",
        "  packed    2023-11-14 22:13:20 UTC by mlarchive",
        "  aliases   champion",
        "    depth  3",
        "    rmse                0.5  3 points  last at step 2",
        "    rmse on iris@1f2e  -0.0   1 point  last at step 0",
        "  start     2023-11-14 22:13:20 UTC",
        "model.pkl",
    ):
        assert " ".join(line.split()) in text


def test_show_sets_every_value_in_one_column_however_long_its_label(desk: Path) -> None:
    text = within("show", "wine.mlpkg", cwd=desk).out
    head, _, records = text.partition("\n\n")
    for part, longest in ((head, "signatures  "), (records, "registered_model  ")):
        found = re.findall(r"^  ([a-z_]+ +)\S", part, re.MULTILINE)
        assert longest in found
        assert {len(label) for label in found} == {len(longest)}


def test_show_begins_with_metrics_and_says_what_was_saved_signed_and_lost(desk: Path) -> None:
    head = within("show", "wine.mlpkg", cwd=desk).out.partition("\n\n")[0].splitlines()
    assert head[2:5] == [
        "  metrics     a/b: odd           nan",
        "              rmse               0.5",
        "              rmse on iris@1f2e  -0.0",
    ]
    assert "  signatures  none" in head
    assert "  losses      none" in head
    (saved,) = (line for line in head if line.startswith("  saved "))
    assert re.fullmatch(r"  saved       \d+\.\d kB by codecs, 0 B by sharing", saved)
    (codecs,) = (line for line in head if line.startswith("  codecs "))
    assert re.fullmatch(r"  codecs      zstd 9\d %, stored \d %", codecs)


def test_show_counts_what_is_shared_and_names_the_codec_of_each_file(tmp_path: Path) -> None:
    weights = safetensors({"a": ("BF16", (40_000,), bf16(40_000))})
    files = {"one.safetensors": weights, "two.safetensors": weights, "empty": b""}
    pack_file(snapshots.folder(files), tmp_path / "w.mlpkg", packed_at=1)
    text = within("show", "w.mlpkg", cwd=tmp_path).out
    assert "by codecs, 80.1 kB by sharing" in text
    assert len(re.findall(r"planes/2 99 %  (one|two)\.safetensors", text)) == 2
    document = within("show", "w.mlpkg", "--json", cwd=tmp_path).document
    assert document["package"]["saved_by_sharing"] == len(weights)
    by_path = {file["path"]: file["codecs"] for file in document["records"][0]["files"]}
    assert by_path["one.safetensors"]["planes/2"] == 80_000
    assert sum(by_path["one.safetensors"].values()) == len(weights)
    assert by_path["empty"] == {}


def bf16(count: int) -> bytes:
    """Weights as they are: a narrow range of exponents, random mantissas."""
    numbers = np.random.default_rng(1).normal(size=count).astype("<f4")
    return (numbers.view("<u4") >> 16).astype("<u2").tobytes()


def test_show_lists_losses_at_the_end(desk: Path) -> None:
    lossy = snapshots.model_version(losses=(Loss(record="run x", field="traces", why="Too odd."),))
    pack_file(lossy, desk / "lossy.mlpkg", packed_at=1)
    lines = within("show", "lossy.mlpkg", cwd=desk).out.splitlines()
    assert "  losses      1, at the end" in lines
    assert lines[-2:] == ["losses (1):", "  run x: traces: Too odd."]


def test_show_fits_80_columns_however_long_the_values_are(desk: Path) -> None:
    labels = ("--description", "d" * 300, "--tag", f"{'k' * 90}={'v' * 300}")
    within("pack", "dir:resnet", "-o", "x.mlpkg", *labels, cwd=desk)
    for name in ("x.mlpkg", "wine.mlpkg"):
        lines = within("show", name, cwd=desk).out.splitlines()
        assert [line for line in lines if len(line) > 80] == []


def test_show_gives_a_program_everything(desk: Path) -> None:
    document = within("show", "wine.mlpkg", "--json", cwd=desk).document
    records = {record["kind"]: record for record in document["records"]}
    assert document["subject"] == "model-version-1"
    assert records["model-version"]["facts"]["aliases"] == "champion"
    assert records["run"]["params"] == {"depth": "3"}
    assert {(m["key"], m.get("dataset", ""), m["value"]) for m in records["run"]["metrics"]} == {
        ("rmse", "", "0.5"),
        ("rmse", "iris@1f2e", "-0.0"),
        ("a/b: odd", "", "nan"),
    }
    stored = {f["path"]: f["stored"] for f in records["logged-model"]["files"]}
    assert 0 < stored["model.pkl"] < 10_240
    assert document["package"]["missing"] == 0


def test_show_works_on_a_folder_and_on_what_a_vault_holds(desk: Path) -> None:
    assert "weights.bin" in within("show", "dir:resnet", cwd=desk).out
    within("pack", "wine.mlpkg", "-o", "v", cwd=desk)
    shown = within("show", "vault:v#models/wine/3", cwd=desk)
    assert "  content   " in shown.out


def test_a_name_cannot_steer_the_terminal(desk: Path) -> None:
    labels = ("--description", "\x1b[2Jgone", "--tag", "k=\x1b]0;title\x07")
    within("pack", "dir:resnet", "-o", "x.mlpkg", *labels, cwd=desk)
    shown = within("show", "x.mlpkg", cwd=desk)
    assert "\x1b" not in shown.out
    assert "\\x1b[2Jgone" in shown.out


@pytest.mark.parametrize(
    ("locator", "path"),
    [
        ("wine.mlpkg", "logged-model-1/files/MLmodel"),
        ("wine.mlpkg#models/wine/3", "MLmodel"),
        ("wine.mlpkg#models/wine@champion", "MLmodel"),
        ("wine.mlpkg#logged-models/m-a", "MLmodel"),
        ("wine.mlpkg#models/wine/3//MLmodel", ""),
        ("wine.mlpkg#//logged-model-1/files/MLmodel", ""),
    ],
)
def test_cat_finds_a_file_however_it_is_named(desk: Path, locator: str, path: str) -> None:
    done = within("cat", locator, *([path] if path else []), cwd=desk)
    assert (done.status, done.raw) == (0, snapshots.MODEL_FILES["MLmodel"])


@pytest.mark.parametrize(
    "words",
    [
        ("ls",),
        ("ls", "--files"),
        ("show",),
        ("metrics",),
        ("pack", "-o", "part.mlpkg"),
        ("copy", "dir:out"),
        ("diff", "wine.mlpkg"),
    ],
)
def test_a_path_inside_an_object_is_refused_where_whole_ones_are_taken(
    desk: Path, words: tuple[str, ...]
) -> None:
    verb, *rest = words
    done = within(verb, "wine.mlpkg#models/wine/3//MLmodel", *rest, cwd=desk)
    assert done.status == 2
    assert "names the path MLmodel inside an object" in sentence(done)
    assert not (desk / "part.mlpkg").exists()
    assert not (desk / "out").exists()


def test_cat_of_a_metric_is_csv(desk: Path) -> None:
    done = within("cat", "wine.mlpkg", "run-1/metrics/rmse.csv", cwd=desk)
    assert done.out == "step,timestamp,value\n0,5,0.9\n1,6,0.7\n2,7,0.5\n"


def test_cat_of_what_is_not_there_names_the_nearest(desk: Path) -> None:
    done = within("cat", "wine.mlpkg#models/wine/3", "MLmodle", cwd=desk)
    assert done.status == 11
    assert sentence(done) == "there is no file 'MLmodle' in it"
    assert "did you mean 'MLmodel'?" in done.err


def test_cat_of_a_folder_or_of_nothing_is_wrong_usage(desk: Path) -> None:
    folder = within("cat", "wine.mlpkg", "run-1/files", cwd=desk)
    assert (folder.status, sentence(folder)) == (2, "'run-1/files' is a folder")
    nothing = within("cat", "wine.mlpkg", cwd=desk)
    assert (nothing.status, sentence(nothing)) == (2, "which file?")


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_extract_makes_a_folder_named_as_the_package(desk: Path) -> None:
    done = within("extract", "wine.mlpkg", cwd=desk)
    assert done.status == 0
    found = files(desk / "wine")
    assert found["logged-model-1/files/MLmodel"] == snapshots.MODEL_FILES["MLmodel"]
    assert found["run-1/metrics/rmse.csv"].startswith(b"step,timestamp,value\n")
    assert len(found) == len(snapshots.model_version().streams)


def test_extract_of_an_object_gives_its_own_files(desk: Path) -> None:
    done = within("extract", "wine.mlpkg#models/wine/3", "-C", "model", "--json", cwd=desk)
    assert done.document == {
        "path": "model",
        "files": 3,
        "bytes": sum(map(len, snapshots.MODEL_FILES.values())),
        "read_losses": [],
    }
    assert files(desk / "model") == dict(snapshots.MODEL_FILES)


def test_extract_takes_paths_of_files_and_folders(desk: Path) -> None:
    within("extract", "wine.mlpkg", "-C", "some", "run-1/files", "run-1/metrics/rmse.csv", cwd=desk)
    assert set(files(desk / "some")) == {"run-1/files/plots/roc.svg", "run-1/metrics/rmse.csv"}


def test_extract_leaves_what_is_there_alone(desk: Path) -> None:
    for taken in ("resnet", "wine.mlpkg"):
        before = files(desk)
        done = within("extract", "wine.mlpkg", "-C", taken, cwd=desk)
        assert (done.status, sentence(done)) == (14, f"{taken} exists already")
        assert files(desk) == before


def test_extract_says_in_a_dry_run_what_it_would_write(desk: Path) -> None:
    done = within("extract", "wine.mlpkg", "--dry-run", cwd=desk)
    assert done.status == 0
    assert "would write wine/logged-model-1/files/MLmodel" in done.out
    assert not (desk / "wine").exists()


def test_json_is_one_object_a_line_and_nothing_else(desk: Path) -> None:
    for words in (("ls", "wine.mlpkg"), ("show", "wine.mlpkg"), ("verify", "wine.mlpkg")):
        done = within(*words, "--json", cwd=desk)
        assert done.err == ""
        assert all(isinstance(json.loads(line), dict) for line in done.out.splitlines())


def test_a_thin_package_is_shown_alone_and_its_files_come_from_its_vault(desk: Path) -> None:
    within("pack", "dir:resnet", "-o", "v", cwd=desk)
    within("pack", "dir:resnet", "-o", "v", "--tag", "a=b", cwd=desk)
    thin = min((desk / "v").rglob("*.mlpkg"), key=lambda path: path.stat().st_size)
    os.link(thin, desk / "thin.mlpkg")
    shown = within("show", "thin.mlpkg", cwd=desk).out
    assert re.search(r"thin        \d chunks? in another package, 512\.0 kB", shown)
    assert "absent 100 %" in shown
    alone = within("extract", "thin.mlpkg", cwd=desk)
    assert alone.status == 17
    assert "`mlarchive want THIS` says what is missing" in alone.err
    assert not (desk / "thin").exists()
    based = within("extract", "thin.mlpkg", "--base", "vault:v", "-C", "based", cwd=desk)
    assert based.status == 0
    assert within("extract", "vault:v", "-C", "whole", cwd=desk).status == 0
    assert files(desk / "whole") == files(desk / "resnet")
    unpacked = within("unpack", "thin.mlpkg", "dir:no", cwd=desk)
    assert (unpacked.status, unpacked.err.splitlines()[1]) == (17, alone.err.splitlines()[1])
    assert within("copy", "vault:v#folders/resnet", "dir:copied", cwd=desk).status == 3
    assert files(desk / "copied") == files(desk / "resnet")
    within("pack", "vault:v#folders/resnet", "-o", "full.mlpkg", cwd=desk)
    assert within("extract", "full.mlpkg", cwd=desk).status == 0


def test_extract_takes_the_files_of_a_folder_too(desk: Path) -> None:
    done = within("extract", "dir:resnet", "-C", "again", cwd=desk)
    assert done.status == 0, done.err
    for path in (desk / "resnet").rglob("*"):
        if path.is_file():
            assert (
                desk / "again" / path.relative_to(desk / "resnet")
            ).read_bytes() == path.read_bytes()


def test_what_a_package_lost_before_is_said_by_whoever_takes_it_out(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(b"1")
    (folder / "link").symlink_to("weights")
    assert within("pack", "dir:model", "-o", "m.mlpkg", cwd=tmp_path).status == 3
    for words in (
        ("copy", "m.mlpkg", "vault:copied"),
        ("unpack", "m.mlpkg", "vault:unpacked"),
        ("extract", "m.mlpkg", "-C", "extracted"),
    ):
        done = within(*words, cwd=tmp_path)
        assert done.status == 3, words
        assert "link" in done.err, words
