"""The command on real MLflow servers: a version travels from one to another, and back the same."""

from pathlib import Path

import pytest

from tests.support.command import Done, sentence, within
from tests.support.mlflow_seed import Seeded, seed
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow


@pytest.fixture(scope="module")
def seeded(source_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    return seed(source_server.uri, "command line", tmp_path_factory.mktemp("seed"))


@pytest.fixture
def source(source_server: MlflowServer) -> str:
    return source_server.locator


@pytest.fixture
def target(target_server: MlflowServer) -> str:
    return target_server.locator


def ids(done: Done) -> tuple[str, str]:
    (document,) = done.documents
    return document["content_id"], document["state_id"]


def test_a_registry_lists_its_versions_in_words_that_name_them(
    source: str, seeded: Seeded, tmp_path: Path
) -> None:
    done = within("ls", f"{source}#models/command*", "--json", cwd=tmp_path)
    assert done.status == 0
    assert sorted(item["object"] for item in done.documents) == [
        f"models/command%20line/{version}" for version in (1, 2, 3)
    ]
    (one,) = within(
        "ls", f"{source}#{done.documents[0]['object']}", "--json", cwd=tmp_path
    ).documents
    assert one["address"]["name"] == seeded.name


def test_a_version_is_packed_shown_and_read_without_its_server(
    source: str, seeded: Seeded, tmp_path: Path
) -> None:
    locator = f"{source}#models/command%20line/1"
    packed = within("pack", locator, "-o", "x.mlpkg", cwd=tmp_path)
    assert packed.status == 0, packed.err
    assert within("verify", "x.mlpkg", cwd=tmp_path).status == 0
    shown = within("show", "x.mlpkg", "--json", cwd=tmp_path).document
    records = {record["kind"]: record for record in shown["records"]}
    assert records["run"]["params"]["größe"] == "ü"
    accuracy = next(m for m in records["run"]["metrics"] if m["key"] == "accuracy")
    assert (accuracy["points"], accuracy["step"]) == (40, 39)
    assert records["run"]["id"] == seeded.run_id
    inside = within("cat", "x.mlpkg#models/command%20line/1", "MLmodel", cwd=tmp_path)
    assert b"python_function" in inside.raw
    direct = within("cat", f"{locator}//MLmodel", cwd=tmp_path)
    assert direct.raw == inside.raw


def test_mlflows_own_names_work_with_the_server_of_the_environment(
    source_server: MlflowServer, seeded: Seeded, tmp_path: Path
) -> None:
    env = {"MLFLOW_TRACKING_URI": source_server.uri}
    version = within("ls", f"models:/{seeded.name}/1", "--json", cwd=tmp_path, env=env)
    assert version.document["address"]["origin"] == source_server.locator
    run = within("show", f"runs:/{seeded.run_id}", "--json", cwd=tmp_path, env=env)
    assert run.document["records"][0]["id"] == seeded.run_id


def test_packing_a_server_twice_gives_the_same_ids_and_changes_nothing(
    source: str, seeded: Seeded, tmp_path: Path
) -> None:
    words = ("pack", f"{source}#models/{seeded.name}", "-o", "vault", "--json")
    first = within(*words, cwd=tmp_path)
    assert [document["fresh"] for document in first.documents] == [True, True, True], first.err
    again = within(*words, cwd=tmp_path)
    assert [document["fresh"] for document in again.documents] == [False, False, False]
    assert within("verify", "vault:vault", cwd=tmp_path).status == 0


def test_a_copy_has_the_same_ids_and_doing_it_again_sends_nothing(
    source: str, target: str, seeded: Seeded, tmp_path: Path
) -> None:
    objects = f"{source}#models/{seeded.name}"
    first = within("copy", objects, target, "--json", cwd=tmp_path)
    assert [d["target"]["version"] for d in first.receipts] == ["1", "2", "3"], first.err
    again = within("copy", objects, target, "--json", cwd=tmp_path)
    assert again.status == first.status
    assert len(again.receipts) == 3
    for receipt in again.receipts:
        assert receipt["bytes"] == 0
        assert {action["verb"] for action in receipt["actions"]} <= {"keep"}
    for version in ("1", "2", "3"):
        here = within(
            "pack", f"{objects}/{version}", "-o", f"a{version}.mlpkg", "--json", cwd=tmp_path
        )
        there = within(
            "pack",
            f"{target}#models/{seeded.name}/{version}",
            "-o",
            f"b{version}.mlpkg",
            "--json",
            cwd=tmp_path,
        )
        assert ids(here) == ids(there)


def test_a_dry_run_of_unpack_changes_nothing_at_the_server(
    source: str, target: str, seeded: Seeded, tmp_path: Path
) -> None:
    within("pack", f"{source}#models/{seeded.name}/1", "-o", "x.mlpkg", cwd=tmp_path)
    words = ("unpack", "x.mlpkg", target, "--rename", "only planned", "--dry-run")
    done = within(*words, cwd=tmp_path)
    assert "would create" in done.out
    missing = within("ls", f"{target}#models/only planned", cwd=tmp_path)
    assert missing.status == 11


def test_what_a_server_does_not_have_is_one_sentence(source: str, tmp_path: Path) -> None:
    for inside in ("models/nothing/1", "models/nothing@best", "runs/0123456789abcdef"):
        done = within("pack", f"{source}#{inside}", "-o", "x.mlpkg", cwd=tmp_path)
        assert done.status == 11
        assert sentence(done)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("seeded")
def test_a_damaged_package_is_refused_before_anything_is_written(
    source: str, target: str, target_server: MlflowServer, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    packed = within("pack", f"{source}#models/command%20line/1", "-o", "x.mlpkg", cwd=tmp_path)
    assert packed.status == 0, packed.err
    damaged = bytearray((tmp_path / "x.mlpkg").read_bytes())
    damaged[9000] ^= 1
    (tmp_path / "damaged.mlpkg").write_bytes(damaged)
    client = MlflowClient(target_server.uri, target_server.uri)

    def refused(name: str) -> bool:
        done = within("unpack", "damaged.mlpkg", target, "--rename", name, cwd=tmp_path)
        there = client.search_registered_models(f"name = '{name}'")
        return done.status == 4 and bool(sentence(done)) and not there

    assert refused("never seen there")
    whole = within("unpack", "x.mlpkg", target, "--rename", "seen there", cwd=tmp_path)
    assert whole.status == 0, whole.err
    assert refused("seen there, damaged")


def test_a_live_version_is_compared_with_its_package_and_has_the_same_points(
    source: str, seeded: Seeded, tmp_path: Path
) -> None:
    locator = f"{source}#models/{seeded.name}/1"
    packed = within("pack", locator, "-o", "x.mlpkg", cwd=tmp_path)
    assert packed.status == 0, packed.err
    same = within("diff", locator, "x.mlpkg", "--json", cwd=tmp_path)
    assert same.status == 0, same.out
    assert same.document["evidence"] == []
    other = within("diff", f"{source}#models/{seeded.name}/2", "x.mlpkg", cwd=tmp_path)
    assert other.status == 5
    live, kept = (
        within("metrics", text, "--run", seeded.run_id, "--json", cwd=tmp_path).documents
        for text in (locator, "x.mlpkg")
    )
    assert len(live) > 1
    # Keys within a snapshot are the server's ids, and package-local ones in a package.
    by_key = [{(d["key"], d["dataset"]): d | {"record": ""} for d in side} for side in (live, kept)]
    assert by_key[0] == by_key[1]
