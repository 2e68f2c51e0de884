"""Many files and a long one; `python -m tests.integration.azureml.large` has 5 000 and a GiB."""

from pathlib import Path

from tests.integration.azureml.large import (
    MOST_MEMORY,
    digests,
    equal,
    measured,
    write_many,
    write_one,
)
from tests.support.azureml import Emulator
from tests.support.command import within


def test_many_files_and_a_long_one_arrive_in_a_registry_in_little_memory(
    azureml: Emulator, tmp_path: Path
) -> None:
    shared = azureml.registry(azureml.tenant(), "shared")
    folder = tmp_path / "model"
    write_many(folder, 50)
    write_one(folder / "long", 18)
    env = azureml.environment(shared.tenant)
    target = (shared.locator, "--name", "model", "--version", "1")
    status, _, peak, said = measured(("copy", f"dir:{folder}", *target), tmp_path, env)
    assert (status, said.partition(",")[0]) == (0, "done")
    assert peak <= MOST_MEMORY
    wanted = dict(digests(folder))
    assert len(wanted) == 54
    assert equal(azureml, shared, "model", wanted)
    model = f"{shared.locator}#models/model/1"
    back = within("extract", model, "-C", "back", cwd=tmp_path, env=env)
    assert back.status == 0, back.err
    assert dict(digests(tmp_path / "back")) == wanted
