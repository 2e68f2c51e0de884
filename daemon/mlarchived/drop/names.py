"""Names of dropped things: any bytes but a slash, which people, logs and the ledger are to bear."""

import hashlib
import os
from pathlib import Path

_LONGEST = 255
"""Bytes of a name, as file systems allow them."""


def shown(relative: str) -> str:
    r"""A path as it can be printed and kept: bytes that are no text, and controls, as `\xNN`."""
    text = os.fsencode(relative).decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def beside(path: Path, suffix: str) -> Path | None:
    """The file of the same name with a suffix; None if that name would be too long."""
    name = path.name + suffix
    return path.with_name(name) if len(os.fsencode(name)) <= _LONGEST else None


def shortened(name: str, room: int) -> str:
    """A name to which so many bytes can be added; a digest tells one that is cut from others."""
    raw = os.fsencode(name)
    if len(raw) + room <= _LONGEST:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:16]
    text = raw[: _LONGEST - room - len(digest) - 1].decode("utf-8", "ignore")
    return f"{text}~{digest}"


def _escaped(one: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in one.encode("utf-8", "surrogatepass"))
