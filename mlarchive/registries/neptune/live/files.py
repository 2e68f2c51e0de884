"""Files of a server: single ones streamed, sets and images kept aside while they are read.

A set comes as one zip archive, whose directory is at its end, so it is kept in a nameless file
until its object is done with; so are the images of a series, whose types only their answers tell.
"""

import contextlib
import io
import json
import time
import weakref
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, BinaryIO, cast

from mlarchive.errors import NotFoundError, RemoteError, UnavailableError
from mlarchive.registries.neptune.archives import BROKEN, excess, trouble
from mlarchive.registries.neptune.live.answers import OddAnswerError
from mlarchive.registries.neptune.live.aside import Aside, Piece, held
from mlarchive.registries.neptune.live.connection import Connection
from mlarchive.registries.neptune.live.downloads import opened
from mlarchive.registries.neptune.live.series import Points, points, step_and_time
from mlarchive.registries.neptune.live.values import ODD, Told, properties, whole_text
from mlarchive.registries.neptune.objects import Attribute, AttributeFile, step_text

_UNTOLD = "the server does not say steps, times and names of images; steps are places in the series"
_PATIENCE = 600.0
"""Seconds that the server may take to pack a file set."""


def single_file(connection: Connection, object_id: str, told: Told) -> Attribute:
    """A file, not yet read."""
    path, said = told["name"], properties(told)
    extension = str(said.get("ext") or "")
    begin = partial(
        connection.download, "downloadAttribute", experimentId=object_id, attribute=path
    )
    file = AttributeFile(
        path=path if not extension or path.endswith(f".{extension}") else f"{path}.{extension}",
        open=partial(opened, begin, path),
        size=int(said["size"]),
        waits=True,
        name=str(said.get("name") or ""),
    )
    return Attribute(path=path, type="file", files=(file,))


def artifact(connection: Connection, project_id: str, told: Told) -> Attribute:
    """What is known of the files that an artifact tracks; it holds none of them."""
    path, digest = told["name"], str(properties(told)["hash"])
    answer = connection.ask_artifacts(
        "listArtifactFiles", projectIdentifier=project_id, hash=digest
    )
    text = json.dumps(answer["files"], sort_keys=True, ensure_ascii=False).encode()
    file = AttributeFile(
        path=f"{path}/files_list.json", open=partial(io.BytesIO, text), size=len(text)
    )
    value = json.dumps({"hash": digest})
    return Attribute(path=path, type="artifact", value=value, files=(file,))


def file_set(
    connection: Connection, object_id: str, told: Told
) -> tuple[Attribute | None, dict[str, str]]:
    """A file set with all its members at hand, and why some are not; None for no archive."""
    path = told["name"]
    asked = connection.ask(
        "prepareForDownloadFileSetAttributeZip", experimentId=object_id, attribute=path
    )
    url = _ready(connection, asked, path)
    kept = held(opened(partial(connection.download, url), path))
    try:
        archive = zipfile.ZipFile(kept)
    except BROKEN as error:
        kept.close()
        return None, {path: f"it came as no zip archive: {error}"}
    # An archive leaves open what it was given; members that are being read hold the archive.
    weakref.finalize(archive, kept.close)
    files, losses = [], {}
    if reason := excess(archive, kept.seek(0, io.SEEK_END)):
        return None, {path: f"it {reason}"}
    for item in archive.infolist():
        if item.is_dir():
            continue
        if problem := trouble(archive, item):
            losses[f"{path}/{item.filename}"] = problem
            continue
        files.append(
            AttributeFile(
                path=f"{path}/{item.filename}",
                open=partial(_member, archive, item),
                size=item.file_size,
                name=item.filename,
            )
        )
    return Attribute(path=path, type="file_set", files=tuple(files)), losses


def images(connection: Connection, object_id: str, told: Told) -> tuple[Attribute, str]:
    """A series of images; and, if the server does not say well what they are, why.

    The client has no way to ask for steps, times and names; the server has (`getChannelValues`).
    """
    path, said = told["name"], properties(told)
    parameters = {"experimentId": object_id, "attribute": path}
    known: Points = ()
    if said.get("channelId") and connection.knows("getChannelValues"):
        # An older server refuses; then there is nothing but the places.
        with contextlib.suppress(NotFoundError, RemoteError):
            channel = {"channelId": said["channelId"]}
            (found,) = points(connection, [("getChannelValues", channel)])
            known = () if isinstance(found, OddAnswerError) else found
    why = ""
    if not known:
        count = connection.ask("getImageSeriesValues", limit=1, offset=0, **parameters)
        known = [
            {"x": number, "timestampMillis": 0, "y": {}}
            for number in range(count["totalItemCount"])
        ]
        why = _UNTOLD if known else ""
    if not known:
        return Attribute(path=path, type="file_series"), why
    aside = Aside()
    got = connection.in_parallel(
        lambda number: _image(connection, parameters, path, number, aside), range(len(known))
    )
    items, odd = [], 0
    for number, (point, (kind, piece)) in enumerate(zip(known, got, strict=True)):
        file = AttributeFile(
            path=f"{path}/{number}.{kind}", open=partial(aside.open, piece), size=piece.size
        )
        try:
            file = _described(file, point)
        except ODD:
            odd += 1
        items.append(file)
    if odd:
        why = f"the server gives {odd} of its images a step or a time that there cannot be"
    return Attribute(path=path, type="file_series", files=tuple(items)), why


def _described(file: AttributeFile, point: Mapping[str, Any]) -> AttributeFile:
    """An item with what the server says of it."""
    step, time = step_and_time(point["x"], point["timestampMillis"])
    said = point["y"].get("imageValue") or {}
    return replace(
        file,
        name=whole_text(str(said.get("name") or "")),
        step=step_text(step),
        time=time,
        description=whole_text(str(said.get("description") or "")),
    )


def _image(
    connection: Connection, parameters: Mapping[str, str], path: str, number: int, aside: Aside
) -> tuple[str, Piece]:
    begin = partial(connection.download, "getImageSeriesValue", index=number, **parameters)
    response = begin()
    kind = response.headers.get("content-type", "").partition(";")[0].rpartition("/")[2]
    answers = chain((response,), iter(begin, None))
    piece = aside.keep(opened(partial(next, answers), f"{path}, image {number}"))
    return "".join(c for c in kind if c.isalnum()) or "bin", piece


def _ready(connection: Connection, asked: Mapping[str, Any], path: str) -> str:
    """The address of an archive, when the server has made it."""
    begun, wait = time.monotonic(), 0.05
    while True:
        said = connection.ask("getDownloadPrepareRequest", id=asked["id"])
        if said.get("downloadUrl"):
            return str(said["downloadUrl"])
        if time.monotonic() - begun > _PATIENCE:
            raise UnavailableError(f"the server does not pack the file set {path!r}")
        time.sleep(wait)
        wait = min(2 * wait, 5.0)


def _member(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> BinaryIO:
    return cast("BinaryIO", archive.open(item))
