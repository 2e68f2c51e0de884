"""Exports of mlflow-export-import for tests: those that the tool made, and older and later ones."""

import json
import shutil
from pathlib import Path
from typing import Any

from mlarchive.pack import pack_file
from mlarchive.package import Package
from mlarchive.records import Address
from mlarchive.registries.base import Selector
from mlarchive.registries.mlflowexport import MlflowExportRegistry

FIXTURES = Path(__file__).parents[1] / "fixtures" / "mlflow-export"
ALL = FIXTURES / "all"
MODEL = FIXTURES / "model"
FIRST = "08e8f3791ad54c73a48777b274d29111"
SECOND = "77f61633bd064bccb313b7e54cc24536"
PARENT = "3432e55b4cc24ed09dbb0898f1ebb248"
AT_THE_SERVER: dict[str, list[str]] = json.loads((FIXTURES / "server.json").read_text())


def registry(folder: Path) -> MlflowExportRegistry:
    """An export, open."""
    return MlflowExportRegistry(folder, origin="export")


def addressed(text: str) -> Address:
    """The address of `KIND/NAME[/VERSION]` in an export."""
    kind, name, *version = text.split("/")
    return Address(origin="export", kind=kind, name=name, version="".join(version))


def named(folder: Path, selector: Selector | None = None) -> list[str]:
    """What a mirror takes of an export."""
    refs = registry(folder).changes(selector or Selector())
    return sorted(str(ref.address).partition("#")[2] for ref in refs)


def packaged(folder: Path, text: str, scratch: Path) -> Package:
    """The package of an object of an export, open."""
    path = scratch / f"{text.replace('/', '-')}.mlpkg"
    pack_file(registry(folder).read(addressed(text)), path, packed_at=1)
    return Package.open(path)


def ids(folder: Path, text: str, scratch: Path) -> list[str]:
    """The content and state ids of an object of an export."""
    with packaged(folder, text, scratch) as package:
        return [package.content_id, package.state_id]


def copied(export: Path, target: Path) -> Path:
    """A copy of an export that a test may change."""
    shutil.copytree(export, target)
    return target


def edit(path: Path, **members: Any) -> None:  # noqa: ANN401  (any JSON)
    """Replace members of a document's part about MLflow."""
    document = json.loads(path.read_text())
    part = document.get("mlflow", document)
    part.update(members)
    path.write_text(json.dumps(document))


def made_older(folder: Path) -> Path:
    """Turn an export of 1.2.0 into what the tool wrote before 1.1, in place."""
    for path in [*folder.rglob("*.json")]:
        if path.name not in {"run.json", "experiment.json", "model.json"}:
            path.unlink()
            continue
        document = json.loads(path.read_text())
        part = document["mlflow"]
        system = document["system"]
        info = {"mlflow_version": "1.30.0", "export_time": system["_export_time"]}
        if path.name == "experiment.json":
            runs = part.pop("runs")
            info |= {"ok_runs": runs, "failed_runs": []}
            path.unlink()
            path = path.with_name("manifest.json")  # noqa: PLW2901  (its older name)
        if path.name == "model.json":
            model = part["registered_model"]
            model["latest_versions"] = model.pop("versions")
        path.write_text(json.dumps({**part, "export_info": info}))
    return folder
