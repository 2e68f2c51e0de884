"""Files are read as they are stored, whatever a storage account does to give them out."""

import gzip
import zlib
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import pytest
from azure.storage.blob import ContainerClient, ContentSettings, StandardBlobTier

from mlarchive.copy import Way, plan_copy
from mlarchive.errors import ConflictError, RemoteError, SourceChangedError, UnsupportedError
from mlarchive.pack import pack_file
from mlarchive.records import Address
from mlarchive.registries.azureml import uploading
from mlarchive.registries.azureml.blobfolder import open_blob
from mlarchive.registries.azureml.containers import Blob, BlobContainer
from mlarchive.registries.base import Source, Target, WritePlan, WritePolicy
from tests.integration.azureml.registries import Open, address, carry
from tests.support.azureml import Emulator, Place

SKIP = WritePolicy(conflict="skip")
ANEW = WritePolicy(conflict="new-version")


def seen(
    source: Source, what: Address, target: Target, scratch: Path, policy: WritePolicy
) -> WritePlan:
    """What a copy would do."""
    return plan_copy(source.read(what), target, policy, Way(scratch=scratch, packed_at=0)).plan


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
    receipt = carry(opened(lab), what, opened(clinic), tmp_path, ANEW).receipt
    assert (receipt.bytes, [one.field for one in receipt.transformations]) == (size, ["files"])
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
        with pytest.raises(ConflictError, match=r"files are no longer as they were written: w$"):
            carry(source, what, opened(place), tmp_path)
        anew = carry(source, what, opened(place), tmp_path, ANEW)
        assert azureml.files_of(place, "m", anew.receipt.target.version) == {"w": b"1"}
        assert azureml.files_of(place, "m", "1") == {"w": b"2"}, "people's files stay"
        again = carry(source, what, opened(place), tmp_path, ANEW)
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
    with pytest.raises(ConflictError, match=r"somebody altered .*/w at .* since it was sent"):
        seen(opened(lab), other, opened(clinic), tmp_path, WritePolicy())
    skip = carry(opened(lab), other, opened(clinic), tmp_path, SKIP).receipt
    assert [one.verb for one in skip.actions] == ["skip"]
    assert "somebody altered" in skip.actions[0].why
    assert "z" not in clinic.of("models")
    plan = seen(opened(lab), other, opened(clinic), tmp_path, ANEW)
    receipt = carry(opened(lab), other, opened(clinic), tmp_path, ANEW).receipt
    assert azureml.files_of(clinic, "z", "1") == {"w": b"1"}
    (told,) = receipt.transformations
    assert (told.record, told.field, plan.transformations) == ("models/z/1", "files", (told,))
    assert f"altered {folder}/w" in told.why


def test_what_somebody_added_where_files_go_is_told_before_any_is_sent(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    azureml.put_model(lab, "z", "1", {"w": b"1"})
    clinic, other = azureml.workspace(lab.tenant, "clinic"), address(lab, "models", "z", "1")
    carry(opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path)
    client, folder = stored(azureml, clinic)
    client.upload_blob(f"{folder}/more", b"2")
    for policy in (WritePolicy(), ANEW):
        with pytest.raises(RemoteError, match=f"holds {folder}/more beside what is sent there"):
            seen(opened(lab), other, opened(clinic), tmp_path, policy)
    passed = carry(opened(lab), other, opened(clinic), tmp_path, SKIP).receipt
    assert [(one.verb, f"{folder}/more" in one.why) for one in passed.actions] == [("skip", True)]


def test_what_was_written_over_stays_told_where_somebody_else_is_quicker(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    azureml.put_model(lab, "z", "1", {"w": b"1"})
    clinic = azureml.workspace(lab.tenant, "clinic")
    carry(opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path)
    client, folder = stored(azureml, clinic)
    client.upload_blob(f"{folder}/w", b"2", overwrite=True)
    azureml.faults.meanwhile(
        lambda: azureml.put_model(clinic, "z", "1", {"w": b"other"}),
        counts=lambda method, _, path: method == "PUT" and path.endswith("/models/z/versions/1"),
    )
    other = address(lab, "models", "z", "1")
    receipt = carry(opened(lab), other, opened(clinic), tmp_path, ANEW).receipt
    assert receipt.target.version == "2"
    assert [one.field for one in receipt.transformations if folder in one.why] == ["files"]


def test_what_another_write_sends_at_the_same_time_is_no_change_at_the_source(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic, what = azureml.workspace(lab.tenant, "clinic"), address(lab, "models", "m", "1")
    times: list[Blob] = []

    def replaced(container: BlobContainer, blob: Blob, pool: ThreadPoolExecutor) -> BinaryIO:
        if container.url.endswith(store.container) and not times:
            times.append(blob)
            client = azureml.storage.container(store.account, store.container)
            client.upload_blob(blob.name, b"1", overwrite=True)
        return open_blob(container, blob, pool)

    store = clinic.datastores["workspaceblobstore"]
    monkeypatch.setattr(uploading, "open_blob", replaced)
    receipt = carry(opened(lab), what, opened(clinic), tmp_path).receipt
    assert (len(times), receipt.target.version) == (1, "1")
    assert azureml.files_of(clinic, "m", "1") == {"w": b"1"}


def test_a_build_context_that_is_altered_where_another_environment_has_it_is_not_used(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    context = {"Dockerfile": b"FROM x"}
    for name in ("gpu", "cpu"):
        azureml.put_environment(lab, name, "1", context=context)
    azureml.put_model(lab, "z", "1", {"v": b"1"}, tags={"python_environment_name": "cpu"})
    clinic, source = azureml.workspace(lab.tenant, "clinic"), opened(lab)
    carry(source, address(lab, "environments", "gpu", "1"), opened(clinic), tmp_path)
    uri = clinic.version("environments", "gpu", "1")["properties"]["build"]["contextUri"]
    below, store = urlsplit(uri).path.strip("/").partition("/")[2], "workspaceblobstore"
    account = clinic.datastores[store].account
    azureml.storage.put(account, clinic.datastores[store].container, below, {"Dockerfile": b"evil"})
    own, model = address(lab, "environments", "cpu", "1"), address(lab, "models", "z", "1")
    for what in (own, model):
        with pytest.raises(ConflictError, match=r"somebody altered .*/Dockerfile at"):
            carry(source, what, opened(clinic), tmp_path)
    # People's own of that number is not what the model means.
    azureml.put_environment(clinic, "cpu", "1", image="people:9")
    for what in (own, model):
        receipt = carry(source, what, opened(clinic), tmp_path, SKIP).receipt
        assert [one.verb for one in receipt.actions] == ["skip"]
        assert (receipt.losses, receipt.transformations) == ((), ())
    assert "z" not in clinic.of("models")
    del clinic.of("environments")["cpu"]
    receipt = carry(source, own, opened(clinic), tmp_path, ANEW).receipt
    assert [one.field for one in receipt.transformations] == ["files"]
    assert azureml.files_at(clinic, uri) == context


def test_files_of_a_version_whose_datastore_is_gone_are_not_said_to_be_altered(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    clinic, what = azureml.workspace(lab.tenant, "clinic"), address(lab, "models", "m", "1")
    carry(opened(lab), what, opened(clinic), tmp_path)
    said = clinic.version("models", "m", "1")["properties"]
    said["modelUri"] = said["modelUri"].replace("workspaceblobstore", "gone")
    with pytest.raises(ConflictError, match=r"no longer as they were written: .* not found") as one:
        carry(opened(lab), what, opened(clinic), tmp_path)
    assert "altered" not in one.value.message
