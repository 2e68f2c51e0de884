"""Where a model's files lie, and under which names, wherever it goes."""

from pathlib import Path

import pytest

from mlarchive.snapshot import entry_name
from tests.integration.azureml.registries import Open, address, carry
from tests.support.azureml import Emulator
from tests.support.azureml.files import FILES


def test_one_file_lies_beside_a_folder_that_has_no_other(
    azureml: Emulator, opened: Open, tmp_path: Path
) -> None:
    tenant = azureml.tenant()
    shared, clinic = azureml.registry(tenant, "shared"), azureml.workspace(tenant, "clinic")
    for name in ("folder", "alone"):
        azureml.put_model(shared, name, "1", {"w": b"1"})
    said = shared.version("models", "alone", "1")["properties"]
    said["modelUri"] += "/w"
    for name in ("folder", "alone"):
        carry(opened(shared), address(shared, "models", name, "1"), opened(clinic), tmp_path)
    assert clinic.version("models", "alone", "1")["properties"]["modelUri"].endswith("/w")
    assert azureml.files_of(clinic, "folder", "1") == {"w": b"1"}


def test_a_blob_that_has_the_very_name_of_the_folder_is_a_loss(
    azureml: Emulator, opened: Open
) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_model(lab, "m", "1", {"w": b"1"})
    said = lab.version("models", "m", "1")["properties"]
    above = said["modelUri"].partition("/paths/")[2]
    said["modelUri"] += "/w"
    what = address(lab, "models", "m", "1")
    assert opened(lab).read(what).losses == ()
    store = lab.datastores["workspaceblobstore"]
    azureml.storage.put(store.account, store.container, above, {"w/w": b"in", "w2": b"sibling"})
    snapshot = opened(lab).read(what)
    assert [entry_name(stream.entry) for stream in snapshot.streams] == ["w"]
    assert [(loss.record, loss.field) for loss in snapshot.losses] == [("models/m/1", "w")]
    # An account with a hierarchical namespace lists the folder itself so.
    client = azureml.storage.container(store.account, store.container)
    marked = {"hdi_isfolder": "true"}
    client.upload_blob(f"{above}/w", b"", metadata=marked, overwrite=True)
    assert opened(lab).read(what).losses == ()


@pytest.mark.parametrize("folder", ["my model \u00fc", "50%20off"])
def test_a_folder_of_any_name_is_read_again_where_it_was_written(
    azureml: Emulator, opened: Open, tmp_path: Path, folder: str
) -> None:
    tenant = azureml.tenant()
    lab, clinic = azureml.workspace(tenant, "lab"), azureml.workspace(tenant, "clinic")
    shared = azureml.registry(tenant, "shared")
    azureml.put_model(lab, "fold", "1", FILES, folder=folder)
    for source, target in ((lab, shared), (shared, clinic), (clinic, lab)):
        carried = carry(
            opened(source), address(source, "models", "fold", "1"), opened(target), tmp_path
        )
        assert carried.receipt.losses == ()
        assert azureml.files_of(target, "fold", "1") == FILES
    assert carried.receipt.actions[-1].verb != "create"


def test_a_path_that_was_registered_encoded_is_read(azureml: Emulator, opened: Open) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_model(lab, "fold", "1", FILES, folder="my model")
    said = lab.version("models", "fold", "1")["properties"]
    said["modelUri"] = said["modelUri"].replace("my model", "my%20model")
    snapshot = opened(lab).read(address(lab, "models", "fold", "1"))
    assert len(snapshot.streams) == len(FILES)
    (told,) = snapshot.transformations
    assert (told.record, told.field) == ("models/fold/1", "path")
    assert "nothing lies there" in told.why


def test_a_name_that_is_composed_is_a_loss_and_the_file_is_kept(
    azureml: Emulator, opened: Open
) -> None:
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_model(lab, "m", "1", {"e\u0301": b"7", "\u00fc": b"1"})
    snapshot = opened(lab).read(address(lab, "models", "m", "1"))
    assert {entry_name(one.entry) for one in snapshot.streams} == {"\u00e9", "\u00fc"}
    (loss,) = snapshot.losses
    assert (loss.record, loss.field) == ("models/m/1", "\u00e9")
    assert "composed form" in loss.why
