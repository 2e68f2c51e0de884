"""The tags by which a registry remembers what was mirrored into it, and tags that are no state.

`mlarchive.origin` is set when an object is created, so that an interrupted write finds what it
made. The other marks are set when an object is complete and checked, on versions last of all.
No mark is ever part of content or state (clauses 4 and 5 of `spec/mapping-mlflow.md`).
"""

import contextlib
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from urllib.parse import unquote

import msgspec

from mlarchive.package import Meaning, Packed, canonical, encode_documents, localised
from mlarchive.package.entries import MOST_DECIMALS
from mlarchive.package.fields import references, rekeyed
from mlarchive.package.keys import in_part
from mlarchive.records import (
    Address,
    AnyRecord,
    Environment,
    Experiment,
    LoggedModel,
    ModelVersion,
    Notebook,
    Prompt,
    PromptVersion,
    RegisteredModel,
    Run,
    Tags,
    Traces,
    provenance,
)
from mlarchive.records.places import names_in
from mlarchive.registries.namedenvironment import but_named_environment
from mlarchive.snapshot import Snapshot

# As in `mlflow.utils.mlflow_tags`; adapters of other registries come here without mlflow.
MLFLOW_MODEL_VERSIONS = "mlflow.modelVersions"
MLFLOW_PARENT_RUN_ID = "mlflow.parentRunId"
MLFLOW_RUN_NAME = "mlflow.runName"
MLFLOW_USER = "mlflow.user"

LONGEST = 5000
"""Characters of a tag that every server takes."""

PREFIX = provenance.PREFIX
ORIGIN = provenance.ORIGIN
NAMES = provenance.NAMES
PATH = provenance.PATH
ADOPTED = provenance.ADOPTED
"""Its value names the version that it is on, since copies on a server have all tags."""
CONTENT_ID = "mlarchive.content_id"
STATE_ID = "mlarchive.state_id"
BUT_TRACES = "mlarchive.content_but_traces"
"""On a version with traces or notebooks: the content id that it would have without them."""
BUT_RUN = "mlarchive.content_but_run"
"""On a version with a run: the content id that it would have without what its run gets later."""
NOTEBOOK = "mlarchive.notebook."
"""With digits behind it, on a run: what one of its notebooks is, as JSON; its files are there."""
TRACES = "mlarchive.traces"
"""Digest of the traces of a run or an experiment that are complete there."""
RECORD = "mlarchive.record"
"""Digest of the content of the one record, on runs and logged models that are complete."""
STEP_DECIMALS = "mlarchive.step_decimals"
"""On a run: how many decimals the steps of its metrics have, by name, as JSON."""
PLACEHOLDER = "mlarchive.placeholder"
"""On a version that only makes the server count on; it is deleted at once, or by the next write."""
HIGHEST = "mlarchive.highest"
"""On a registered model: the highest number that was seen to be given, though it is deleted."""
MLMODEL = "mlarchive.mlmodel"
"""On a run or logged model: which ids in its `MLmodel` files are others at the source, as JSON."""
GIVEN = "mlarchive.given"
"""On a version, model or prompt: digests of the labels that its source said last."""
ALSO = "mlarchive.also"
"""On what came from several places: the others, and the state_id that each gave it last."""
GONE = "mlarchive.gone"
"""Since when the object is gone from its source."""
PARENT_RUN = MLFLOW_PARENT_RUN_ID
JOB = "mlarchive.job"
"""On a version: the job that made it where it was first, as Azure ML has jobs."""
VERSION = "mlarchive.version"
"""On a version: its number where it was first, as that spells it."""
WRITTEN = "mlarchive.written"
"""On a version of Azure ML or of InnerEye's folders: `NAME/NUMBER` that it was written as."""
MODEL = "mlarchive.model"
"""On a version: the name of its model where it was first."""
EXPERIMENT = "mlarchive.experiment"
"""On a version without its run: that job's experiment."""
STATED = "mlarchive.stated"
"""On an environment that a model's own files state: that model. It stands for none that has its
name, or that a tag names."""
CARRIER = "mlarchive.carrier"
"""On a logged model that only holds a version's own files, and on the experiment of such."""

_KINDS: Mapping[type[AnyRecord], str] = {
    Experiment: "experiments",
    LoggedModel: "logged-models",
    Run: "runs",
}


def state_tags(tags: Mapping[str, str]) -> Tags:
    """An object's tags without our marks."""
    return {name: value for name, value in tags.items() if not name.startswith(PREFIX)}


