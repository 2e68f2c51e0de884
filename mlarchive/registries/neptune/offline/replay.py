"""Does what the operations of a 2.x client say, one after another, as a server would have.

Names and members of operations are those of `neptune/internal/operation.py` of neptune 1.14.0,
where older versions have fewer. An operation that is not known or is malformed is a loss.
"""

import base64
import io
import json
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from mlarchive.errors import DamageError
from mlarchive.registries.folderfiles import FolderFile
from mlarchive.registries.neptune.finding import find
from mlarchive.registries.neptune.objects import AttributeFile, text_of, time_text
from mlarchive.registries.neptune.offline.locating import FileSet, Located, Whereabouts
from mlarchive.registries.neptune.offline.operations import Line, Operation
from mlarchive.registries.neptune.offline.state import Item, Slot, State, with_suffix

_MALFORMED = (KeyError, TypeError, ValueError, OverflowError, AttributeError, IndexError, re.error)


class Replay:
    """An object while its operations are done.

    Attributes:
        state: Of the object so far.
        whereabouts: Finds the files.
        own_id: The client's id of the object.
    """

    def __init__(self, state: State, whereabouts: Whereabouts, own_id: str) -> None:
        """Begin.

        Args:
            state: Is changed.
            whereabouts: Finds the files.
            own_id: The client's id of the object.
        """
        self.state = state
        self.whereabouts = whereabouts
        self.own_id = own_id

    def do(self, operation: Operation) -> None:
        """Do one operation; what cannot be done is a loss."""
        content = operation.content
        kind = content.get("type")
        do = _DOING.get(kind) if isinstance(kind, str) else None
        what = f"operation {operation.version}"
        try:
            path = "/".join(_texts(content["path"]))
            if not path:
                raise ValueError("it has no path")
            what = path
            if do is None:
                self.state.lose(path, f"the operation {kind!r} is not known")
                return
            do(self, path, content, operation)
        except _MALFORMED as error:
            self.state.lose(what, f"operation {operation.version}, {kind}, is malformed: {error!r}")


def _assign(doing: Replay, path: str, content: Mapping[str, Any], *, kind: str, types: Any) -> None:  # noqa: ANN401  (a type or several)
    value = content["value"]
    if not isinstance(value, types) or (isinstance(value, bool) and kind != "bool"):
        raise TypeError(value)
    doing.state.assign(path, kind, text_of(float(value) if kind == "float" else value))


