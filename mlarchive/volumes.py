"""Use cases: a file becomes volumes, and volumes a file; whole or not at all."""

from collections.abc import Callable
from pathlib import Path

from mlarchive import fsops
from mlarchive.errors import NotFoundError
from mlarchive.package.volumes.reading import Volume, check_volume, find_set, read_volume
from mlarchive.package.volumes.writing import VolumesWriter, set_of

Progress = Callable[[int], None]

_STEP = 1 << 20


def split_file(
    path: Path, folder: Path, size: int, *, only: int = 0, progress: Progress | None = None
) -> tuple[Volume, ...]:
    """Cut a file into volumes, in a new folder that appears when all are written.

    Args:
        path: Any file.
        folder: Not there yet, or empty.
        size: Of a volume at most, in bytes.
        only: The one volume that is wanted; 0 for all.
        progress: Told of the bytes read.

    Raises:
        NotFoundError: There is no volume of that number.
        UsageError: There would be too many volumes.
        MlarchiveError: As the file system says.
    """
    fsops.require_absent(folder)
    fsops.remove_stale_temporaries(folder.parent, deep=False)
    with fsops.explaining(path, "read"):
        file = path.open("rb")
    with file, fsops.atomic_folder(folder) as made:
        writer = VolumesWriter(made, path.stem, size, set_id=set_of(file, size), only=only)
        with writer:
            while part := file.read(_STEP):
                writer.write(part)
                if progress:
                    progress(len(part))
            writer.finish()
        if only > writer.count:
            raise NotFoundError(f"{path} makes {writer.count} volumes of that size, not {only}")
    volumes = [read_volume(path) for path in folder.iterdir()]
    return tuple(sorted(volumes, key=lambda volume: volume.number))


def join_files(place: Path, path: Path, progress: Progress | None = None) -> int:
    """Put volumes together into a new file; each is compared with its digest.

    Args:
        place: A folder with the volumes of one set, or one of them.
        path: The new file; nothing is replaced.
        progress: Told of the bytes written.

    Returns:
        Its size in bytes.

    Raises:
        MissingVolumesError: Some are not there.
        VolumeSetError: They do not belong together.
        DamageError: One is damaged.
        MlarchiveError: As the file system says.
    """
    total = 0
    volumes = find_set(place)
    fsops.remove_stale_temporaries(path.parent, deep=False)
    with fsops.atomic_file(path, replace=False) as file:
        for volume in volumes:
            for part in check_volume(volume):
                file.write(part)
                total += len(part)
                if progress:
                    progress(len(part))
    return total