def marks_in(tags: Mapping[str, str]) -> Tags:
    """Our marks among an object's tags: evidence."""
    return {name: value for name, value in tags.items() if name.startswith(PREFIX)}


def run_tags(tags: Mapping[str, str], *, name: str, user: str) -> Tags:
    """A run's tags without those that another field says."""
    said = {MLFLOW_RUN_NAME: name, MLFLOW_USER: user}
    return {
        tag: value
        for tag, value in state_tags(tags).items()
        if tag != MLFLOW_PARENT_RUN_ID and said.get(tag) != value
    }


def logged_model_tags(tags: Mapping[str, str]) -> Tags:
    """A logged model's tags without the server's list of the versions made of it."""
    return {n: value for n, value in state_tags(tags).items() if n != MLFLOW_MODEL_VERSIONS}


def origin_mark(address: Address) -> str:
    """An address as a tag's value that can stand between quotes in a search."""
    return quotable(str(address))


def quotable(text: str) -> str:
    """A text that can stand between quotes in a search."""
    return text.replace("'", "%27").replace('"', "%22")


def origin_of(record: AnyRecord, snapshot: Snapshot) -> str:
    """What a record is called at the registry it comes from, as a tag's value."""
    source = snapshot.address
    if isinstance(record, RegisteredModel | Prompt):
        # The same whether it is written by itself or with a version.
        family = "registered-models" if isinstance(record, RegisteredModel) else "prompts"
        return origin_mark(Address(origin=source.origin, kind=family, name=record.name))
    # An experiment is known by its id, whether it is the subject or comes along.
    if record.key == snapshot.subject and not isinstance(record, Experiment):
        return origin_mark(source)
    kind = _KINDS.get(type(record))
    if kind is None or not record.native.id:
        return f"{origin_mark(source)}!{record.key}"
    return origin_mark(Address(origin=source.origin, kind=kind, name=record.native.id))


def names_of(snapshot: Snapshot) -> tuple[str, ...]:
    """What the registry that a snapshot is from is called: first as it was asked for.

    A mirror calls it by the name that its configuration gives; a place of Azure ML is known by its
    locator even then.
    """
    return names_in(snapshot.address.origin, snapshot.record(snapshot.subject).native.id)


def path_marks(record: AnyRecord, snapshot: Snapshot) -> Tags:
    """The mark of the path that an object has behind it; none if its origin says all of it."""
    path = [*provenance.path_of(record.native.also), *names_of(snapshot)]
    return {PATH: msgspec.json.encode(path).decode()} if len(path) > 1 else {}


def way_marks(version: ModelVersion | PromptVersion, snapshot: Snapshot) -> Tags:
    """The marks of the way that a version has behind it; none if its origin says all of it."""
    path = path_marks(version, snapshot)
    number = first_number(version.native.also, snapshot.address.version)
    return {**path, **model_marks(version, snapshot)} | (
        {VERSION: number} if path and number else {}
    )


def model_marks(record: AnyRecord, snapshot: Snapshot) -> Tags:
    """The mark of the model that a version was of at first; none if its origin says it."""
    name = first_model(record.native.also, snapshot.address)
    return {MODEL: name} if name and path_marks(record, snapshot) else {}


def first_number(tags: Mapping[str, str], number: str) -> str:
    """The number that a version had where it was first; "" where nobody remembers.

    Args:
        tags: Its marks.
        number: The one that it has.
    """
    origin, told = tags.get(ORIGIN, ""), tags.get(VERSION, "")
    if told or not origin:
        return told or number
    version = origin.partition("#")[2].split("/")[2:]
    return unquote(version[0]) if version and PATH not in tags else ""


def first_model(tags: Mapping[str, str], address: Address) -> str:
    """The name of the model that a version was of where it was first; "" where nobody remembers.

    Args:
        tags: Its marks.
        address: Where it is.
    """
    origin, told = tags.get(ORIGIN, ""), tags.get(MODEL, "")
    if told or not origin:
        return told or (address.name if address.kind == "models" else "")
    kind, *named = origin.partition("#")[2].split("/")
    return unquote(named[0]) if kind == "models" and named and PATH not in tags else ""


def origins_in(tags: Mapping[str, str]) -> dict[str, str]:
    """The places that an object at a target came from, with the state_id that each gave it last."""
    found: dict[str, str] = {}
    with contextlib.suppress(msgspec.DecodeError):
        found = msgspec.json.decode(tags.get(ALSO, "{}"), type=dict[str, str])
    if origin := tags.get(ORIGIN):
        found.pop(origin, None)
        found[origin] = tags.get(STATE_ID, "")
    return found


