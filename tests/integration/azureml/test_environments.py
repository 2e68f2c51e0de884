"""Environments that models need travel with them; what cannot is a loss, and no secret does."""

from pathlib import Path

import pytest

from mlarchive.copy import Way, copy
from mlarchive.errors import ConflictError
from mlarchive.registries.azureml.standin import BASE_IMAGE
from tests.integration.azureml.registries import POLICIES, POLICY, Open, address, carry
from tests.support.azureml import Emulator
from tests.support.command import within
from tests.support.innereye import DOCK, PROSTATE, copied, read

MLMODEL = b"flavors:\n  python_function:\n    env: conda.yaml\n"


@pytest.mark.parametrize("tagged", ["7", ""])
def test_an_environment_that_got_another_number_is_the_model_s_at_every_hop(
    azureml: Emulator, opened: Open, tmp_path: Path, tagged: str
) -> None:
    tenant = azureml.tenant()
    lab, middle, clinic = (azureml.workspace(tenant, name) for name in ("lab", "mid", "clinic"))
    tags = {"python_environment_name": "gpu"} | (
        {"python_environment_version": tagged} if tagged else {}
    )
    azureml.put_environment(lab, "gpu", "7", image="ubuntu:22.04")
    azureml.put_model(lab, "m", "1", {"MLmodel": b"x"}, tags=tags)
    for place in (middle, clinic):
        azureml.put_environment(place, "gpu", "7", image=f"{place.name}:image")
    carry(opened(lab), address(lab, "models", "m", "1"), opened(middle), tmp_path)
    azureml.put_environment(middle, "gpu", "9", image="newer:image")
    second = carry(opened(middle), address(middle, "models", "m", "1"), opened(clinic), tmp_path)
    assert second.receipt.losses == ()
    said = clinic.version("models", "m", "1")["properties"]
    meant = said["properties"]["mlarchive.environment"].partition(":")[2]
    image = clinic.version("environments", "gpu", meant)["properties"]["image"]
    assert (image, said["tags"]["python_environment_name"]) == ("ubuntu:22.04", "gpu")


@pytest.mark.parametrize("tagged", ["7", ""])
def test_what_brought_along_an_environment_that_the_source_lacks_is_the_version_that_names_it(
    azureml: Emulator, opened: Open, tmp_path: Path, tagged: str
) -> None:
    tenant = azureml.tenant()
    lab, clinic = azureml.workspace(tenant, "lab"), azureml.workspace(tenant, "clinic")
    shared = azureml.registry(tenant, "shared")
    tags = {"python_environment_name": "gpu"} | (
        {"python_environment_version": tagged} if tagged else {}
    )
    azureml.put_environment(shared, "gpu", "7", image="ubuntu:22.04")
    azureml.put_environment(clinic, "gpu", "7", image="taken:1")
    azureml.put_model(lab, "m", "1", {"w": b"x"}, tags=tags)
    first = address(lab, "models", "m", "1")
    carry(opened(lab), first, opened(shared), tmp_path)
    carry(opened(shared), address(shared, "models", "m", "1"), opened(clinic), tmp_path)
    said = clinic.version("models", "m", "1")["properties"]["properties"]
    assert said["mlarchive.environment"] == "gpu:8"
    # A later one is not what the name meant then.
    azureml.put_environment(clinic, "gpu", "9", image="other:1")
    for policy in POLICIES:
        assert carry(opened(lab), first, opened(clinic), tmp_path, policy).receipt.idle
    assert list(clinic.of("models")["m"].versions) == ["1"]


