"""Registers a version of a model.

Its files are sent and read back first; all labels and marks come with it, so what can be seen is
whole.
"""

from functools import partial

import msgspec

from mlarchive.errors import NotFoundError, RemoteError
from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset, Json
from mlarchive.registries.azureml.candidate import Candidate
from mlarchive.registries.azureml.labels import Labels, archive
from mlarchive.registries.azureml.leftovers import naming_what_was_sent, remove_leftovers
from mlarchive.registries.azureml.numbering import Spot
from mlarchive.registries.azureml.racing import noticing_others
from mlarchive.registries.azureml.replacing import Sending, send
from mlarchive.registries.azureml.storage import Upload
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.written import written_mark


def register(work: Work, wanted: Candidate, spot: Spot, labels: Labels) -> None:
    """Send its files, register it, and archive it where it is.

    Raises:
        ConflictError: Somebody else has made it meanwhile.
        MlarchiveError: As the service says.
    """
    with noticing_others(work, "models", wanted.name, spot.number):
        shown = msgspec.structs.replace(labels, archived=False)
        made = _sent_and_made(work, wanted, spot, shown)
    if labels.archived:
        archive(work, "models", wanted.name, made, labels)


def _sent_and_made(work: Work, wanted: Candidate, spot: Spot, labels: Labels) -> Asset:
    sending = sending_of(work, wanted, spot)
    upload = sending.upload
    send(work, sending)
    uri = upload.uri_of(wanted.path)
    _check_path(work, wanted, spot.number, upload, uri)
    said = labels.properties_of(None)
    said["properties"] |= written_mark(wanted.name, spot.number)
    run = work.made_run()
    if run:
        said["properties"][keys.RUN] = run
    body = {
        "modelUri": uri,
        "modelType": wanted.model_type,
        "flavors": wanted.flavors or None,
        **said,
    }
    with naming_what_was_sent(work, "models", wanted.name, spot.number, upload):
        made = _made(work, wanted, spot, body, run)
    remove_leftovers(work, f"models/{wanted.name}/{spot.number}", upload)
    return made


def sending_of(work: Work, wanted: Candidate, spot: Spot) -> Sending:
    """The files of a version, and where they go."""
    upload = work.storage.upload("models", wanted.name, spot.number, wanted.digest)
    prefix = f"{upload.prefix}{wanted.folder}/" if wanted.folder else upload.prefix
    return Sending(f"models/{wanted.name}/{spot.number}", upload, prefix, wanted.files)


def _made(work: Work, wanted: Candidate, spot: Spot, body: Json, run: str) -> Asset:
    """Register the version.

    Raises:
        ConflictError: Somebody else has made it meanwhile.
        MlarchiveError: As the service says.
    """
    put = partial(work.control.put_version, "models", wanted.name, spot.number)
    try:
        return put({**body, "jobName": run or None})
    except (RemoteError, NotFoundError):
        # A service that takes the run for no job of its own still takes the model.
        if not run:
            raise
        return put(body)


def _check_path(work: Work, wanted: Candidate, number: str, upload: Upload, uri: str) -> None:
    """See that a reader finds all that was sent by the path that is going to be registered.

    Raises:
        RemoteError: It does not.
    """
    found = work.storage.sent(upload, "models", wanted.name, number, uri)
    present = {listed.path: listed.size for listed in found.files()}
    if present != {one.file.path: one.file.size for one in wanted.files}:
        raise RemoteError(f"what was sent is not what lies at {uri}, so it is not registered")
