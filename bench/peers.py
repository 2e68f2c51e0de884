"""What others do: how each tool writes and extracts a folder, ending with the same sync as ours.

`mlarchive pack` syncs the package, and `extract` all files and folders with one `syncfs`. So do
`sync FILE` and `sync -f FOLDER` at the end of each peer's step, inside the measured time.
"""

import shutil
from pathlib import Path

from msgspec import Struct

from bench.process import Step, mlarchive, step


class Side(Struct, frozen=True, kw_only=True):
    """A tool.

    Attributes:
        name: As the tables show it.
        needs: Programs that must be there.
        suffix: Of what it writes, a file, or a folder where it has none.
        often: Whether it takes part in every round; the slow ones in the first only.
    """

    name: str
    needs: tuple[str, ...] = ()
    suffix: str = ""
    often: bool = False

    @property
    def file_name(self) -> str:
        """Its name as a part of files' names."""
        return self.name.split()[0].replace("|", "-")

    def missing(self) -> tuple[str, ...]:
        """The programs that are not here."""
        return tuple(name for name in self.needs if shutil.which(name) is None)


OURS = Side(name="mlarchive", suffix=".mlpkg", often=True)
TAR = Side(name="tar|zstd -3 -T2", needs=("tar", "zstd"), suffix=".tar.zst", often=True)
ZIP = Side(name="zip -1", needs=("zip", "unzip"), suffix=".zip")
BORG = Side(name="borg zstd,3", needs=("borg",))
SIDES = (OURS, TAR, ZIP, BORG)


def writing(side: Side, folder: Path, out: Path) -> Step:
    """Write a folder with all that is below it to `out`, which is not there yet."""
    parent, name = str(folder.parent), folder.name
    if side is OURS:
        return mlarchive("pack", f"dir:{folder}", "-o", str(out))
    if side is TAR:
        compress = ("zstd", "-q", "-3", "-T2", "-o", str(out))
        return step((("tar", "-C", parent, "-c", name), compress), (("sync", str(out)),))
    if side is ZIP:
        archive = ("zip", "-q", "-r", "-1", str(out), name)
        return step((archive,), (("sync", str(out)),), folder=folder.parent)
    create = ("borg", "create", "--compression", "zstd,3", f"{out}::all", name)
    return _borg(out, ("borg", "init", "-e", "none", str(out)), create, folder=folder.parent)


def extracting(side: Side, packed: Path, out: Path) -> Step:
    """Extract all of it into the folder `out`, which is there, and empty, but for ours."""
    end = (("sync", "-f", str(out)),)
    if side is OURS:
        return mlarchive("extract", str(packed), "-C", str(out / "all"))
    if side is TAR:
        return step((("zstd", "-q", "-d", "-c", str(packed)), ("tar", "-C", str(out), "-x")), end)
    if side is ZIP:
        return step((("unzip", "-q", str(packed), "-d", str(out)),), end)
    extracted = _borg(packed, ("borg", "extract", f"{packed}::all"), folder=out)
    return Step(
        pipelines=(*extracted.pipelines, end), folder=out, environment=extracted.environment
    )


def size(packed: Path) -> int:
    """Bytes of what a side wrote."""
    if packed.is_file():
        return packed.stat().st_size
    return sum(path.stat().st_size for path in packed.rglob("*") if path.is_file())


def _borg(repository: Path, *commands: tuple[str, ...], folder: Path) -> Step:
    # Borg keeps a cache of each repository at home; here it goes with the data.
    home = f"{repository}.home"
    pipelines = tuple((command,) for command in commands)
    environment = {
        "BORG_BASE_DIR": home,
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
    }
    return Step(pipelines=pipelines, folder=folder, environment=environment)
