"""What comes back to where it was first, or is a package of it, is that one or it is not."""

import json
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from mlarchive.errors import ConflictError
from mlarchive.pack import pack_file
from mlarchive.package import Package
from mlarchive.registries.base import Receipt, WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.unpack import unpack
from tests.integration.azureml.registries import POLICIES, Open, address, carry
from tests.support.azureml import Emulator, Place
from tests.support.azureml.trained import TRAINED, runs_of
from tests.support.command import within
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

WHAT = ("models", "m", "1")
FILES = {"w": b"1"}


@pytest.fixture
def lab(azureml: Emulator, source_server: MlflowServer) -> Place:
    """A workspace with a model, its environment and the plain job that made it, which is no run."""
    place = azureml.workspace(azureml.tenant(), "lab")
    place.tracking = source_server.uri
    azureml.put_environment(place, "e", "1", image="i:1", description="e")
    for job in ("trained", "another"):
        azureml.put_job(place, job)
    register(azureml, place)
    place.of("models")["m"].properties["description"] = "m"
    return place


def register(azureml: Emulator, place: Place, **otherwise: Any) -> None:  # noqa: ANN401  (any of the REST API)
    """Register the model, in place of what is there."""
    place.of("models").pop("m", None)
    said = {"modelType": "custom_model", "tags": {"python_environment_name": "e", "k": "1"}}
    azureml.put_model(place, "m", "1", FILES, **{**said, "jobName": "trained", **otherwise})


def given_back(opened: Open, package: Path, place: Place) -> Receipt:
    with Package.open(package) as one:
        return unpack(one, opened(place), WritePolicy())


@pytest.mark.parametrize(
    ("otherwise", "differs"),
    [
        ({"modelType": "mlflow_model"}, "its type"),
        ({"flavors": {"onnx": {"data": {"v": "2"}}}}, "its flavours"),
        ({"jobName": "another"}, "its job"),
        ({"jobName": None}, "its job"),
    ],
)
def test_what_was_registered_anew_as_something_else_is_not_what_comes_home(  # noqa: PLR0913, PLR0917  (fixtures)
    azureml: Emulator,
    lab: Place,
    opened: Open,
    tmp_path: Path,
    otherwise: dict[str, Any],
    differs: str,
) -> None:
    middle = azureml.workspace(lab.tenant, "middle")
    carry(opened(lab), address(lab, *WHAT), opened(middle), tmp_path)
    package = tmp_path / "m.mlpkg"
    pack_file(opened(lab).read(address(lab, *WHAT)), package, packed_at=0)
    register(azureml, lab, **otherwise)
    before = repr(lab.of("models"))
    with pytest.raises(ConflictError, match=f"it differs in {differs}$"):
        carry(opened(middle), address(middle, *WHAT), opened(lab), tmp_path)
    with pytest.raises(ConflictError, match=f"it differs in {differs}$"):
        given_back(opened, package, lab)
    assert repr(lab.of("models")) == before


