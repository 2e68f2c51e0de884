"""Pages of this folder that are generated: written, or checked with `--check`."""

import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent


def publish(pages: Mapping[str, str], script: str) -> int:
    """Write pages, or with `--check` say which are not what they should be.

    Args:
        pages: Their texts by name.
        script: What writes them, for the message.

    Returns:
        The exit status: 1 if a page is stale.
    """
    if "--check" not in sys.argv[1:]:
        for name, text in pages.items():
            (HERE / name).write_text(text, encoding="utf-8")
        return 0
    stale = [name for name, text in pages.items() if _published(name) != text]
    for name in stale:
        sys.stderr.write(f"{name} is stale: run python spec/{script}\n")
    return 1 if stale else 0


def _published(name: str) -> str | None:
    path = HERE / name
    return path.read_text(encoding="utf-8") if path.exists() else None
