"""Records pair by what they are, and the same two objects always pair the same."""

from collections.abc import Sequence

from mlarchive.difference.pairing import pairs
from mlarchive.records import Address, AnyRecord, Experiment, File, Native, Run
from mlarchive.snapshot import Snapshot


def snapshot(*records: AnyRecord, content_id: str) -> Snapshot:
    return Snapshot(
        address=Address(origin="x", kind="runs", name="r"),
        subject=records[0].key,
        records=records,
        content_id=content_id,
    )


def paired(before: Sequence[AnyRecord], after: Sequence[AnyRecord]) -> set[tuple[str, str]]:
    found = pairs(snapshot(*before, content_id="1"), snapshot(*after, content_id="2"))
    return {(one.key if one else "", other.key if other else "") for one, other in found}


def run(key: str, *, native: str = "", name: str = "", path: str = "") -> Run:
    files = (File(path=path, size=0, sha256="0" * 64),) if path else ()
    return Run(key=key, native=Native(id=native), name=name, files=files)


def test_subjects_pair_then_ids_then_names_then_files_then_order() -> None:
    before = [
        run("run-1", native="s"),
        run("run-2", native="id"),
        run("run-3", name="best"),
        run("run-4", path="a.txt"),
        run("run-5"),
        run("run-10"),
    ]
    after = [
        run("run-6", native="other"),
        run("run-1", name="best"),
        run("run-2", path="a.txt"),
        run("run-3", native="id"),
        run("run-4"),
    ]
    assert paired(before, after) == {
        ("run-1", "run-6"),
        ("run-2", "run-3"),
        ("run-3", "run-1"),
        ("run-4", "run-2"),
        ("run-5", "run-4"),
        ("run-10", ""),
    }


def test_a_name_that_two_records_share_says_nothing() -> None:
    before = [run("run-9"), run("run-1", name="x", native="a"), run("run-2", name="x", native="b")]
    after = [run("run-9"), run("run-1", name="x", native="b"), run("run-2", name="x", native="c")]
    assert paired(before, after) == {("run-9", "run-9"), ("run-2", "run-1"), ("run-1", "run-2")}


def test_kinds_never_mix() -> None:
    assert paired([run("run-1")], [Experiment(key="experiment-1")]) == {
        ("run-1", ""),
        ("", "experiment-1"),
    }


def test_objects_that_are_equal_in_content_pair_by_key() -> None:
    one = snapshot(run("run-1", native="a"), run("run-2", native="b"), content_id="1")
    other = snapshot(run("run-1", native="b"), run("run-2", native="a"), content_id="1")
    assert [(a and a.key, b and b.key) for a, b in pairs(one, other)] == [
        ("run-1", "run-1"),
        ("run-2", "run-2"),
    ]
