"""The fixture `azureml`: an emulator and an Azurite that the session's tests share.

Each test finds the emulator empty. Its address and its tenants stay the same, so that the process
of a cloud, which takes seconds to start, can serve one test after another.
"""

from collections.abc import Iterator

import pytest

from tests.support.azureml.authority import Authority
from tests.support.azureml.azurite import Azurite, require_azurite, running_azurite
from tests.support.azureml.emulator import Emulator, running_emulator


@pytest.fixture(scope="session")
def azureml_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom clients of the emulator trust."""
    return Authority(tmp_path_factory.mktemp("azureml-authority"))


@pytest.fixture(scope="session")
def azurite(
    tmp_path_factory: pytest.TempPathFactory, azureml_authority: Authority
) -> Iterator[Azurite]:
    """A blob server that lasts as long as the session."""
    require_azurite()
    with running_azurite(tmp_path_factory.mktemp("azurite"), azureml_authority) as server:
        yield server


@pytest.fixture(scope="session")
def _emulator(azurite: Azurite, azureml_authority: Authority) -> Iterator[Emulator]:
    with running_emulator(azurite, azureml_authority) as emulator:
        yield emulator


@pytest.fixture
def azureml(_emulator: Emulator) -> Emulator:
    """An emulator with nothing in it yet."""
    _emulator.begin()
    return _emulator
