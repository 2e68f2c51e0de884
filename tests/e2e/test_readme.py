"""The README's examples run as they stand there, against real servers."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mlflow_seed import seed
from tests.support.mlflow_server import MlflowServer, running_server

pytestmark = pytest.mark.mlflow

README = Path(__file__).resolve().parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


def commands(block: str) -> str:
    lines = block.splitlines()
    assert all(line.startswith("$ ") for line in lines), f"not only commands: {block}"
    return "\n".join(line.removeprefix("$ ") for line in lines)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[MlflowServer, MlflowServer]]:
    """Servers of its own: the README calls its model plainly `wine`."""
    with running_server(tmp_path / "5000") as source, running_server(tmp_path / "5001") as target:
        yield source, target


def test_every_example_of_the_readme_runs(
    servers: tuple[MlflowServer, MlflowServer], tmp_path: Path
) -> None:
    source_server, target_server = servers
    seed(source_server.uri, "wine", tmp_path / "seed")
    folder = tmp_path / "elsewhere"
    folder.mkdir()

    def with_real_servers(text: str) -> str:
        return text.replace("http://127.0.0.1:5000", source_server.uri).replace(
            "http://127.0.0.1:5001", target_server.uri
        )

    (mirror,) = blocks("toml")
    (folder / "mirror.toml").write_text(with_real_servers(mirror))
    examples = blocks("console")
    assert len(examples) == 4
    for example in examples:
        ran = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", with_real_servers(commands(example))],
            cwd=folder,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{example}\n{ran.stdout}\n{ran.stderr}"
    assert (folder / "wine-1.mlpkg").is_file()
    assert list((folder / "vault").rglob("*.mlpkg"))


def test_every_page_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README.read_text())
    missing = [link for link in links if not (README.parent / link).exists()]
    assert links
    assert missing == []
