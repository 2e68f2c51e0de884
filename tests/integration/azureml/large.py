"""The long form: many files, and one of a GiB, through a workspace into a registry.

    python -m tests.integration.azureml.large [--files 5000] [--mib 1024]

Copies both into a workspace of the emulator, from there into a package, and from that into a
registry; compares every file, and prints time and memory. Memory is that of the command and of the
process of its cloud together. The status is 1 if anything differs or takes more than 400 MB.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.support.azureml import Emulator, Place
from tests.support.azureml.authority import Authority
from tests.support.azureml.azurite import running_azurite
from tests.support.azureml.emulator import running_emulator
from tests.support.command import COMMAND, environment

MOST_MEMORY = 400 * 10**6
_BLOCK = 1 << 20


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--mib", type=int, default=1024)
    given = parser.parse_args()
    with ExitStack() as stack:
        place = tempfile.TemporaryDirectory(prefix="mlarchive-large-", dir="/var/tmp")
        home = Path(stack.enter_context(place))
        (home / "authority").mkdir()
        (home / "azurite").mkdir()
        authority = Authority(home / "authority")
        azurite = stack.enter_context(running_azurite(home / "azurite", authority))
        azureml = stack.enter_context(running_emulator(azurite, authority))
        many, one = home / "many", home / "one"
        write_many(many, given.files)
        write_one(one, given.mib)
        met = [_travels(azureml, many, home), _travels(azureml, one, home)]
    return 0 if all(met) else 1


def _travels(azureml: Emulator, folder: Path, home: Path) -> bool:
    tenant = azureml.tenant()
    lab = azureml.workspace(tenant, "lab")
    shared = azureml.registry(tenant, f"shared-{folder.name}")
    env = azureml.environment(tenant)
    package, name = f"{folder.name}.mlpkg", folder.name
    met = True
    for words in (
        ("copy", f"dir:{folder}", lab.locator, "--name", name, "--version", "1"),
        ("pack", f"{lab.locator}#models/{name}/1", "-o", package),
        ("unpack", package, shared.locator),
        ("unpack", package, shared.locator),
    ):
        status, seconds, peak, out = measured(words, home, env)
        fits = status == 0 and peak <= MOST_MEMORY
        met = met and fits
        sys.stdout.write(
            f"{words[0]:7} {name:5} status {status} {seconds:6.1f} s {peak / 1e6:5.0f} MB  {out}\n"
        )
        sys.stdout.flush()
    wanted = dict(digests(folder))
    same = [equal(azureml, place, name, wanted) for place in (lab, shared)]
    return met and all(same)


def equal(azureml: Emulator, place: Place, name: str, wanted: Mapping[str, str]) -> bool:
    """Whether version 1 of a model has the very same files; says so."""
    found = {
        path: hashlib.sha256(raw).hexdigest()
        for path, raw in azureml.files_of(place, name, "1").items()
    }
    same = found == wanted
    sys.stdout.write(
        f"{place.name:7} {name:5} {len(found)} files {'equal' if same else 'DIFFER'}\n"
    )
    return same


def measured(
    words: tuple[str, ...], cwd: Path, env: Mapping[str, str]
) -> tuple[int, float, int, str]:
    """Run a command; its status, seconds, most bytes of memory, and what it says first."""
    began, peak = time.perf_counter(), 0
    command = [*COMMAND, *words]
    with subprocess.Popen(
        command, cwd=cwd, env=environment({"TMPDIR": str(cwd), **env}), stdout=subprocess.PIPE
    ) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(_memory, _family(process.pid))))
            time.sleep(0.1)
        out = process.stdout.read().decode() if process.stdout else ""
    first = out.splitlines()[0].rpartition(": ")[2] if out else ""
    return process.returncode, time.perf_counter() - began, peak, first


def _family(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                yield from _family(int(child))
    except OSError:
        return


def _memory(pid: int) -> int:
    """Bytes of memory of a process, of shared pages its part."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0


def write_many(folder: Path, files: int) -> None:
    """Fill a folder with small files and ignore files that mean them."""
    for number in range(files):
        path = folder / f"part {number % 50}" / f"w\u00e4{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hashlib.sha256(str(number).encode()).digest() * (number % 40))
    for name in (".gitignore", ".amlignore", ".hidden"):
        (folder / name).write_bytes(b"*.bin\n")


def write_one(folder: Path, mib: int) -> None:
    """Make a folder with one long file that nothing can make smaller."""
    folder.mkdir()
    with (folder / "weights.bin").open("wb") as file:
        for number in range(mib):
            block = hashlib.shake_256(str(number).encode()).digest(_BLOCK)
            file.write(block)


def digests(folder: Path) -> Iterator[tuple[str, str]]:
    """The files of a folder, with their SHA-256."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            yield path.relative_to(folder).as_posix(), digest


if __name__ == "__main__":
    sys.exit(main())
