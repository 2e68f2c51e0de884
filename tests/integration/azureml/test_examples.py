"""What README and specification show of Azure ML and of InnerEye runs as it stands there."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from mlarchive.registries.azureml.access import FILE, access_to
from mlarchive.registries.azureml.places import place_of
from tests.support.azureml import Emulator, Place
from tests.support.command import Done, within
from tests.support.innereye import FOLDERS

ROOT = Path(__file__).resolve().parents[3]
README = ROOT / "README.md"
AZURE, INNEREYE = "spec/mapping-azureml.md", "spec/mapping-innereye.md"


def block(page: str, language: str) -> str:
    text = (ROOT / page).read_text()
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(found)


def run(page: str, azureml: Emulator, lab: Place, shared: Place, cwd: Path) -> Iterator[Done]:
    """Run the commands of a page with real places in place of S, G, W and R."""
    text = block(page, "console").replace("azureml://registries/R", shared.locator)
    text = text.replace("azureml://subscriptions/S/resourceGroups/G/workspaces/W", lab.locator)
    for line in text.splitlines():
        prompt, name, *rest = shlex.split(line)
        assert (prompt, name) == ("$", "mlarchive"), line
        done = within(*rest, cwd=cwd, env=azureml.environment(lab.tenant))
        assert done.status in {0, 3}, line + done.err
        yield done


def test_the_examples_of_azure_ml_run(azureml: Emulator, tmp_path: Path) -> None:
    tenant = azureml.tenant()
    lab, shared = azureml.workspace(tenant, "lab"), azureml.registry(tenant, "shared")
    (tmp_path / "my-model").mkdir()
    (tmp_path / "my-model" / "weights.bin").write_bytes(b"1")
    said = list(run(AZURE, azureml, lab, shared, tmp_path))
    assert [done.status for done in said] == [0] * 7
    assert "nothing to do" in said[-1].out
    assert set(shared.of("models")) == {"wine", "wine-of-W"}
    assert shared.version("models", "wine", "3")["properties"]["tags"]["team"] == "cellar"
    # The README's own is the same in short.
    short = re.search(r"`mlarchive (copy dir:my-model azureml://[^`]+)`", README.read_text())
    assert short is not None
    words = shlex.split(short[1].replace("registries/R", "registries/shared"))
    done = within(*words, "--conflict", "skip", cwd=tmp_path, env=azureml.environment(tenant))
    assert done.status == 0, done.err


def test_the_examples_of_innereye_run(azureml: Emulator, tmp_path: Path) -> None:
    tenant = azureml.tenant()
    lab, shared = azureml.workspace(tenant, "lab"), azureml.registry(tenant, "shared")
    shutil.copytree(FOLDERS, tmp_path / "downloads")
    said = list(run(INNEREYE, azureml, lab, shared, tmp_path))
    assert [done.status for done in said] == [0, 0, 0, 0, 3, 0]
    assert "100" in lab.of("models")["my_model"].versions
    assert (tmp_path / "elsewhere" / "my_model_100" / "MODEL" / "model.json").is_file()
    assert (tmp_path / "deployed" / "my_model_100").is_dir()


def test_the_configuration_of_several_clouds_is_read(tmp_path: Path) -> None:
    path = tmp_path / "azureml.toml"
    path.write_text(block(AZURE, "toml"))
    variables = {FILE: str(path), "CLINIC_AZURE_CLIENT_ID": "id", "AZURE_CLIENT_ID": "other"}
    access = access_to(place_of("registries/clinic"), variables, interactive=False)
    assert access.variables["AZURE_CLIENT_ID"] == "id"
    assert access.endpoints is not None
    assert access.endpoints.storage_endpoint == "airgap.example"
