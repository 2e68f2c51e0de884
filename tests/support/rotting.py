"""Files that rot as on a disk: neither size nor time tell."""

import os
from pathlib import Path


def rot(path: Path) -> None:
    """Change a few bytes in the middle of a file."""
    facts = path.stat()
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 9] = bytes(byte ^ 1 for byte in raw[middle : middle + 9])
    path.write_bytes(raw)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