def _assign_float(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    _assign(doing, path, content, kind="float", types=int | float)


def _assign_int(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    _assign(doing, path, content, kind="int", types=int)


def _assign_bool(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    _assign(doing, path, content, kind="bool", types=bool)


def _assign_string(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    _assign(doing, path, content, kind="string", types=str)


def _assign_datetime(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    doing.state.assign(path, "datetime", time_text(int(content["value"])))


def _assign_artifact(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    doing.state.assign(path, "artifact", json.dumps({"hash": str(content["hash"])}))
    doing.state.lose(path, "only the hash of the artifact is here, not the list of its files")


def _track(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    slot = doing.state.slot(path, "artifact")
    before = json.loads(slot.value)["tracked"] if "tracked" in slot.value else []
    entries = [[str(where), under and str(under)] for where, under in content["entries"]]
    slot.value = json.dumps({"tracked": [*before, *entries]})
    why = "what it tracks is here; the files and their hashes would have been looked up later"
    doing.state.lose(path, why)


def _copy(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    source = "/".join(_texts(content["source_path"]))
    found = doing.state.slots.get(source)
    if content["container_id"] != doing.own_id or found is None:
        why = f"it is a copy of {source} of {content['container_id']}, which is not here"
        doing.state.lose(path, why)
    elif doing.state.takes(path, found.type):
        doing.state.slots[path] = deepcopy(found)


def _add_strings(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    values = _texts(content["values"])
    doing.state.slot(path, "string_set").values.update(values)


def _remove_strings(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    values = _texts(content["values"])
    doing.state.slot(path, "string_set").values.difference_update(values)


def _log_floats(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    for one in content["values"]:
        item = Item(step=0, time=_time(one), value=float(one["value"]))
        doing.state.append(path, "float_series", item, step=_step(one))


def _log_strings(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    for one in content["values"]:
        item = Item(step=0, time=_time(one), value=str(one["value"]))
        doing.state.append(path, "string_series", item, step=_step(one))


def _log_images(doing: Replay, path: str, content: Mapping[str, Any], operation: Operation) -> None:
    for number, one in enumerate(content["values"]):
        image = one["value"]
        if image.get("data") is None:
            doing.state.lose(path, f"item {number} of operation {operation.version} is empty")
            continue
        item = Item(
            step=0,
            time=_time(one),
            open=partial(_image, operation.line, number),
            size=len(_decoded(image["data"])),
            name=image.get("name") or "",
            description=image.get("description") or "",
        )
        doing.state.append(path, "file_series", item, step=_step(one))


def _configure(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    said = {name: content.get(name) for name in ("min", "max", "unit")}
    if any(value is not None for value in said.values()):
        doing.state.lose(path, f"how its chart is to look has no place: {json.dumps(said)}")


def _upload(doing: Replay, path: str, content: Mapping[str, Any], operation: Operation) -> None:
    located: Located | str
    if content.get("file_path"):
        located = doing.whereabouts.file(str(content["file_path"]))
    else:
        located = _uploaded(operation.folder, str(content["tmp_file_name"]))
    doing.state.put(path, located, str(content.get("ext") or ""))


def _upload_content(
    doing: Replay, path: str, content: Mapping[str, Any], operation: Operation
) -> None:
    suffix = str(content.get("ext") or "")
    slot = doing.state.slot(path, "file")
    slot.files[""] = AttributeFile(
        path=with_suffix(path, suffix),
        open=partial(_content, operation.line),
        size=len(_decoded(content["file_content"])),
    )


def _upload_set(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    globs = [str(glob) for glob in content["file_globs"]]
    located = doing.whereabouts.set(globs) if globs else FileSet()
    doing.state.add_files(path, located, reset=content.get("reset") not in {"False", False})


def _delete_files(doing: Replay, path: str, content: Mapping[str, Any], _: Operation) -> None:
    names = _texts(content["file_paths"])
    slot = doing.state.slot(path, "file_set")
    for gone in names:
        for name in [n for n in slot.files if n == gone or n.startswith(f"{gone}/")]:
            del slot.files[name]


def _delete(doing: Replay, path: str, _: Mapping[str, Any], __: Operation) -> None:
    doing.state.slots.pop(path, None)


def _clear(kind: str) -> "_Do":
    def clear(replay: Replay, path: str, _: Mapping[str, Any], __: Operation) -> None:
        if replay.state.takes(path, kind):
            replay.state.slots[path] = Slot(kind)

    return clear


_Do = Callable[[Replay, str, Mapping[str, Any], Operation], None]

_DOING: Mapping[str, _Do] = {
    "AssignFloat": _assign_float,
    "AssignInt": _assign_int,
    "AssignBool": _assign_bool,
    "AssignString": _assign_string,
    "AssignDatetime": _assign_datetime,
    "AssignArtifact": _assign_artifact,
    "UploadFile": _upload,
    "UploadFileContent": _upload_content,
    "UploadFileSet": _upload_set,
    "LogFloats": _log_floats,
    "LogStrings": _log_strings,
    "LogImages": _log_images,
    "ClearFloatLog": _clear("float_series"),
    "ClearStringLog": _clear("string_series"),
    "ClearImageLog": _clear("file_series"),
    "ConfigFloatSeries": _configure,
    "AddStrings": _add_strings,
    "RemoveStrings": _remove_strings,
    "ClearStringSet": _clear("string_set"),
    "DeleteFiles": _delete_files,
    "DeleteAttribute": _delete,
    "TrackFilesToArtifact": _track,
    "ClearArtifact": _clear("artifact"),
    "CopyAttribute": _copy,
}


def _texts(values: Any) -> list[str]:  # noqa: ANN401  (any JSON)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(values)
    return values


def _time(one: Mapping[str, Any]) -> int:
    """Milliseconds; the client too cuts off what is finer."""
    return int(float(one["ts"]) * 1000)


def _step(one: Mapping[str, Any]) -> float | None:
    step = one.get("step")
    if step is None:
        return None
    if not isinstance(step, int | float) or isinstance(step, bool):
        raise TypeError(step)
    return step


def _decoded(text: Any) -> bytes:  # noqa: ANN401  (any JSON)
    return base64.b64decode(text, validate=True)


def _image(line: Line, number: int) -> BinaryIO:
    return _again(line, lambda content: content["values"][number]["value"]["data"])


def _content(line: Line) -> BinaryIO:
    return _again(line, lambda content: content["file_content"])


def _again(line: Line, pick: Callable[[Any], Any]) -> BinaryIO:
    """Bytes that stand in a line, which is read again so that they need not be kept."""
    try:
        return io.BytesIO(_decoded(pick(line.read()["obj"])))
    except _MALFORMED as error:
        raise DamageError(f"{line.log} changed while it was read") from error


def _uploaded(folder: Path, name: str) -> Located | str:
    """A file that the client itself kept; older clients kept it beside the logs."""
    for root in (folder / "upload_path", folder):
        found = find(root, name)
        if isinstance(found, FolderFile) and not root.is_symlink():
            return Located(root=root, file=found)
    return f"{name} is not in {folder.name}/upload_path"