def test_a_newer_environment_at_the_source_is_meant_by_the_version_that_was_written_from_it(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, fresh, held = (azureml.workspace(tenant, name) for name in ("lab", "fresh", "held"))
    shared, beyond = azureml.registry(tenant, "shared"), azureml.workspace(tenant, "beyond")
    tags = {"python_environment_name": "gpu"}
    azureml.put_environment(lab, "gpu", "3", image="i:3")
    azureml.put_environment(held, "gpu", "9", image="i:9")
    for place in (lab, held):
        azureml.put_model(place, "m", "1", {"w": b"x"}, tags=tags)
    first, places = address(lab, "models", "m", "1"), (fresh, shared, held)
    for place in places:
        told = carry(opened(lab), first, opened(place), tmp_path).receipt.transformations
        latest = ["it is what the name without a number means there, which meant 9"]
        assert [one.why for one in told if one.field == "@latest"] == (
            latest if place is held else []
        )
        means = [one.why for one in told if one.field == "environment"]
        assert means == (
            ["it means gpu:3 from now on, and meant gpu:9, which stays"] if place is held else []
        )
    carry(opened(shared), address(shared, "models", "m", "1"), opened(beyond), tmp_path)
    azureml.put_environment(lab, "gpu", "4", image="i:4")
    lab.version("models", "m", "1")["properties"]["description"] = "news"
    for place in places:
        done = carry(opened(lab), first, opened(place), tmp_path)
        told = done.receipt.transformations
        assert "@latest" not in {one.field for one in told}
        means = [one.why for one in told if one.field == "environment"]
        assert means == ["it means gpu:4 from now on, and meant gpu:3, which stays"]
        said = place.version("models", "m", "1")["properties"]
        meant = said["properties"]["mlarchive.environment"]
        assert (said["description"], meant, done.receipt.losses) == ("news", "gpu:4", ())
        assert {"3", "4"} <= set(place.of("environments")["gpu"].versions)
        assert carry(opened(lab), first, opened(place), tmp_path).receipt.idle
    # What came by another way stays as it is.
    losses = carry(opened(lab), first, opened(beyond), tmp_path).receipt.losses
    assert [one.field for one in losses] == ["description", "environment gpu"]


def test_another_environment_that_the_source_s_tags_name_by_now_is_a_label(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, fresh, held = (azureml.workspace(tenant, name) for name in ("lab", "fresh", "held"))
    shared, what = azureml.registry(tenant, "shared"), address(lab, "models", "m", "1")
    name, number = "python_environment_name", "python_environment_version"
    for place, version, image in ((lab, "3", "i:3"), (lab, "4", "i:4"), (held, "3", "taken:1")):
        azureml.put_environment(place, "gpu", version, image=image)
    azureml.put_environment(lab, "cpu", "1", image="i:1")
    for place in (lab, held):
        tags = {name: "gpu", number: "3"}
        azureml.put_model(place, "m", "1", {"w": b"x"}, tags=tags)
    places = (fresh, shared, held)
    for place in places:
        carry(opened(lab), what, opened(place), tmp_path)
    at_source = lab.version("models", "m", "1")["properties"]
    numbers = {"gpu:3": "gpu:4", "gpu:4": "gpu:5"}
    """At `held`, which has another one of that number."""
    named, before = [("gpu", "4"), ("gpu", ""), ("gpu", "3"), ("cpu", ""), ("", "")], "gpu:3"
    for (called, by), means in zip(
        named, ["gpu:4", "gpu:4", "gpu:3", "cpu:1", "cpu:1"], strict=True
    ):
        tags = {key: value for key, value in ((name, called), (number, by)) if value}
        at_source["tags"], at_source["description"] = tags, called + by
        for place in places:
            there, was = (
                numbers.get(one, one) if place is held else one for one in (means, before)
            )
            done = carry(opened(lab), what, opened(place), tmp_path).receipt
            told = [one.why for one in done.transformations if one.field == "environment"]
            moved = [f"it means {there} from now on, and meant {was}, which stays"]
            stays = "the version is there already and stays as it is, and means cpu:1"
            if not called:
                moved = [f"{stays}, where the source means none"]
            assert (told, done.losses) == (moved if there != was or not called else [], ())
            said = place.version("models", "m", "1")["properties"]
            assert said["properties"]["mlarchive.environment"] == there
            assert (said["description"], said["tags"].get(number, "")) == (called + by, by)
            assert carry(opened(lab), what, opened(place), tmp_path).receipt.idle
        before = means
    # Another one under its number is another content, and what people say there is theirs.
    at_source["tags"] = {name: "gpu", number: "3"}
    carry(opened(lab), what, opened(fresh), tmp_path)
    at_source["tags"] = {name: "gpu", number: "4"}
    fresh.version("models", "m", "1")["properties"]["tags"][number] = "7"
    with pytest.raises(ConflictError, match="its environment"):
        carry(opened(lab), what, opened(fresh), tmp_path)
    carry(opened(lab), what, opened(shared), tmp_path)
    lab.version("environments", "gpu", "4")["properties"]["image"] = "i:other"
    with pytest.raises(ConflictError, match="its environment"):
        carry(opened(lab), what, opened(shared), tmp_path)


def test_an_environment_that_tags_name_by_now_and_nobody_has_is_lost_until_it_is_there(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, places = (
        azureml.workspace(tenant, "lab"),
        (azureml.workspace(tenant, "fresh"), azureml.registry(tenant, "shared")),
    )
    tags = {"python_environment_name": "cpu", "python_environment_version": "1"}
    azureml.put_environment(lab, "cpu", "1", image="i:1")
    at_source = azureml.put_model(lab, "m", "1", {"w": b"x"}, tags=tags)["properties"]
    what = address(lab, "models", "m", "1")
    for place in places:
        carry(opened(lab), what, opened(place), tmp_path)
    at_source["tags"]["python_environment_version"], at_source["description"] = "2", "later"
    for place in places:
        for idle in (False, True):
            done = carry(opened(lab), what, opened(place), tmp_path).receipt
            lost = [loss.field for loss in done.losses]
            assert (lost, done.idle) == (["environment cpu, version 2"], idle)
        said = place.version("models", "m", "1")["properties"]
        meant = said["properties"]["mlarchive.environment"]
        assert (said["description"], meant) == ("later", "cpu:1")
    azureml.put_environment(lab, "cpu", "2", image="i:2")
    for place in places:
        done = carry(opened(lab), what, opened(place), tmp_path).receipt
        told = [one.why for one in done.transformations if one.field == "environment"]
        assert told == ["it means cpu:2 from now on, and meant cpu:1, which stays"]
        assert carry(opened(lab), what, opened(place), tmp_path).receipt.idle
    at_source["tags"]["python_environment_name"] = "gpu"
    for place in places:
        (loss,) = carry(opened(lab), what, opened(place), tmp_path).receipt.losses
        assert (loss.field, loss.why.partition("; ")[2]) == (
            "environment gpu, version 2",
            "what is there goes on meaning cpu:2",
        )
    azureml.put_environment(lab, "gpu", "2", image="i:3")
    for place in places:
        done = carry(opened(lab), what, opened(place), tmp_path).receipt
        told = [one.why for one in done.transformations if one.field == "environment"]
        assert told == ["it means gpu:2 from now on, and meant cpu:2, which stays"]
    # What is there under the number that is named is meant, as it is where it is named first.
    at_source["tags"]["python_environment_name"] = "cpu"
    at_source["tags"]["python_environment_version"] = "7"
    azureml.put_environment(places[0], "cpu", "7", image="i:7")
    done = carry(opened(lab), what, opened(places[0]), tmp_path).receipt
    told = [one.why for one in done.transformations if one.field == "environment"]
    assert told == ["it means cpu:7 from now on, and meant gpu:2, which stays"]


def test_a_password_of_a_docker_registry_reaches_no_package_and_no_target(
    azureml: Emulator, tmp_path: Path
) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    shared = azureml.registry(lab.tenant, "shared")
    hunter = "hunter2-of-a-registry"
    azureml.put_environment(
        *(lab, "gpu", "1"),
        image=f"robot:{hunter}@registry.example/gpu:7",
        properties={"baseImageRegistry": f'{{"password": "{hunter}"}}', "kept": "1"},
        tags={"registry_password": hunter},
    )
    azureml.put_model(lab, "m", "1", {"w": b"1"}, tags={"python_environment_name": "gpu"})
    env = azureml.environment(lab.tenant)
    keep = ("copy", f"{lab.locator}#models/m/1", shared.locator, "--keep", "kept")
    said = [within(*keep, cwd=tmp_path, env=env), within("ls", lab.locator, cwd=tmp_path, env=env)]
    assert [done.status for done in said] == [3, 0]
    assert "environments/gpu/1: tag registry_password: a secret is never kept" in said[0].err
    assert hunter not in "".join(done.out + done.err for done in said)
    assert hunter not in repr(shared.version("environments", "gpu", "1"))
    assert shared.version("environments", "gpu", "1")["properties"]["properties"]["kept"] == "1"
    (package,) = (tmp_path / "kept").rglob("*.mlpkg")
    assert within("unpack", package, "dir:out", cwd=tmp_path).status == 3
    written = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert b"registry.example/gpu:7" in b"".join(written)
    assert hunter.encode() not in b"".join(written)


def test_a_conda_file_that_is_no_text_is_a_loss_and_the_model_arrives(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, clinic = azureml.workspace(tenant, "lab"), azureml.workspace(tenant, "clinic")
    latin = {"MLmodel": MLMODEL, "conda.yaml": b"name: x\n# caf\xe9\n"}
    azureml.put_model(lab, "lat", "1", latin)
    carried = carry(opened(lab), address(lab, "models", "lat", "1"), opened(clinic), tmp_path)
    (loss,) = carried.receipt.losses
    assert (loss.record, loss.field) == ("models/lat/1", "environment lat")
    assert "conda.yaml is no UTF-8" in loss.why
    assert azureml.files_of(clinic, "lat", "1") == latin
    assert "lat" not in clinic.of("environments")


def test_which_dockerfile_of_a_context_is_built_makes_another_environment(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, clinic = azureml.workspace(tenant, "lab"), azureml.workspace(tenant, "clinic")
    other = azureml.workspace(tenant, "other")
    context = {"Dockerfile": b"FROM cpu", "Dockerfile.gpu": b"FROM gpu"}
    for place, number, built in ((lab, "1", ".gpu"), (lab, "2", ""), (other, "1", "")):
        azureml.put_environment(place, "e", number, context=context)
        build = place.version("environments", "e", number)["properties"]["build"]
        build["dockerfilePath"] = f"Dockerfile{built}"
        tags = {"python_environment_name": "e", "python_environment_version": number}
        azureml.put_model(place, f"m{number}", "1", {"w": b"1"}, tags=tags)
    target = opened(clinic)
    for _ in range(2):
        for name in ("m1", "m2"):
            done = carry(opened(lab), address(lab, "models", name, "1"), target, tmp_path).receipt
    assert done.idle
    said = [
        clinic.version("models", name, "1")["properties"]["properties"] for name in ("m1", "m2")
    ]
    assert [one["mlarchive.environment"] for one in said] == ["e:1", "e:2"]
    held = clinic.of("environments")["e"].versions
    paths = {number: one["properties"]["build"]["dockerfilePath"] for number, one in held.items()}
    assert paths == {"1": "Dockerfile.gpu", "2": "Dockerfile"}
    done = carry(opened(other), address(other, "environments", "e", "1"), target, tmp_path).receipt
    assert (done.target.version, set(clinic.of("environments")["e"].versions)) == ("2", {"1", "2"})
    # By any name it is the same where it has no other beside it.
    for place, path in ((lab, "Containerfile"), (clinic, "Dockerfile")):
        azureml.put_environment(place, "alone", "1", context={path: b"FROM gpu"})
        place.version("environments", "alone", "1")["properties"]["build"]["dockerfilePath"] = path
    done = carry(opened(lab), address(lab, "environments", "alone", "1"), target, tmp_path).receipt
    assert [one.verb for one in done.actions] == ["update"]


def test_environments_that_are_made_of_the_same_keep_their_numbers_and_labels(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, clinic = azureml.workspace(tenant, "lab"), azureml.workspace(tenant, "clinic")
    azureml.put_environment(lab, "e", "1", image="i:1", description="first", tags={"k": "1"})
    azureml.put_environment(lab, "e", "2", image="i:1", description="second")
    azureml.put_environment(lab, "e", "3", image="i:1", isArchived=True)
    azureml.put_model(lab, "m", "1", {"w": b"1"}, tags={"python_environment_name": "e"})
    azureml.put_environment(clinic, "e", "9", image="i:1", description="mine")
    source, target = opened(lab), opened(clinic)
    objects = [("models", "m", "1"), *(("environments", "e", number) for number in "321")]
    for idle in (False, True):
        done = [carry(source, address(lab, *one), target, tmp_path).receipt for one in objects]
        assert {receipt.idle for receipt in done[1:]} == {idle}
        said = {
            number: (one["properties"].get("description") or "", one["properties"]["isArchived"])
            for number, one in clinic.of("environments")["e"].versions.items()
        }
        assert said == {
            "1": ("first", False),
            "2": ("second", False),
            "3": ("", True),
            "9": ("mine", False),
        }
    assert done[0].idle
    meant = clinic.version("models", "m", "1")["properties"]["properties"]
    assert meant["mlarchive.environment"] == "e:2"


def test_an_environment_that_is_archived_as_a_whole_comes_home_as_itself(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, clinic = azureml.workspace(tenant, "lab"), azureml.workspace(tenant, "clinic")
    azureml.put_environment(lab, "e", "1", image="i:1", description="d")
    lab.of("environments")["e"].properties["isArchived"] = True
    source, target = opened(lab), opened(clinic)
    carry(source, address(lab, "environments", "e", "1"), target, tmp_path)
    assert clinic.version("environments", "e", "1")["properties"]["isArchived"] is True
    back = carry(target, address(clinic, "environments", "e", "1"), source, tmp_path).receipt
    assert (back.idle, back.losses, back.transformations) == (True, (), ())
    assert set(lab.of("environments")["e"].versions) == {"1"}
    # What is restored elsewhere stays hidden where all of it is: that is told.
    clinic.version("environments", "e", "1")["properties"]["isArchived"] = False
    back = carry(target, address(clinic, "environments", "e", "1"), source, tmp_path).receipt
    assert set(lab.of("environments")["e"].versions) == {"1"}
    (told,) = back.transformations
    assert (told.record, told.field) == ("environments/e", "lifecycle")
    assert "all of it is archived at the target" in told.why


def test_labels_of_an_environment_come_home_with_a_model_whatever_number_it_had_elsewhere(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, middle = azureml.workspace(tenant, "lab"), azureml.workspace(tenant, "middle")
    for number in ("4", "6"):
        azureml.put_environment(lab, "e", number, image="i:1", description="d", tags={"a": "b"})
    tags = {"python_environment_name": "e", "python_environment_version": "4"}
    azureml.put_model(lab, "m", "1", {"w": b"1"}, tags=tags)
    azureml.put_environment(middle, "e", "4", image="other:1")
    source, between = opened(lab), opened(middle)
    carry(source, address(lab, "models", "m", "1"), between, tmp_path)
    said = middle.version("environments", "e", "5")["properties"]
    said.update(description="news", isArchived=True)
    said["tags"]["a"] = "c"
    for idle in (False, True):
        done = carry(between, address(middle, "models", "m", "1"), source, tmp_path).receipt
        assert (done.idle, done.losses) == (idle, ())
    home = lab.version("environments", "e", "4")["properties"]
    assert (home["description"], home["tags"], home["isArchived"]) == ("news", {"a": "c"}, True)
    assert lab.version("environments", "e", "6")["properties"]["description"] == "d"
    assert "mlarchive." not in repr(lab.of("environments"))
    # By itself it comes home likewise.
    said["description"] = "more news"
    carry(between, address(middle, "environments", "e", "5"), source, tmp_path)
    assert lab.version("environments", "e", "4")["properties"]["description"] == "more news"
    assert set(lab.of("environments")["e"].versions) == {"4", "6"}


def test_what_azure_ml_cannot_hold_of_an_environment_is_a_loss_each_time(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    clinic = azureml.workspace(azureml.tenant(), "clinic")
    folder = copied(tmp_path, PROSTATE)
    for name, default, other in (
        ("MODEL/model.json", '"Custom"', '"PyTorch"'),
        ("ENVIRONMENT/azureml_environment.json", '"2g"', '"8g"'),
    ):
        path = folder / PROSTATE / name
        path.write_text(path.read_text("utf-8").replace(default, other), "utf-8")
    way = Way(scratch=tmp_path, packed_at=0)
    first, again = (copy(read(folder), opened(clinic), POLICY, way).receipt for _ in range(2))
    assert {(loss.record, loss.field) for loss in first.losses} >= {
        ("environments/InnerEye-Env/1", "variable RSLEX_DIRECT_VOLUME_MOUNT"),
        ("environments/InnerEye-Env/1", "docker.shmSize"),
        ("models/my_model/100", "framework"),
    }
    assert (again.idle, again.losses) == (True, first.losses)


@pytest.mark.parametrize("files", [{"w": b"1"}, {"MLmodel": MLMODEL, "conda.yaml": b"name: x\n"}])
def test_an_environment_that_neither_comes_along_nor_could_be_made_at_the_target_is_a_loss(
    azureml: Emulator, opened: Open, tmp_path: Path, files: dict[str, bytes]
) -> None:
    tenant = azureml.tenant()
    lab, clinic = (azureml.workspace(tenant, name) for name in ("lab", "clinic"))
    azureml.put_model(lab, "m", "1", files, tags={"python_environment_name": "gone"})
    azureml.put_environment(clinic, "gone", "1", image="i:1", provisioningState="Failed")
    for _ in range(2):
        done = carry(opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path)
        assert [one.field for one in done.receipt.losses] == ["environment gone"]
    assert done.receipt.idle
    said = clinic.version("models", "m", "1")["properties"]["properties"]
    assert said.get("mlarchive.environment") == ("m:1" if "MLmodel" in files else None)
    assert list(clinic.of("environments")["gone"].versions) == ["1"]


@pytest.mark.parametrize("files", [{"w": b"1"}, {"MLmodel": MLMODEL, "conda.yaml": b"name: x\n"}])
def test_another_version_of_the_environment_that_a_model_names_is_not_that_one(
    azureml: Emulator, opened: Open, tmp_path: Path, files: dict[str, bytes]
) -> None:
    tenant = azureml.tenant()
    lab, clinic = (azureml.workspace(tenant, name) for name in ("lab", "clinic"))
    tags = {"python_environment_name": "gpu", "python_environment_version": "2"}
    azureml.put_model(lab, "m", "1", files, tags=tags)
    azureml.put_environment(clinic, "gpu", "1", image="i:1")
    what, ends = address(lab, "models", "m", "1"), (opened(lab), opened(clinic))
    stands_in = "m:1" if "MLmodel" in files else None
    for _ in range(2):
        done = carry(ends[0], what, ends[1], tmp_path)
        assert [one.field for one in done.receipt.losses] == ["environment gpu, version 2"]
        said = clinic.version("models", "m", "1")["properties"]["properties"]
        assert said.get("mlarchive.environment") == stands_in
    assert done.receipt.idle
    azureml.put_environment(clinic, "gpu", "2", image="i:2")
    assert carry(ends[0], what, ends[1], tmp_path).receipt.losses == ()
    said = clinic.version("models", "m", "1")["properties"]["properties"]
    assert said.get("mlarchive.environment") == (stands_in and "gpu:2")


def test_what_stands_for_an_environment_never_passes_for_it(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    shared, clinic = azureml.registry(tenant, "shared"), azureml.workspace(tenant, "clinic")
    tags = {"python_environment_name": "gpu"}
    files = {"MLmodel": MLMODEL, "conda.yaml": b"name: x\n"}
    # One is called as the environment that it names.
    for name, held in (("a", files), ("gpu", files), ("b", {"w": b"1"})):
        azureml.put_model(shared, name, "1", held, tags=tags)
    for _ in range(2):
        for name in ("a", "gpu", "b"):
            done = carry(
                opened(shared), address(shared, "models", name, "1"), opened(clinic), tmp_path
            )
            assert [one.field for one in done.receipt.losses] == ["environment gpu"]
    assert done.receipt.idle
    assert set(clinic.of("environments")) == {"a", "gpu-files"}
    (lost,) = opened(clinic).read(address(clinic, "models", "b", "1")).losses
    assert (lost.field, "cannot be read" in lost.why) == ("environment gpu", True)
    # It comes home as nothing, and goes on as what it is.
    azureml.put_environment(shared, "gpu", "3", image="ubuntu:22.04")
    home = carry(opened(clinic), address(clinic, "models", "a", "1"), opened(shared), tmp_path)
    assert (home.receipt.idle, set(shared.of("environments"))) == (True, {"gpu"})
    further, real = (azureml.workspace(tenant, name) for name in ("further", "real"))
    azureml.put_environment(real, "gpu", "8", image="ubuntu:22.04")
    for place, there in ((further, {"a"}), (real, {"gpu"})):
        for _ in range(2):
            on = carry(opened(clinic), address(clinic, "models", "a", "1"), opened(place), tmp_path)
            fields = [one.field for one in on.receipt.losses]
            assert fields == (["environment gpu"] if place is further else [])
        assert set(place.of("environments")) == there
    # What another source wrote stays as it is, and what it lacks is told.
    other = azureml.registry(tenant, "other")
    azureml.put_environment(other, "gpu", "3", image="ubuntu:22.04")
    for name, held in (("a", files), ("b", {"w": b"1"})):
        azureml.put_model(other, name, "1", held, tags=tags)
        done = carry(opened(other), address(other, "models", name, "1"), opened(clinic), tmp_path)
        assert (done.receipt.idle, len(done.receipt.losses)) == (True, 1)
        assert done.receipt.losses[0].field == "environment gpu"
    # The real one takes its place where it comes later.
    carry(opened(shared), address(shared, "models", "a", "1"), opened(clinic), tmp_path)
    said = clinic.version("models", "a", "1")["properties"]["properties"]
    assert said["mlarchive.environment"] == "gpu:3"


def test_what_was_changed_where_it_lies_is_not_what_comes_back(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    shared = azureml.registry(azureml.tenant(), "shared")
    lab = azureml.workspace(shared.tenant, "lab")
    azureml.put_model(shared, "m", "1", {"w": b"1"}, folder="own", flavors={"x": {"data": {}}})
    carry(opened(shared), address(shared, "models", "m", "1"), opened(lab), tmp_path)
    env = azureml.environment(lab.tenant)
    within("copy", f"{lab.locator}#models/m", "innereye:out", cwd=tmp_path, env=env)
    back = ("copy", "innereye:out", lab.locator)
    assert "nothing to do" in within(*back, cwd=tmp_path, env=env).out
    store = lab.datastores["workspaceblobstore"]
    uri = lab.version("models", "m", "1")["properties"]["modelUri"]
    azureml.storage.put(store.account, store.container, uri.partition("/paths/")[2], {"w": b"2"})
    done = within(*back, cwd=tmp_path, env=env)
    assert (done.status, "it differs in its files" in done.err) == (14, True), done.out + done.err


def test_what_stands_in_leaves_a_real_environment_of_the_model_s_name_alone(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, clinic = azureml.workspace(tenant, "lab"), azureml.workspace(tenant, "clinic")
    azureml.put_model(lab, "m", "1", {"MLmodel": MLMODEL, "conda.yaml": b"name: x\n"})
    azureml.put_environment(clinic, "m", "1", image="real:1")
    for idle in (False, True):
        done = carry(opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path)
        assert done.receipt.idle is idle
        held = clinic.of("environments")
        assert {name: set(held[name].versions) for name in held} == {"m": {"1"}, "m-files": {"1"}}
    # What stands there first keeps its name.
    azureml.put_environment(clinic, "m-files", "2", image="real:2")
    assert carry(
        opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path
    ).receipt.idle


@pytest.mark.parametrize("is_marked", [True, False])
def test_what_stands_in_is_never_taken_for_the_real_one_that_comes_later(
    azureml: Emulator, opened: Open, tmp_path: Path, *, is_marked: bool
) -> None:
    tenant = azureml.tenant()
    lab, clinic = azureml.workspace(tenant, "lab"), azureml.workspace(tenant, "clinic")
    azureml.put_model(lab, "m", "1", {"MLmodel": MLMODEL, "conda.yaml": b"name: x\n"})
    carry(opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path)
    if not is_marked:
        # As earlier versions wrote it.
        del clinic.version("environments", "m", "1")["properties"]["properties"]["mlarchive.stated"]
    azureml.put_environment(lab, "m", "1", condaFile="name: x\n", image=BASE_IMAGE)
    azureml.put_model(lab, "user", "1", {"w": b"1"}, tags={"python_environment_name": "m"})
    alone = opened(lab), address(lab, "environments", "m", "1"), opened(clinic), tmp_path
    with pytest.raises(ConflictError, match=r"is what the files of (models/m|a model) state"):
        carry(*alone)
    for idle in (False, True):
        done = carry(opened(lab), address(lab, "models", "user", "1"), opened(clinic), tmp_path)
        assert (done.receipt.idle, done.receipt.losses) == (idle, ())
        assert opened(clinic).read(address(clinic, "models", "user", "1")).losses == ()
    said = clinic.version("models", "user", "1")["properties"]["properties"]
    assert said["mlarchive.environment"] == "m:2"
    assert carry(*alone).receipt.target.version == "2"
    # Nor does it take the name of a real one where it comes along.
    further = azureml.workspace(tenant, "further")
    azureml.put_environment(further, "m", "7", image="real:7")
    for idle in (False, True):
        done = carry(opened(clinic), address(clinic, "models", "m", "1"), opened(further), tmp_path)
        assert done.receipt.idle is idle
        held = further.of("environments")
        assert {name: set(held[name].versions) for name in held} == {"m": {"7"}, "m-files": {"1"}}


def test_an_environment_that_the_source_does_not_mean_and_the_target_does_is_told(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, other, clinic = (azureml.workspace(tenant, name) for name in ("lab", "other", "clinic"))
    azureml.put_environment(lab, "e", "1", image="i:1")
    azureml.put_model(lab, "m", "1", {"w": b"1"}, tags={"python_environment_name": "e"})
    azureml.put_model(other, "m", "1", {"w": b"1"})
    carry(opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path)
    done = carry(opened(other), address(other, "models", "m", "1"), opened(clinic), tmp_path)
    (told,) = done.receipt.transformations
    assert (told.field, "means e:1, where the source means none" in told.why) == (
        "environment",
        True,
    )


def test_what_comes_back_by_way_of_an_innereye_folder_is_there_already(
    azureml: Emulator, tmp_path: Path
) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_environment(lab, "E", "4", image="i:1", condaFile="name: x\n")
    tags = {"python_environment_name": "E"}
    azureml.put_model(lab, "own", "3", {"score.py": b"1"}, folder="final_model", tags=tags)
    env = azureml.environment(lab.tenant)
    first = copied(tmp_path, PROSTATE, DOCK)
    assert within("copy", f"innereye:{first}", lab.locator, cwd=tmp_path, env=env).status == 3
    within("copy", lab.locator, "innereye:out", cwd=tmp_path, env=env)
    before = repr((lab.of("models"), lab.of("environments")))
    for more in ((), ("--versions", "next"), ("--conflict", "new-version")):
        done = within("copy", "innereye:out", lab.locator, *more, cwd=tmp_path, env=env)
        assert (done.status in {0, 3}, done.out.count("nothing to do")) == (True, 3), done.err
        assert repr((lab.of("models"), lab.of("environments"))) == before
    # So it is in the folder that the script made, and in one that had it from elsewhere.
    held = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    for more in ((), ("--versions", "next"), ("--conflict", "new-version")):
        models = (f"{lab.locator}#models/{name}" for name in ("dock", "my_model"))
        done = within("copy", *models, f"innereye:{first}/", *more, cwd=tmp_path, env=env)
        assert (done.status in {0, 3}, done.out.count("nothing to do")) == (True, 2), done.out
        assert {path: path.read_bytes() for path in held} == held
    other = azureml.workspace(lab.tenant, "other")
    within("copy", "innereye:out", other.locator, cwd=tmp_path, env=env)
    held = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    done = within("copy", f"{other.locator}#models/own", "innereye:out", cwd=tmp_path, env=env)
    assert (done.out.count("nothing to do"), done.status) == (1, 0), done.out
    assert {path: path.read_bytes() for path in held} == held
    lab.version("models", "dock", "1")["properties"]["tags"]["site"] = "news"
    done = within("copy", f"{lab.locator}#models/dock", f"innereye:{first}", cwd=tmp_path, env=env)
    assert (done.status, "tag site: it comes back to the folder" in done.err) == (3, True), done.err
