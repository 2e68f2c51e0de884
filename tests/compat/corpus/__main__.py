"""Write `spec/vectors`, or say that it is stale."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.compat.corpus import invalid, repairable, valid
from tests.compat.corpus.primitive import primitives

VECTORS = Path(__file__).resolve().parents[3] / "spec" / "vectors"


def corpus() -> dict[str, bytes]:
    """Every file of the corpus by its path below `spec/vectors`."""
    files: dict[str, bytes] = {}
    expected: dict[str, Any] = {}
    for name, case in valid.cases().items():
        files[f"valid/{name}.mlpkg"] = case.made.build()
        files |= {f"bases/{base}.mlpkg": made.build() for base, made in case.bases.items()}
        expected[name] = case.expected()
    files["valid/expect.json"] = _json(expected)
    refused: dict[str, Any] = {}
    for name, (code, package) in invalid.cases().items():
        files[f"invalid/{name}.mlpkg"] = package
        refused[name] = {"refusal": code}
    thin, base = invalid.base_of_another_length()
    name = "e040-base-of-another-length"
    files[f"invalid/{name}.mlpkg"] = thin.build()
    files[f"bases/{name}.mlpkg"] = base.build()
    refused[name] = {"refusal": "E040", "bases": [name]}
    files["invalid/expect.json"] = _json(refused)
    damaged = repairable.cases()
    files |= {f"repairable/{name}.mlpkg": made.build() for name, made in damaged.items()}
    found = {name: repairable.expected(made) for name, made in damaged.items()}
    files["repairable/expect.json"] = _json(found)
    return files | {f"primitive/{n}.json": _json(found) for n, found in primitives().items()}


def present() -> dict[str, bytes]:
    """Every file of the corpus as it is committed."""
    return {
        str(path.relative_to(VECTORS)): path.read_bytes()
        for path in VECTORS.rglob("*")
        if path.suffix in {".mlpkg", ".json"}
    }


def main() -> int:
    """Write or check."""
    made = corpus()
    if "--check" in sys.argv[1:]:
        if made == present():
            return 0
        sys.stderr.write("spec/vectors is stale: run python -m tests.compat.corpus\n")
        return 1
    for name in present().keys() - made.keys():
        (VECTORS / name).unlink()
    for name, content in made.items():
        path = VECTORS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return 0


def _json(value: Any) -> bytes:  # noqa: ANN401
    """One line a member of the outermost object or array, so that changes can be read."""
    if isinstance(value, list):
        lines = [_line(item) for item in value]
        text = "[\n" + ",\n".join(lines) + "\n]\n"
    else:
        lines = [f"{_line(name)}: {_line(item)}" for name, item in sorted(value.items())]
        text = "{\n" + ",\n".join(lines) + "\n}\n"
    return text.encode()


def _line(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, sort_keys=True)


if __name__ == "__main__":
    sys.exit(main())
