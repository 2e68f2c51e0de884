"""What the files beside an `MLmodel` say: which flavours, which Python, which packages.

They are read as YAML data, never executed, and only up to a few MB; what cannot be understood
is left unsaid, since the files themselves are carried.
"""

import re
from collections.abc import Sequence
from typing import Any

import yaml

from mlarchive.records import Environment
from mlarchive.registries.mlflow.gathering import MODEL_FILE, model_folders
from mlarchive.registries.mlflow.listed import Listed, ReadableFolder
from mlarchive.snapshot import WithheldFileError

_LONGEST = 4 << 20
_CONDA_PYTHON = re.compile(r"python\s*(?:=|==|~=)\s*([0-9][0-9A-Za-z.]*)$")


def environments(folder: ReadableFolder, listed: Sequence[Listed], owner: str) -> list[Environment]:
    """One record for each model folder that has environment files.

    Args:
        folder: Where the files are.
        listed: What it holds.
        owner: Key of the record that carries the files.
    """
    present = {entry.path for entry in listed}
    found = []
    for place in model_folders(listed):
        conda, requirements, python_env = (
            path if (path := joined(place, name)) in present else ""
            for name in ("conda.yaml", "requirements.txt", "python_env.yaml")
        )
        if conda or requirements or python_env:
            found.append(
                Environment(
                    key=f"environment/{owner}/{place}",
                    record=owner,
                    python=_python(folder, python_env, conda),
                    conda=conda,
                    requirements=requirements,
                    python_env=python_env,
                )
            )
    return found


def flavors(folder: ReadableFolder, listed: Sequence[Listed], place: str) -> tuple[str, ...]:
    """The flavours that the `MLmodel` in a folder states, sorted; none if there is no such file."""
    path = joined(place, MODEL_FILE)
    if path not in {entry.path for entry in listed}:
        return ()
    stated = _yaml(folder, path).get("flavors")
    return tuple(sorted(str(name) for name in stated)) if isinstance(stated, dict) else ()


def joined(place: str, name: str) -> str:
    """A path below a folder; "" is the top."""
    return f"{place}/{name}" if place else name


def _python(folder: ReadableFolder, python_env: str, conda: str) -> str:
    stated = _yaml(folder, python_env).get("python") if python_env else None
    if isinstance(stated, str | int | float):
        return str(stated)
    dependencies = _yaml(folder, conda).get("dependencies") if conda else None
    for item in dependencies if isinstance(dependencies, list) else []:
        if isinstance(item, str) and (match := _CONDA_PYTHON.match(item.strip())):
            return match[1]
    return ""


def _yaml(folder: ReadableFolder, path: str) -> dict[Any, Any]:
    try:
        with folder.open(path) as file:
            raw = file.read(_LONGEST + 1)
    except WithheldFileError:
        # Packing lists it.
        return {}
    if len(raw) > _LONGEST:
        return {}
    try:
        value = yaml.safe_load(raw)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
