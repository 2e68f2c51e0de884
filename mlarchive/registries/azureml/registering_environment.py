"""Registers a version of an environment: its build context is sent first, if it has one."""

from contextlib import nullcontext

import msgspec

from mlarchive.registries.azureml import keys
from mlarchive.registries.azureml.assets import Asset, Json, Kind
from mlarchive.registries.azureml.candidate import NAMES, is_name
from mlarchive.registries.azureml.environment_wanted import Wanted
from mlarchive.registries.azureml.labels import Labels, archive
from mlarchive.registries.azureml.leftovers import naming_what_was_sent, remove_leftovers
from mlarchive.registries.azureml.racing import noticing_others
from mlarchive.registries.azureml.recipe import is_built
from mlarchive.registries.azureml.replacing import Sending, send, why_unsent
from mlarchive.registries.azureml.standin import BASE_IMAGE
from mlarchive.registries.azureml.storage import Upload
from mlarchive.registries.azureml.uploading import digest_of, files_within, longest_prefix, refuses
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.written import written_mark


def create(work: Work, wanted: Wanted, number: str, labels: Labels) -> None:
    """Send what it is built of, register it, and archive it where it is.

    Raises:
        ConflictError: Somebody else has made it meanwhile.
        MlarchiveError: As the service says.
    """
    with noticing_others(work, "environments", wanted.name, number):
        shown = msgspec.structs.replace(labels, archived=False)
        made = _sent_and_made(work, wanted, number, shown)
    if labels.archived:
        archive(work, "environments", wanted.name, made, labels)


def context_unsent(work: Work, wanted: Wanted, number: str) -> str:
    """Why its build context is not sent, as the policy is `skip`; else ""."""
    if not is_built(wanted.record) or work.control.place.is_registry:
        return ""
    return why_unsent(work, _sending(work, wanted, number))


def refusal(wanted: Wanted, *, in_registry: bool) -> str:
    """Why Azure ML cannot hold an environment; "" if it can."""
    record = wanted.record
    if not is_name(wanted.name):
        return f"{wanted.name!r} is no name for an environment of Azure ML: {NAMES}"
    if not (record.image or record.conda or record.dockerfile):
        return "nothing is carried that it is made of: image, conda file or build context"
    if is_built(record):
        below = longest_prefix("environments", wanted.name, keys.CONTEXT, in_registry=in_registry)
        files = (one.file.path for one in files_within(wanted.files, record.context))
        return next((f"{path}: {why}" for path in files if (why := refuses(path, below))), "")
    try:
        (_conda(wanted) or b"").decode()
    except UnicodeDecodeError:
        return f"{record.conda} is no UTF-8, and Azure ML takes conda files as texts"
    return ""


def _sent_and_made(work: Work, wanted: Wanted, number: str, labels: Labels) -> Asset:
    made_of, upload = _made_of(work, wanted, number)
    said = labels.properties_of(None)
    said["properties"] |= written_mark(wanted.name, number)
    body = {**made_of, **said}
    kind: Kind = "environments"
    sent = naming_what_was_sent(work, kind, wanted.name, number, upload) if upload else None
    with sent or nullcontext():
        made = work.control.put_version(kind, wanted.name, number, body)
    if upload:
        remove_leftovers(work, f"environments/{wanted.name}/{number}", upload)
    return made


def _made_of(work: Work, wanted: Wanted, number: str) -> tuple[Json, Upload | None]:
    """Image and conda file, or a build context whose files are sent first, and where they are."""
    record = wanted.record
    said: Json = {"osType": record.os or None}
    if record.inference:
        said["inferenceConfig"] = msgspec.json.decode(record.inference)
    if not is_built(record):
        said["image"] = record.image or BASE_IMAGE
        if (conda := _conda(wanted)) is not None:
            said["condaFile"] = conda.decode()
        return said, None
    sending = _sending(work, wanted, number)
    send(work, sending)
    said["build"] = {
        "contextUri": f"{sending.upload.container.url}/{sending.prefix}",
        "dockerfilePath": record.dockerfile.removeprefix(f"{record.context}/"),
    }
    return said, sending.upload


def _sending(work: Work, wanted: Wanted, number: str) -> Sending:
    """The build context."""
    context = files_within(wanted.files, wanted.record.context)
    digest = digest_of(keys.CONTEXT, context)
    upload = work.storage.upload("environments", wanted.name, number, digest)
    what = f"environments/{wanted.name}/{number}"
    return Sending(what, upload, f"{upload.prefix}{keys.CONTEXT}/", context)


def _conda(wanted: Wanted) -> bytes | None:
    """The conda file; None if there is none."""
    for one in wanted.files:
        if one.file.path == wanted.record.conda:
            with one.stream.open() as source:
                return source.read()
    return None
