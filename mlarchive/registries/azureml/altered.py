"""Whether the files of a version are still those that this program wrote, as their storage tells.

Each blob keeps the digest that it was stored with, which whoever puts another one in its place
takes away; so only such a one is read. Nobody else can write to a registry's storage.
"""

from collections.abc import Iterator

from mlarchive.errors import NotFoundError
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.blobfolder import BlobFolder
from mlarchive.registries.azureml.candidate import Candidate
from mlarchive.registries.azureml.labels import is_taken_over
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.marking import sha256_of

_MOST_NAMED = 3


def what_was_altered(work: Work, wanted: Candidate, present: Asset) -> str:
    """What somebody did to the files of a version, for a person; "" if nothing, or not written.

    Args:
        work: Knows the target.
        wanted: What the version is to hold.
        present: The version that is there.

    Raises:
        MlarchiveError: The storage does not answer.
    """
    if work.control.place.is_registry or is_taken_over(present):
        return ""
    uri = present.text("modelUri")
    try:
        folder = work.storage.folder("models", wanted.name, present.name, uri)
    except NotFoundError as error:
        return error.message
    found = sorted(_altered(folder, wanted))
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return ", ".join(found[:_MOST_NAMED]) + more


def _altered(folder: BlobFolder, wanted: Candidate) -> Iterator[str]:
    there = {one.path: one.size for one in folder.files()}
    said = {one.file.path: one.file for one in wanted.files}
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
