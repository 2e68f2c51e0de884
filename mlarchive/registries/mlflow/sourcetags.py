"""Tags that tell of an object as it was at its source, under the names of mlflow-export-import.

They are set where they are asked for only (clause 3.10), since they are labels at the target like
any others.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import mlflow
import msgspec

from mlarchive.records import Experiment, ModelVersion, RegisteredModel, Run, Tags
from mlarchive.registries.mlflow.work import Work

FIELD = "mlflow_exim.field"
RUN_INFO = "mlflow_exim.run_info"
MLFLOW_TAG = "mlflow_exim.mlflow_tag"
LINEAGE = "mlflow_exim.src_version"
SERVER = "mlflow_exim.src_client.tracking_uri"
METADATA = "mlflow_export_import.metadata"
"""As of versions before 1.2; of these tags the first word stays."""

_OLD = "mlflow_export_import."
_OWN = "mlflow."
_TIMES = (
    "creation_time",
    "last_update_time",
    "creation_timestamp",
    "last_updated_timestamp",
)
_ONCE = tuple(f"{METADATA}.{name}" for name in ("mlflow_version", "timestamp", "timestamp_nice"))


def source_tags(work: Work, record: Run | Experiment | RegisteredModel | ModelVersion) -> Tags:
    """What is told of a record; nothing where it is not asked for."""
    if not work.policy.source_tags:
        return {}
    stated = _stated(record.native.verbatim)
    match record:
        case Run():
            return _of_run(work, record, stated)
        case Experiment():
            return _fields(stated) | _of_mlflow(record.tags)
        case ModelVersion():
            return _fields(stated) | _lineage(work, record, stated)
        case _:
            return _fields(stated)


def first_kept(tags: Tags, held: Mapping[str, str]) -> Tags:
    """Tags of which some say when and by what something was copied first, if it was before."""
    return {name: held.get(name, tags[name]) if name in _ONCE else tags[name] for name in tags}


def _of_run(work: Work, record: Run, stated: Mapping[str, Any]) -> Tags:
    info = stated.get("info")
    tags = stated.get("tags") or _member(stated, "data").get("tags") or record.tags
    experiment = work.snapshot.by_key.get(record.experiment)
    now = int(time.time())
    metadata = {
        "mlflow_version": mlflow.__version__,
        "tracking_uri": _server(work),
        "experiment_name": experiment.name if isinstance(experiment, Experiment) else "",
        "timestamp": str(now),
        "timestamp_nice": _readable(now * 1000),
    }
    before = {name: v for name, v in record.native.also.items() if name.startswith(_OLD)}
    return {
        **_prefixed(RUN_INFO, info if isinstance(info, dict) else {}),
        **_of_mlflow(tags if isinstance(tags, dict) else {}),
        **_prefixed(METADATA, metadata),
        # What an old export says of itself.
        **before,
    }


def _lineage(work: Work, record: ModelVersion, stated: Mapping[str, Any]) -> Tags:
    told = {"name": record.name, "version": record.version, "run_id": stated.get("run_id")}
    return {**_prefixed(LINEAGE, told), SERVER: _server(work)}


def _fields(stated: Mapping[str, Any]) -> Tags:
    """Fields of an answer, and its times for people."""
    times = {f"_{name}": _readable(stated[name]) for name in _TIMES if stated.get(name)}
    return _prefixed(FIELD, {**stated, **times})


def _of_mlflow(tags: Mapping[str, str]) -> Tags:
    own = {name.removeprefix(_OWN): v for name, v in tags.items() if name.startswith(_OWN)}
    return _prefixed(MLFLOW_TAG, own)


def _prefixed(prefix: str, told: Mapping[str, Any]) -> Tags:
    """What can be said in a tag: texts, numbers and truths."""
    return {
        f"{prefix}.{name}": str(value)
        for name, value in told.items()
        if isinstance(value, str | int | float) and value != ""
    }


def _stated(verbatim: str) -> dict[str, Any]:
    """A server's answer; nothing where there is none."""
    try:
        return msgspec.json.decode(verbatim, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _member(stated: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    member = stated.get(name)
    return member if isinstance(member, dict) else {}


def _server(work: Work) -> str:
    return work.snapshot.address.origin.removeprefix("mlflow+")


def _readable(milliseconds: object) -> str:
    """A time as the tool writes it; "" for none."""
    if not isinstance(milliseconds, int):
        return ""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}"