def came_through(tags: Mapping[str, str]) -> tuple[str, ...]:
    """The registries that an object came through or from: a mirror back to one of them is none."""
    others = (place.partition("#")[0] for place in origins_in(tags))
    return tuple(dict.fromkeys((*provenance.path_of(tags), *others)))


def also_mark(origins: Mapping[str, str], but: str) -> Tags:
    """The mark of all places that an object came from but one, which its origin names."""
    others = {place: state for place, state in origins.items() if place != but}
    while len(value := msgspec.json.encode(others).decode()) > LONGEST:
        others.pop(next(iter(others)))
    return {ALSO: value}


def step_decimals(tags: Mapping[str, str]) -> dict[str, int]:
    """How many decimals the steps of a run's metrics have, by name; none for those left out."""
    with contextlib.suppress(msgspec.DecodeError):
        stated = msgspec.json.decode(tags.get(STEP_DECIMALS, "{}"), type=dict[str, int])
        return {key: count for key, count in stated.items() if 0 <= count <= MOST_DECIMALS}
    return {}


NOTHING = hashlib.sha256().hexdigest()
"""The digest of no bytes."""


def line_digest(line: bytes) -> bytes:
    """A short stand-in for a line, for sets of many."""
    return hashlib.sha256(line).digest()


def but_traces(snapshot: Snapshot) -> Snapshot:
    """A snapshot without what grows and changes later: traces, and notebooks."""
    records = tuple(r for r in snapshot.records if not isinstance(r, Traces | Notebook))
    kept = {record.key for record in records}
    streams = tuple(stream for stream in snapshot.streams if stream.owner in kept)
    return replace(snapshot, records=records, streams=streams)


def is_of_sibling(origins: Collection[str], origin: str) -> bool:
    """Whether something came from another object of the same source, of the same kind.

    Args:
        origins: What its mark says of it, now and before.
        origin: The mark of the object that is asked about.
    """
    beside = f"{origin.rpartition('/')[0]}/"
    return origin not in origins and any(one.startswith(beside) for one in origins)


def content_but_traces(snapshot: Snapshot) -> str:
    """The content id without what grows and changes later: traces, and notebooks."""
    rest = but_traces(snapshot)
    if len(rest.records) == len(snapshot.records):
        return snapshot.content_id
    return _content_of(snapshot, rest.records)


def content_at_server(snapshot: Snapshot) -> str:
    """The content id without what changes later or has no place at an MLflow server.

    That is traces, notebooks, and the environment that is named in tags.
    """
    rest = but_named_environment(but_traces(snapshot))
    if len(rest.records) == len(snapshot.records):
        return snapshot.content_id
    return _content_of(snapshot, rest.records)


def content_but_run(snapshot: Snapshot) -> str:
    """A version's content id without what its run may get later; "" if it has no run.

    That is traces and notebooks, status and end, params, points, inputs, and files outside of the
    version's own; points of its logged model are the run's too.
    """
    version = snapshot.record(snapshot.subject)
    if not isinstance(version, ModelVersion) or version.run not in snapshot.by_key:
        return ""
    kept = tuple(
        _as_made(record, version)
        for record in but_traces(snapshot).records
        if not (isinstance(record, Environment) and record.record == version.run)
    )
    return _content_of(snapshot, kept)


def _as_made(record: AnyRecord, version: ModelVersion) -> AnyRecord:
    if isinstance(record, Run):
        root = version.root
        top = f"{root.path}/" if root and root.path else ""
        own = root is not None and root.record == record.key
        files = tuple(file for file in record.files if own and file.path.startswith(top))
        return msgspec.structs.replace(
            record,
            status="",
            end=0,
            params={},
            inputs=(),
            model_inputs=(),
            metrics=(),
            files=files,
        )
    if isinstance(record, LoggedModel):
        return msgspec.structs.replace(record, status="", metrics=())
    return record


def _content_of(snapshot: Snapshot, records: tuple[AnyRecord, ...]) -> str:
    meaning = Meaning(
        address=snapshot.address,
        subject=snapshot.subject,
        records=records,
        packed=Packed(tool="", time=0),
    )
    return encode_documents(localised(meaning)).content_id


def record_digest(record: AnyRecord) -> str:
    """The digest of one record's own content, whatever it refers to."""
    blank = {key: "*" for _, key in references(record)} | {record.key: "*"}
    body = {
        "kind": record.__struct_config__.tag,
        "content": in_part(rekeyed(record, blank), "content"),
    }
    return hashlib.sha256(canonical.encode(body)).hexdigest()
