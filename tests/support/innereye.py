"""Folders that the classic script of InnerEye downloads, and what is in one."""

import json
import shutil
from pathlib import Path
from typing import Any

from mlarchive.pack import pack_file
from mlarchive.package import Package
from mlarchive.registries.base import Receipt, Selector, WritePolicy
from mlarchive.registries.innereye import InnerEyeRegistry
from mlarchive.snapshot import Snapshot

FOLDERS = Path(__file__).parents[1] / "fixtures" / "innereye"
PROSTATE, DOCK = "my_model_100", "dock_1"

DOCUMENTS = ("MODEL/model.json", "ENVIRONMENT/azureml_environment.json")


def copied(tmp_path: Path, *names: str) -> Path:
    """A folder with models that may be changed."""
    top = tmp_path / "downloaded"
    for name in names or (PROSTATE, DOCK):
        shutil.copytree(FOLDERS / name, top / name)
    return top


def registry(folder: Path) -> InnerEyeRegistry:
    """A folder as a registry called `lab`."""
    return InnerEyeRegistry(folder, origin="lab")


def read(folder: Path, name: str = "my_model") -> Snapshot:
    """The only version of a model."""
    source = registry(folder)
    (listing,) = source.ls(Selector(kind="models", name=name))
    return source.read(listing.address)


def written(snapshot: Snapshot, top: Path, policy: WritePolicy | None = None) -> Receipt:
    """Write by way of a package, as every command does."""
    path = top.with_suffix(".mlpkg")
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    pack_file(snapshot, path, packed_at=1)
    with Package.open(path) as package:
        target = InnerEyeRegistry(top, origin="clinic")
        plan = target.plan_write(package.snapshot(), policy or WritePolicy())
        receipt = target.write(package.snapshot(), policy or WritePolicy())
    assert (plan.actions, plan.losses) == (receipt.actions, receipt.losses)
    assert plan.target == receipt.target
    return receipt


def files(folder: Path) -> dict[str, bytes]:
    """All files but the documents and what mlarchive remembers."""
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    passed = {*DOCUMENTS, "mlarchive.json"}
    return {name: path.read_bytes() for name, path in found.items() if name not in passed}


def document(folder: Path, name: str) -> Any:  # noqa: ANN401  (any JSON)
    """What a document says."""
    return json.loads((folder / name).read_text(encoding="utf-8"))
