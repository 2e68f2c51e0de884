"""What changes while it is read makes no package, be it that only more comes."""

from pathlib import Path

import pytest

from mlarchive.errors import SourceChangedError
from mlarchive.pack import pack_file
from tests.integration.azureml.registries import Open, address
from tests.support.azureml import Emulator, Place


@pytest.fixture
def lab(azureml: Emulator) -> Place:
    """A workspace with a model, and an environment that is built."""
    place = azureml.workspace(azureml.tenant(), "lab")
    azureml.put_environment(place, "built", "1", context={"Dockerfile": b"FROM ubuntu\n"})
    azureml.put_model(place, "m", "1", {"w": b"1"})
    return place


def test_a_file_that_comes_or_goes_while_a_model_is_read_is_a_change(
    azureml: Emulator, lab: Place, opened: Open, tmp_path: Path
) -> None:
    uri = lab.version("models", "m", "1")["properties"]["modelUri"]
    store = lab.datastores["workspaceblobstore"]
    path = uri.partition("/paths/")[2].rstrip("/")
    for number in range(2):
        snapshot = opened(lab).read(address(lab, "models", "m", "1"))
        azureml.storage.put(store.account, store.container, path, {"late": bytes(number)})
        with pytest.raises(SourceChangedError, match="late in "):
            pack_file(snapshot, tmp_path / f"{number}.mlpkg", packed_at=0)
    snapshot = opened(lab).read(address(lab, "models", "m", "1"))
    pack_file(snapshot, tmp_path / "whole.mlpkg", packed_at=0)
    uri = lab.version("environments", "built", "1")["properties"]["build"]["contextUri"]
    path = uri.partition(f"/{store.container}/")[2].rstrip("/")
    snapshot = opened(lab).read(address(lab, "environments", "built", "1"))
    azureml.storage.put(store.account, store.container, path, {"late": b""})
    with pytest.raises(SourceChangedError, match="late in "):
        pack_file(snapshot, tmp_path / "environment.mlpkg", packed_at=0)
