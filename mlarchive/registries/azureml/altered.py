"""Whether the files of a version are still those that its marks stand for, as their storage tells.

Each blob that this program wrote keeps the digest that it was stored with, which whoever puts
another one in its place takes away; so only such a one is read, and what people wrote. Nobody else
can write to a registry's storage, where only what lies elsewhere than it was written to is looked
at: people can make a version with its marks.
"""

from collections.abc import Iterable, Iterator, Mapping

from mlarchive.errors import NotFoundError
from mlarchive.records import File
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.blobfolder import BlobFolder
from mlarchive.registries.azureml.candidate import Candidate
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.marking import sha256_of
from mlarchive.registries.mlflow import marks

_MOST_NAMED = 3


def what_was_altered(work: Work, wanted: Candidate, present: Asset) -> str:
    """What somebody did to the files of a version, for a person; "" if nothing, or no mark tells.

    Args:
        work: Knows the target.
        wanted: What the version is to hold.
        present: The version that is there.

    Raises:
        MlarchiveError: The storage does not answer.
    """
    if marks.ORIGIN not in present.texts("properties"):
        return ""
    uri = present.text("modelUri")
    if work.control.place.is_registry and wanted.digest in uri:
        return ""
    try:
        folder = work.storage.folder("models", wanted.name, present.name, uri)
    except NotFoundError as error:
        return error.message
    return altered_in(folder, [one.file for one in wanted.files])


def altered_in(folder: BlobFolder, files: Iterable[File]) -> str:
    """What somebody did to files that this program wrote, for a person; "" if nothing.

    Args:
        folder: Where they lie.
        files: As they were written, by path within it.

    Raises:
        MlarchiveError: The storage does not answer.
    """
    found = sorted(_altered(folder, {one.path: one for one in files}))
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return ", ".join(found[:_MOST_NAMED]) + more


def _altered(folder: BlobFolder, said: Mapping[str, File]) -> Iterator[str]:
    there = {one.path: one.size for one in folder.files()}
    yield from there.keys() ^ said.keys()
    for path, file in said.items():
        if path not in there or folder.stated(path) == (file.size, file.sha256):
            continue
        if there[path] != file.size:
            yield path
            continue
        with folder.open(path) as source:
            if sha256_of(source) != file.sha256:
                yield path
