"""`mlarchive diff`: what differs in meaning, and an exit status that says whether it does."""

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlarchive.pack import pack_file, pack_state
from mlarchive.package import Package
from mlarchive.records import MetricSeries, Run
from mlarchive.snapshot import Snapshot
from tests.support import snapshots
from tests.support.command import sentence, within
from tests.support.safetensors import safetensors

OLD = safetensors({"emb.weight": ("F32", (2,), b"12345678"), "head": ("F32", (1,), b"1234")})
NEW = safetensors({"emb.weight": ("F32", (2,), b"12345679"), "tail": ("F32", (1,), b"1234")})
FILES = {"MLmodel": b"x", "alt.txt": b"moved", "größe.safetensors": OLD, "gone": b"1"}
CHANGED = {"MLmodel": b"xy", "neu.txt": b"moved", "größe.safetensors": NEW, "come": b"2"}


def with_run(snapshot: Snapshot, **fields: Any) -> Snapshot:  # noqa: ANN401
    records = tuple(
        msgspec.structs.replace(record, **fields) if isinstance(record, Run) else record
        for record in snapshot.records
    )
    return dataclasses.replace(snapshot, records=records)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A folder with `a.mlpkg` and `b.mlpkg`, a later version that differs in much."""
    pack_file(snapshots.model_version(files=FILES), tmp_path / "a.mlpkg", packed_at=1)
    later = with_run(
        snapshots.model_version(
            files=CHANGED, version="4", ids="b", aliases=("neu",), description="Weiß."
        ),
        params={"depth": "4", "größe": "klein"},
        tags={},
    )
    streams = [s for s in later.streams if not isinstance(s.entry, MetricSeries)]
    streams += [
        snapshots.series("run-b", "rmse", [(0, 5, 0.9), (1, 6, 0.6), (2, 7, 0.5), (3, 8, 0.4)]),
        snapshots.series("run-b", "verlust ß", []),
    ]
    pack_file(snapshots.with_streams(later, tuple(streams)), tmp_path / "b.mlpkg", packed_at=2)
    return tmp_path


def test_a_person_reads_what_came_went_and_changed(table: Path) -> None:
    done = within("diff", "a.mlpkg", "b.mlpkg", cwd=table)
    assert (done.status, done.err) == (5, "")
    content, state, evidence, *lines = done.out.splitlines()
    assert content.startswith("content   differs  ")
    assert state.startswith("state     differs  ")
    assert evidence.startswith("evidence  differs (not counted): address, native of ")
    assert lines == [
        "~ logged-model model  (logged-model-1)",
        "    content",
        "      ~ file MLmodel: 1 B → 2 B",
        "      + file come (1 B)",
        "      - file gone (1 B)",
        "      ~ file größe.safetensors: 155 B, 3 tensors not the same",
        "          ~ emb.weight  F32[2] other bytes",
        "          - head  F32[1]",
        "          + tail  F32[1]",
        "      ~ file alt.txt → neu.txt (renamed)",
        "~ model-version wine  (model-version-1)",
        "    state",
        "      - aliases champion",
        "      + aliases neu",
        "      + description: Weiß.",
        "~ run training  (run-1)",
        "    content",
        "      ~ params depth: 3 → 4",
        "      + params größe: klein",
        "      - metric a/b: odd (1 point)",
        "      ~ metric rmse: 3 → 4 points, 1 added, 1 changed, first at step 1",
        "      - metric rmse on iris@1f2e (1 point)",
        "      + metric verlust ß (0 points)",
        "    state",
        "      - tags team: cellar",
    ]


def test_another_origin_and_other_ids_are_mentioned_and_make_nothing_unequal(table: Path) -> None:
    other = snapshots.model_version(files=FILES, ids="zz", origin="elsewhere", name="rouge")
    pack_file(other, table / "other.mlpkg", packed_at=9)
    done = within("diff", "a.mlpkg", "other.mlpkg", cwd=table)
    assert done.status == 0
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["content", "equal"],
        ["state", "equal"],
        ["evidence", "differs"],
    ]
    document = within("diff", "a.mlpkg", "other.mlpkg", "--json", cwd=table).document
    assert (document["equal"], document["records"], document["notes"]) == (True, [], [])
    assert {"address", "model-version-1.name", "run-1.native"} <= set(document["evidence"])


def test_the_same_object_twice_is_equal_and_nothing_else_is_said(table: Path) -> None:
    done = within("diff", "a.mlpkg", "a.mlpkg", cwd=table)
    assert done.status == 0
    assert len(done.out.splitlines()) == 2


def test_labels_alone_differ_in_state_alone(table: Path) -> None:
    relabelled = snapshots.model_version(files=FILES, aliases=("champion", "old"))
    pack_file(relabelled, table / "relabelled.mlpkg", packed_at=1)
    document = within("diff", "a.mlpkg", "relabelled.mlpkg", "--json", cwd=table)
    assert document.status == 5
    found = document.document
    assert (found["content_equal"], found["state_equal"]) == (True, False)
    (record,) = found["records"]
    assert record["changes"] == [
        {
            "sign": "+",
            "part": "state",
            "field": "aliases",
            "name": "old",
            "before": None,
            "after": "old",
        }
    ]


def test_records_that_came_are_told_with_all_that_they_have(table: Path) -> None:
    done = within("diff", "dir:.", "a.mlpkg#runs/run-a", "--json", cwd=table)
    assert done.status == 5
    records = {record["kind"]: record for record in done.document["records"]}
    assert {kind: record["sign"] for kind, record in records.items()} == {
        "folder": "-",
        "run": "+",
        "experiment": "+",
    }
    assert {change["sign"] for change in records["run"]["changes"]} == {"+"}
    assert len(records["run"]["metrics"]) == 3
    assert records["run"]["key_before"] is None


def test_a_reference_is_the_same_if_it_names_the_other_of_a_pair(table: Path) -> None:
    """Keys are numbered by content, so that a changed record may change its number."""

    def experiment(first: str, second: str) -> Snapshot:
        base = snapshots.model_version()
        child = Run(key="child", name="child", status=first, parent="root")
        root = Run(key="root", name="root", status=second)
        return dataclasses.replace(base, subject="child", records=(child, root), streams=())

    names = set()
    for number in range(8):
        pack_file(experiment("FINISHED", f"S{number}"), table / f"{number}.mlpkg", packed_at=1)
        document = within("diff", "0.mlpkg", f"{number}.mlpkg", "--json", cwd=table).document
        names |= {(record["key_before"], record["key_after"]) for record in document["records"]}
        fields = {c["field"] for record in document["records"] for c in record["changes"]}
        assert fields == ({"status"} if number else set())
    assert len(names) > 1


def test_a_thin_package_is_compared_as_far_as_its_digests_say(table: Path) -> None:
    with Package.open(table / "b.mlpkg") as full:
        relabelled = dataclasses.replace(full.snapshot(), losses=())
        records = tuple(
            msgspec.structs.replace(record, tags={"thin": "yes"})
            if isinstance(record, Run)
            else record
            for record in relabelled.records
        )
        thin = dataclasses.replace(relabelled, records=records, content_id="", state_id="")
        pack_state(thin, full, table / "thin.mlpkg", packed_at=2)
    alike = within("diff", "b.mlpkg", "thin.mlpkg", cwd=table)
    assert alike.status == 5
    assert alike.out.splitlines()[-3:] == [
        "~ run training  (run-1)",
        "    state",
        "      + tags thin: yes",
    ]
    other = within("diff", "a.mlpkg", "thin.mlpkg", cwd=table)
    assert other.status == 5
    assert "155 B, tensors not compared: bytes are in another package" in other.out
    assert "3 → 4 points, points not compared: they are in another package" in other.out


def test_two_objects_of_one_vault_are_compared(table: Path) -> None:
    within("pack", "a.mlpkg", "b.mlpkg", "-o", "v", cwd=table)
    two = ("vault:v#models/wine/3", "vault:v#models/wine/4")
    by_vault = within("diff", *two, "--json", cwd=table).document
    assert by_vault == within("diff", "a.mlpkg", "b.mlpkg", "--json", cwd=table).document
    assert within("diff", two[0], "a.mlpkg", cwd=table).status == 0


def test_a_long_text_is_shown_where_it_parts(table: Path) -> None:
    for name, end in (("x", "a"), ("y", "b")):
        changed = with_run(snapshots.model_version(), params={"long": "z" * 500 + end + "\x1b[2J"})
        pack_file(changed, table / f"{name}.mlpkg", packed_at=1)
    done = within("diff", "x.mlpkg", "y.mlpkg", cwd=table)
    (line,) = (line for line in done.out.splitlines() if "long" in line)
    assert line.strip() == (
        "~ params long: at character 501: …zzzzzzzzzzzza\\x1b[2J → …zzzzzzzzzzzzb\\x1b[2J"
    )


def test_a_file_that_is_called_safetensors_and_is_none_is_compared_as_bytes(table: Path) -> None:
    for name in ("x", "y"):
        files = {"w.safetensors": name.encode() * 100}
        pack_file(snapshots.model_version(files=files), table / f"{name}.mlpkg", packed_at=1)
    done = within("diff", "x.mlpkg", "y.mlpkg", cwd=table)
    assert "100 B, tensors not compared: not readable as safetensors" in done.out


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("a.mlpkg",), 2),
        (("a.mlpkg", "b.mlpkg", "a.mlpkg"), 2),
        (("a.mlpkg", "none.mlpkg"), 11),
        (("a.mlpkg", "vault:v"), 2),
        (("a.mlpkg", "cut.mlpkg"), 4),
    ],
)
def test_what_cannot_be_compared_is_an_error_of_its_own(
    table: Path, words: tuple[str, ...], status: int
) -> None:
    within("pack", "a.mlpkg", "b.mlpkg", "-o", "v", cwd=table)
    (table / "cut.mlpkg").write_bytes((table / "a.mlpkg").read_bytes()[:-1])
    done = within("diff", *words, cwd=table)
    assert done.status == status
    assert sentence(done)
