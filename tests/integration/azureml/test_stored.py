"""Files are read as they are stored, whatever a storage account does to give them out."""

import gzip
import zlib
from copy import deepcopy
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient, ContentSettings, StandardBlobTier

from mlarchive.errors import ConflictError, SourceChangedError, UnsupportedError
from mlarchive.pack import pack_file
from mlarchive.registries.base import WritePolicy
from tests.integration.azureml.registries import Open, address, carry
from tests.support.azureml import Emulator, Place


@pytest.fixture
def lab(azureml: Emulator) -> Place:
    """A workspace with a model of one file, `w`."""
    lab = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_model(lab, "m", "1", {"w": b"1"})
    return lab


def stored(azureml: Emulator, place: Place) -> tuple[ContainerClient, str]:
    """Where the files of the model lie, and the path of their folder."""
    uri = place.version("models", "m", "1")["properties"]["modelUri"]
    store = place.datastores["workspaceblobstore"]
    client = azureml.storage.container(store.account, store.container)
    return client, uri.partition("/paths/")[2].rstrip("/")


def test_what_others_get_decoded_is_carried_as_it_is_stored(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    raw = {"gzip": gzip.compress(b"z" * 100), "deflate": zlib.compress(b"z" * 100), "br": b"x"}
    client, folder = stored(azureml, lab)
    for encoding, stands in (raw | {"identity": b"y"}).items():
        settings = ContentSettings(content_encoding=encoding)
        client.upload_blob(f"{folder}/{encoding}", stands, content_settings=settings)
    clinic = azureml.workspace(lab.tenant, "clinic")
    what = address(lab, "models", "m", "1")
    carry(opened(lab), what, opened(clinic), tmp_path)
    assert azureml.files_of(clinic, "m", "1") == {"w": b"1", "identity": b"y", **raw}
    lost = [loss.field for loss in opened(lab).read(what).losses]
    assert lost == [f"Content-Encoding of {name}" for name in ("br", "deflate", "gzip")]


def test_a_file_in_the_archive_tier_is_named_with_what_to_do(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    client, folder = stored(azureml, lab)
    client.get_blob_client(f"{folder}/w").set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    with pytest.raises(UnsupportedError, match=r"/w in .* is in the archive tier") as raised:
        carry(opened(lab), address(lab, "models", "m", "1"), opened(lab), tmp_path)
    assert "rehydrated" in raised.value.hint


@pytest.mark.parametrize("size", [1, 9_000_000])
def test_what_says_of_itself_what_it_is_not_is_sent_anew_where_that_is_asked_for(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path, size: int
) -> None:
    del lab.of("models")["m"]
    azureml.put_model(lab, "m", "1", {"w": b"1" * size, "v": b"2"})
    clinic, what = azureml.workspace(lab.tenant, "clinic"), address(lab, "models", "m", "1")
    carry(opened(lab), what, opened(clinic), tmp_path)
    client, folder = stored(azureml, clinic)
    blob = client.get_blob_client(f"{folder}/w")
    blob.upload_blob(b"3" * size, overwrite=True, metadata=blob.get_blob_properties().metadata)
    del clinic.of("models")["m"]
    with pytest.raises(ConflictError, match=r"somebody altered .*/w at .* since it was sent"):
        carry(opened(lab), what, opened(clinic), tmp_path)
    anew = WritePolicy(conflict="new-version")
    receipt = carry(opened(lab), what, opened(clinic), tmp_path, anew).receipt
    assert receipt.bytes == size
    assert azureml.files_of(clinic, "m", "1") == {"w": b"1" * size, "v": b"2"}


@pytest.mark.parametrize("size", [1, 9_000_000])
def test_a_file_that_is_replaced_while_it_is_read_is_named(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path, size: int
) -> None:
    del lab.of("models")["m"]
    azureml.put_model(lab, "m", "1", {"w": b"1" * size, "v": b"2"})
    what = address(lab, "models", "m", "1")
    snapshot = opened(lab).read(what)
    client, folder = stored(azureml, lab)
    client.upload_blob(f"{folder}/w", b"3", overwrite=True)
    with pytest.raises(SourceChangedError, match=f"^{folder}/w in .* was replaced while it was"):
        pack_file(snapshot, tmp_path / "m.mlpkg", packed_at=0)


def test_files_of_what_was_taken_over_are_looked_at_each_time(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    clinic, far = (azureml.workspace(lab.tenant, name) for name in ("clinic", "far"))
    azureml.put_model(clinic, "m", "1", {"w": b"1"})
    source, what = opened(lab), address(lab, "models", "m", "1")
    assert not carry(source, what, opened(clinic), tmp_path).receipt.idle
    assert carry(source, what, opened(clinic), tmp_path).receipt.idle

    said = clinic.version("models", "m", "1")["properties"]
    marked = {"tags": said["tags"], "properties": said["properties"]}
    azureml.put_model(far, "m", "1", {"w": b"2"}, **deepcopy(marked))
    client, folder = stored(azureml, clinic)
    client.upload_blob(f"{folder}/w", b"2", overwrite=True)
    for place in (clinic, far):
        with pytest.raises(ConflictError, match=r"altered its files since they were written: w$"):
            carry(source, what, opened(place), tmp_path)
        anew = carry(source, what, opened(place), tmp_path, WritePolicy(conflict="new-version"))
        assert azureml.files_of(place, "m", anew.receipt.target.version) == {"w": b"1"}
        assert azureml.files_of(place, "m", "1") == {"w": b"2"}, "people's files stay"
        again = carry(source, what, opened(place), tmp_path, WritePolicy(conflict="new-version"))
        assert again.receipt.idle


@pytest.mark.parametrize("raw", [b"2", b"longer"])
def test_what_somebody_altered_is_not_written_over_by_what_has_equal_files_and_another_name(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path, raw: bytes
) -> None:
    azureml.put_model(lab, "z", "1", {"w": b"1"})
    clinic = azureml.workspace(lab.tenant, "clinic")
    carry(opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path)
    client, folder = stored(azureml, clinic)
    client.upload_blob(f"{folder}/w", raw, overwrite=True)
    other = address(lab, "models", "z", "1")
    with pytest.raises(ConflictError, match=r"somebody altered .*/w at .* since it was sent"):
        carry(opened(lab), other, opened(clinic), tmp_path)
    assert azureml.files_of(clinic, "m", "1") == {"w": raw}
    assert "z" not in clinic.of("models")
    carry(opened(lab), other, opened(clinic), tmp_path, WritePolicy(conflict="new-version"))
    assert azureml.files_of(clinic, "z", "1") == {"w": b"1"}
