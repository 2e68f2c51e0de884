"""An environment at a target is what it says of itself and what its files are by now."""

from copy import deepcopy
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mlarchive.errors import ConflictError
from mlarchive.registries.base import WritePolicy
from tests.integration.azureml.registries import Open, address, carry
from tests.support.azureml import Emulator, Place

CONTEXT = {"Dockerfile": b"FROM x", "a": b"1"}
TAGS = {"python_environment_name": "gpu"}
ANEW, SKIP = WritePolicy(conflict="new-version"), WritePolicy(conflict="skip")


def context(place: Place, number: str) -> str:
    """Where the build context of an environment lies in its container."""
    uri = place.version("environments", "gpu", number)["properties"]["build"]["contextUri"]
    return str(urlsplit(uri).path.lstrip("/").partition("/")[2].rstrip("/"))


def meant(place: Place, name: str) -> str:
    said = place.version("models", name, "1")["properties"]["properties"]
    return str(said["mlarchive.environment"])


def test_a_build_context_that_somebody_altered_is_a_conflict_and_is_written_anew(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    lab, clinic = azureml.workspace(tenant, "lab"), azureml.workspace(tenant, "clinic")
    azureml.put_environment(lab, "gpu", "1", context=CONTEXT)
    for name in ("m", "n"):
        azureml.put_model(lab, name, "1", {"w": name.encode()}, tags=TAGS)
    old, new = address(lab, "models", "m", "1"), address(lab, "models", "n", "1")
    own = address(lab, "environments", "gpu", "1")
    source = opened(lab)
    carry(source, old, opened(clinic), tmp_path)
    before = len(azureml.requests)
    assert carry(source, old, opened(clinic), tmp_path).receipt.idle
    below, store = context(clinic, "1"), clinic.datastores["workspaceblobstore"]
    assert not [one for one in azureml.requests[before:] if below in one.path], "a file was read"
    files = azureml.storage.container(store.account, store.container)
    azureml.storage.put(store.account, store.container, below, {"a": b"evil"})
    trouble = "gpu/1 at .* somebody altered its build context since it was written: a$"
    for what in (old, new, own):
        with pytest.raises(ConflictError, match=trouble):
            carry(source, what, opened(clinic), tmp_path)
    receipt = carry(source, new, opened(clinic), tmp_path, SKIP).receipt
    assert "build context" in {loss.field for loss in receipt.losses}
    assert carry(source, own, opened(clinic), tmp_path, SKIP).receipt.actions[0].verb == "skip"
    for blob in [*files.list_blobs(name_starts_with=below)]:
        files.delete_blob(blob.name)
    with pytest.raises(ConflictError, match="since it was written: nothing lies at"):
        carry(source, old, opened(clinic), tmp_path)
    carry(source, old, opened(clinic), tmp_path, ANEW)
    assert meant(clinic, "m") == "gpu:2"
    made = clinic.version("environments", "gpu", "2")["properties"]["build"]["contextUri"]
    assert azureml.files_at(clinic, made) == CONTEXT
    assert carry(source, old, opened(clinic), tmp_path).receipt.idle


@pytest.mark.parametrize("kind", ["workspace", "registry"])
def test_what_somebody_made_of_it_with_all_its_marks_is_another_one(
    azureml: Emulator, opened: Open, tmp_path: Path, kind: str
) -> None:
    tenant = azureml.tenant()
    lab, first = azureml.workspace(tenant, "lab"), azureml.workspace(tenant, "first")
    second = getattr(azureml, kind)(tenant, "second")
    azureml.put_environment(lab, "gpu", "1", image="ours:1")
    azureml.put_model(lab, "m", "1", {"w": b"1"}, tags={**TAGS, "python_environment_version": "1"})
    own, model = address(lab, "environments", "gpu", "1"), address(lab, "models", "m", "1")
    carry(opened(lab), own, opened(first), tmp_path)
    said = deepcopy(first.version("environments", "gpu", "1")["properties"])
    marked = {"tags": said["tags"], "properties": said["properties"]}
    azureml.put_environment(second, "gpu", "1", image="theirs:1", **marked)
    with pytest.raises(ConflictError, match=r"environments/gpu/1 at .* is another one"):
        carry(opened(lab), own, opened(second), tmp_path)
    carry(opened(lab), model, opened(second), tmp_path)
    assert meant(second, "m") == "gpu:2"
    assert second.version("environments", "gpu", "2")["properties"]["image"] == "ours:1"
    # So it is with a model, which says what it was written as; of older ones their files tell, in
    # a workspace, where those that this program sends have a place of their own.
    there = deepcopy(second.version("models", "m", "1")["properties"])
    marked = {"tags": there["tags"], "properties": there["properties"]}
    azureml.put_model(second, "m", "2", {"w": b"theirs"}, **marked)
    del second.of("models")["m"].versions["1"]
    assert carry(opened(lab), model, opened(second), tmp_path).receipt.target.version == "1"
    del second.of("models")["m"].versions["1"]
    del second.version("models", "m", "2")["properties"]["properties"]["mlarchive.written"]
    if kind == "workspace":
        assert carry(opened(lab), model, opened(second), tmp_path).receipt.target.version == "1"
        return
    with pytest.raises(ConflictError, match=r"version 2 of the model 'm' .*: w$"):
        carry(opened(lab), model, opened(second), tmp_path)
