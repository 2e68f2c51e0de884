"""Builds one archive that installs mlarchive where there is no network: `make wheelhouse`.

It holds wheels for the Python and the system that it is built with, their digests, and a page that
says what to do.
"""

import argparse
import hashlib
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
INSIDE = "mlarchive-offline"


def main() -> None:
    """Build it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--extras", default="", help="such as mlflow,daemon")
    parser.add_argument("--out", type=Path, default=HERE.parent / "dist")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, INSIDE)
        wheels = folder / "wheels"
        brackets = f"[{given.extras}]" if given.extras else ""
        wheel = ["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--wheel-dir"]
        subprocess.run([sys.executable, *wheel, wheels, f"{HERE.parent}{brackets}"], check=True)
        (own,) = wheels.glob("mlarchive-*.whl")
        version = own.name.split("-")[1]
        (folder / "INSTALL.md").write_text(_page(version, brackets), encoding="utf-8")
        (folder / "SHA256SUMS").write_text(_sums(folder), encoding="utf-8")
        out = given.out / f"mlarchive-{version}-offline-{_python()}-{_platform()}.tar"
        _archive(folder, out)
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(f"{digest}  {out}")


def _page(version: str, brackets: str) -> str:
    text = (HERE / "INSTALL.md").read_text(encoding="utf-8")
    major, minor = sys.version_info[:2]
    for name, value in {
        "@VERSION@": version,
        "@EXTRAS@": f" with {brackets}" if brackets else "",
        "@PYTHON@": f"Python {major}.{minor}",
        "@PLATFORM@": _platform(),
        "@COMMAND@": f"python{major}.{minor}",
        "@BRACKETS@": brackets,
    }.items():
        text = text.replace(name, value)
    return text


def _sums(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in files
    )


def _archive(folder: Path, out: Path) -> None:
    """The same files give the same archive."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime = member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() else 0o644
        return member

    with tarfile.open(out, "w") as archive:
        for path in [folder, *sorted(folder.rglob("*"))]:
            name = path.relative_to(folder.parent).as_posix()
            archive.add(path, name, recursive=False, filter=plain)


def _python() -> str:
    return f"cp{sys.version_info.major}{sys.version_info.minor}"


def _platform() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


if __name__ == "__main__":
    main()
