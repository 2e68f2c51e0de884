"""A package is a registry: it lists its records, and each is an object of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlarchive.errors import NotFoundError
from mlarchive.pack import pack_file
from mlarchive.package import Package
from mlarchive.records import (
    Address,
    Environment,
    Experiment,
    LoggedModel,
    ModelVersion,
    Prompt,
    PromptVersion,
    Run,
)
from mlarchive.registries.base import Selector
from mlarchive.registries.packagefile import PackageRegistry
from mlarchive.registries.selecting import parse_object
from mlarchive.snapshot import Snapshot
from tests.support import snapshots
from tests.support.otherkinds import without_a_run


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[PackageRegistry]:
    pack_file(snapshots.model_version(), tmp_path / "x.mlpkg", packed_at=1)
    with PackageRegistry.open(tmp_path / "x.mlpkg") as opened:
        yield opened


def named(registry: PackageRegistry, text: str) -> list[str]:
    return [str(listing.address).partition("#")[2] for listing in registry.ls(parse_object(text))]


def test_its_origin_is_where_it_is_from(registry: PackageRegistry) -> None:
    assert registry.origin == "prod"


def test_it_lists_its_records_the_subject_first(registry: PackageRegistry) -> None:
    found = [str(listing.address) for listing in registry.ls(Selector())]
    assert found == [
        "prod#models/wine/3",
        "prod#experiments/e-a",
        "prod#logged-models/m-a",
        "prod#runs/run-a",
    ]


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("models/wine/3", "models/wine/3"),
        ("models/w*", "models/wine/3"),
        ("models/wine@champion", "models/wine/3"),
        ("runs/run-a", "runs/run-a"),
        ("runs/run-1", "runs/run-a"),
        ("runs", "runs/run-a"),
        ("logged-models/id:m-a", "logged-models/m-a"),
        ("registered-models/wine", "registered-models/wine"),
        ("environments", "environments/environment-1"),
    ],
)
def test_records_are_found_by_name_by_id_and_by_key(
    registry: PackageRegistry, text: str, means: str
) -> None:
    assert named(registry, text) == [means]


@pytest.mark.parametrize("text", ["runs/x", "models/wine/4", "models/wine@next", "folders/wine"])
def test_what_is_named_and_not_there_is_not_found(registry: PackageRegistry, text: str) -> None:
    with pytest.raises(NotFoundError, match="holds no"):
        named(registry, text)


def test_the_subject_is_the_whole_package(registry: PackageRegistry) -> None:
    (ref,) = registry.changes(Selector())
    snapshot = registry.read(ref.address)
    assert snapshot.content_id == ref.content_mark
    assert len(snapshot.streams) == len(snapshots.model_version().streams)


def test_a_run_comes_with_what_it_refers_to_and_no_more(
    registry: PackageRegistry, tmp_path: Path
) -> None:
    (listing,) = registry.ls(parse_object("runs/run-a"))
    part = registry.read(listing.address)
    assert {type(record) for record in part.records} == {Run, Experiment}
    made = pack_file(part, tmp_path / "run.mlpkg", packed_at=1)
    with Package.open(tmp_path / "run.mlpkg") as package:
        assert package.verify().objects == len(package.objects)
        assert package.meaning.address == listing.address
    assert made.raw_bytes == sum(len(s.open().read()) for s in part.streams)


def test_a_logged_model_comes_with_its_run_and_environment(registry: PackageRegistry) -> None:
    (listing,) = registry.ls(parse_object("logged-models"))
    kinds = {type(record) for record in registry.read(listing.address).records}
    assert kinds == {LoggedModel, Run, Experiment, Environment}
    assert ModelVersion not in kinds


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.mlpkg"):
        PackageRegistry.open(tmp_path / "none.mlpkg")


def test_a_prompt_is_named_by_its_version(tmp_path: Path) -> None:
    address = Address(origin="prod", kind="prompts", name="greeting", version="2")
    version = PromptVersion(
        key="version", prompt="prompt", name="greeting", version="2", aliases=("live",)
    )
    snapshot = Snapshot(
        address=address, subject="version", records=(version, Prompt(key="prompt", name="greeting"))
    )
    pack_file(snapshot, tmp_path / "greeting.mlpkg", packed_at=1)
    with PackageRegistry.open(tmp_path / "greeting.mlpkg") as registry:
        for text in ("prompts", "prompts/greeting", "prompts/greeting/2", "prompts/greeting@live"):
            assert named(registry, text) == ["prompts/greeting/2"]


def test_records_of_every_kind_are_listed_and_found_by_what_they_are_called(
    tmp_path: Path,
) -> None:
    path = tmp_path / "kinds.mlpkg"
    pack_file(without_a_run(), path, packed_at=1)
    with PackageRegistry.open(path) as opened:
        for listing in list(opened.ls(Selector())):
            text = str(listing.address).partition("#")[2]
            assert text in named(opened, text)