def test_what_is_unchanged_comes_home_idle_by_every_way(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    places = [azureml.workspace(lab.tenant, name) for name in ("first", "second")]
    shared = azureml.registry(lab.tenant, "shared")
    before = repr((lab.of("models"), lab.of("environments")))
    source = lab
    for place in (*places, shared):
        carry(opened(source), address(source, *WHAT), opened(place), tmp_path)
        back = carry(opened(place), address(place, *WHAT), opened(lab), tmp_path).receipt
        assert (back.idle, back.losses, back.transformations) == (True, (), ())
        source = place
    package = tmp_path / "m.mlpkg"
    for place in (lab, *places, shared):
        pack_file(opened(place).read(address(place, *WHAT)), package, packed_at=0)
        back = given_back(opened, package, place)
        assert (back.idle, back.losses, back.transformations) == (True, (), ())
    assert repr((lab.of("models"), lab.of("environments"))) == before
    # The job is the first one's wherever the version is.
    for place in (*places, shared):
        said = place.version(*WHAT)["properties"]["properties"]
        assert said["mlarchive.job"] == "trained"


def test_a_version_that_got_another_number_on_its_way_comes_home_to_its_own(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    start, end = azureml.workspace(tenant, "start"), azureml.workspace(tenant, "end")
    shared = azureml.registry(tenant, "shared")
    azureml.put_model(start, "m", "1", FILES, tags={"k": "1"})
    azureml.put_model(start, "m", "2", {"w": b"2"})
    azureml.put_model(shared, "m", "1", {"w": b"another's"})
    following = WritePolicy(versions="next")
    carry(opened(start), address(start, *WHAT), opened(shared), tmp_path, following)
    second = ("models", "m", "2")
    carry(opened(shared), address(shared, *second), opened(end), tmp_path)
    end.version(*second)["properties"]["tags"]["k"] = "news"
    for idle in (False, True):
        back = carry(opened(end), address(end, *second), opened(start), tmp_path).receipt
        assert (back.idle, back.target.version) == (idle, "1")
    assert start.version(*WHAT)["properties"]["tags"] == {"k": "news"}
    assert set(start.of("models")["m"].versions) == {"1", "2"}


def test_a_copy_under_another_name_is_not_the_model_at_home_that_has_that_name(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    start, middle = azureml.workspace(tenant, "start"), azureml.workspace(tenant, "middle")
    shared = azureml.registry(tenant, "shared")
    for name in ("k", "m"):
        azureml.put_model(start, name, "1", FILES, tags={"which": name}, description=name)
        start.of("models")[name].properties["description"] = f"all of {name}"
    before = repr(start.of("models"))
    renamed = WritePolicy(rename="m")
    carry(opened(start), address(start, "models", "k", "1"), opened(middle), tmp_path, renamed)
    carry(opened(middle), address(middle, *WHAT), opened(shared), tmp_path)
    for place in (middle, shared):
        for policy in POLICIES[:2]:
            done = carry(opened(place), address(place, *WHAT), opened(start), tmp_path, policy)
            lost = {f"{one.record} {one.field}" for one in done.receipt.losses}
            its = ("models/m/1 description", "models/m/1 tag which", "models/m description")
            assert (done.receipt.idle, lost) == (True, set(its))
        home = WritePolicy(rename="k")
        done = carry(opened(place), address(place, *WHAT), opened(start), tmp_path, home)
        assert (done.receipt.idle, done.receipt.losses) == (True, ())
    assert repr(start.of("models")) == before
    # Where no model has that name, one gets it, and it is said what it was first.
    start.of("models").pop("m")
    for idle in (False, True):
        done = carry(opened(shared), address(shared, *WHAT), opened(start), tmp_path)
        assert (done.receipt.idle, done.receipt.target.version) == (idle, "1")
        told = [one.why for one in done.receipt.transformations if one.field == "name"]
        assert told == ([] if idle else ["it was first models/k here, which stays as it is"])
    assert set(start.of("models")["m"].versions) == {"1"}


def test_a_version_that_got_another_number_at_each_place_is_the_same_at_each_of_them(
    azureml: Emulator,
    source_server: MlflowServer,
    target_server: MlflowServer,
    opened: Open,
    tmp_path: Path,
) -> None:
    tenant = azureml.tenant()
    start, middle, end = (azureml.workspace(tenant, name) for name in ("start", "middle", "end"))
    shared = azureml.registry(tenant, "shared")
    name = f"way-{source_server.pid}"
    azureml.put_model(start, name, "1", FILES, tags={"k": "1"})
    for place, number in ((middle, "6"), (middle, "8"), (shared, "7"), (end, "8")):
        azureml.put_model(place, name, number, {"w": place.name.encode()})
    following = WritePolicy(versions="next")
    with MlflowRegistry.open(target_server.uri) as between:
        ways = [(place, opened(place)) for place in (start, middle, shared, end)]
        registries: list[Any] = [*(one for _, one in ways), between]
        what = address(start, "models", name, "1")
        at = [what]
        for source, target in pairwise(registries):
            at.append(carry(source, at[-1], target, tmp_path, following).receipt.target)
        assert [one.version for one in at] == ["1", "9", "8", "9", "1"]
        before = [repr(place.of("models")) for place, _ in ways]
        policies = cycle(POLICIES)
        for source, last in zip(registries, at, strict=True):
            for target, first in zip(registries, at, strict=True):
                if source is not target:
                    done = carry(source, last, target, tmp_path, next(policies)).receipt
                    assert done.target.version == first.version, (last, first)
        assert [repr(place.of("models")) for place, _ in ways] == before
        found = MlflowClient(target_server.uri).search_model_versions(f"name='{name}'")
        assert len(found) == 1


def test_a_version_at_home_goes_on_meaning_its_own_environment(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    middle = azureml.workspace(lab.tenant, "middle")
    carry(opened(lab), address(lab, *WHAT), opened(middle), tmp_path)
    package = tmp_path / "m.mlpkg"
    pack_file(opened(lab).read(address(lab, *WHAT)), package, packed_at=0)
    azureml.put_environment(lab, "e", "2", image="i:2")
    for _ in range(2):
        for done in (
            carry(opened(middle), address(middle, *WHAT), opened(lab), tmp_path).receipt,
            given_back(opened, package, lab),
        ):
            assert done.idle
            (loss,) = done.losses
            assert (loss.field, "means e:2" in loss.why) == ("environment e", True)


def test_what_a_package_of_a_thing_says_otherwise_than_the_thing_does_now_is_a_loss(
    lab: Place, azureml: Emulator, tmp_path: Path
) -> None:
    env = azureml.environment(lab.tenant)
    for what in ("models/m/1", "environments/e/1"):
        packing = ("pack", f"{lab.locator}#{what}", "-o", f"{what.replace('/', '-')}.mlpkg")
        within(*packing, cwd=tmp_path, env=env)
    version = lab.version(*WHAT)["properties"]
    version["tags"]["k"], version["description"] = "2", "more"
    lab.of("models")["m"].properties["description"] = "another"
    lab.version("environments", "e", "1")["properties"]["description"] = "another"
    before = repr((lab.of("models"), lab.of("environments")))
    for package, lost in (
        (
            "models-m-1",
            {"models/m/1 tag k", "models/m description", "environments/e/1 description"},
        ),
        ("environments-e-1", {"environments/e/1 description"}),
    ):
        done = within("unpack", f"{package}.mlpkg", lab.locator, "--json", cwd=tmp_path, env=env)
        found = {f"{one['record']} {one['field']}" for one in done.document["receipt"]["losses"]}
        assert (done.status, found) == (3, lost)
    assert repr((lab.of("models"), lab.of("environments"))) == before


def test_a_package_gives_back_what_was_deleted_with_all_that_it_says(
    lab: Place, opened: Open, tmp_path: Path
) -> None:
    package = tmp_path / "m.mlpkg"
    pack_file(opened(lab).read(address(lab, *WHAT)), package, packed_at=0)
    lab.of("models").clear()
    for idle in (False, True):
        done = given_back(opened, package, lab)
        assert (done.idle, done.losses) == (idle, ())
    assert lab.of("models")["m"].properties["description"] == "m"
    assert lab.version(*WHAT)["properties"]["tags"]["k"] == "1"


def test_a_job_that_was_changed_on_the_way_is_not_the_one_at_home(
    lab: Place, azureml: Emulator, tmp_path: Path
) -> None:
    env = azureml.environment(lab.tenant)
    within("copy", f"{lab.locator}#models/m", "innereye:out", cwd=tmp_path, env=env)
    back = ("copy", "innereye:out", lab.locator)
    assert "nothing to do" in within(*back, cwd=tmp_path, env=env).out
    document = tmp_path / "out" / "m_1" / "MODEL" / "model.json"
    said = json.loads(document.read_text("utf-8"))
    document.write_text(json.dumps({**said, "runId": "another"}), "utf-8")
    done = within(*back, cwd=tmp_path, env=env)
    assert (done.status, "it differs in its job" in done.err) == (14, True), done.out + done.err


def test_what_comes_back_to_a_place_that_it_came_through_is_there_already(
    azureml: Emulator,
    trained: tuple[Place, str],
    target_server: MlflowServer,
    opened: Open,
    tmp_path: Path,
) -> None:
    lab, _ = trained
    tenant = azureml.tenant()
    middle, shared = azureml.workspace(tenant, "middle"), azureml.registry(tenant, "shared")
    middle.tracking = target_server.uri
    target = opened(middle)
    carry(opened(lab), address(lab, "models", TRAINED, "1"), target, tmp_path)
    there = address(middle, "models", TRAINED, "1")
    version, runs = repr(middle.version("models", TRAINED, "1")), runs_of(middle).keys()
    with MlflowRegistry.open(lab.tracking) as between:
        ways = [
            (source, carry(target, there, source, tmp_path).receipt.target)
            for source in (opened(shared), between)
        ]
        for source, what in ways:
            for policy in POLICIES:
                done = carry(source, what, target, tmp_path, policy).receipt
                assert (done.idle, done.target.version, done.losses) == (True, "1", ())
        assert repr(middle.version("models", TRAINED, "1")) == version
        assert set(middle.of("models")[TRAINED].versions) == {"1"}
        assert runs_of(middle).keys() == runs
        # So it is where it went from there, though it is said by another.
        far = azureml.workspace(tenant, "far")
        far.tracking = target_server.uri
        carry(target, there, opened(far), tmp_path)
        before = runs_of(far).keys()
        for source, what in ways:
            done = carry(source, what, opened(far), tmp_path).receipt
            assert (done.idle, done.losses, runs_of(far).keys()) == (True, (), before)
        # What the run got on the way stays behind, and is told.
        at = ways[1][1]
        made = MlflowClient(lab.tracking).get_model_version(at.name, at.version).run_id
        MlflowClient(lab.tracking).log_param(str(made), "late", "1")
        late = carry(between, at, target, tmp_path).receipt
        assert (late.idle, [one.field for one in late.losses]) == (True, ["param late"])
        with pytest.raises(ConflictError, match="nothing but its run differs"):
            carry(between, at, opened(far), tmp_path)
        # Other files are another thing.
        middle.of("models")[TRAINED].versions.clear()
        azureml.put_model(middle, TRAINED, "1", {"x": b"other"})
        for source, what in ways:
            with pytest.raises(ConflictError, match="is taken by other content"):
                carry(source, what, target, tmp_path)
