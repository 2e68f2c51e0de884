"""Progress is drawn on a terminal, seldom enough, and taken away at the end."""

import io
import os
import pty
import subprocess
from pathlib import Path

from mlarchive.cli.progress import Bar
from tests.support.command import COMMAND, environment


def test_a_bar_draws_over_itself_and_leaves_nothing() -> None:
    terminal = io.StringIO()
    bar = Bar(terminal, "packing", 100)
    for _ in range(1000):
        bar.advance(1)
    bar.clear()
    drawn = terminal.getvalue().split("\r\x1b[K")
    assert 2 <= len(drawn) < 100
    assert drawn[-1] == ""


def test_a_command_shows_it_on_a_terminal_only(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(bytes(3_000_000))
    words = [*COMMAND, "pack", "dir:folder", "-o"]
    quiet = subprocess.run(
        [*words, "x.mlpkg"], cwd=tmp_path, env=environment(), capture_output=True, check=True
    )
    assert quiet.stderr == b""
    parent, child = pty.openpty()
    with subprocess.Popen(
        [*words, "y.mlpkg"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=child,
    ) as process:
        os.close(child)
        seen = b""
        try:
            while block := os.read(parent, 1000):
                seen += block
        except OSError:  # EIO: nobody has the other end any more
            pass
        os.close(parent)
    assert process.returncode == 0
    assert b"packing" in seen
    assert b"of 3.0 MB" in seen
    assert seen.endswith(b"\r\x1b[K")
