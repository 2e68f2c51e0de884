"""Sends files to a container, reads every one of them back, and sends nothing twice.

A blob that is there with the size and the stated digest of a file is not sent again, nor is a
block of a long file that an interrupted upload left.
"""

import base64
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import BinaryIO, NamedTuple

import msgspec

from mlarchive.errors import ConflictError, DamageError, RemoteError, SourceChangedError
from mlarchive.records import File
from mlarchive.registries.azureml.blobfolder import RANGE, open_blob
from mlarchive.registries.azureml.containers import Blob, BlobContainer
from mlarchive.registries.marking import sha256_of
from mlarchive.snapshot import Snapshot, Stream

_AT_ONCE = 4
"""Requests with bytes that are on their way at the same time; each holds at most `RANGE`."""

_BLOCK = 1 << 20
_LONGEST_NAME = 1024
_MOST_PARTS = 254
_MOST_BLOCKS = 50_000
_MOST_DIGITS = 18
_DIGEST_DIGITS = 64


class Filled(NamedTuple):
    """What became of files that were sent.

    Attributes:
        sent: Bytes of them.
        over: The names of blobs that were written over, though they said to be such files.
    """

    sent: int
    over: list[str]


class Sent(NamedTuple):
    """A file and where it goes.

    Attributes:
        file: As the package states it.
        stream: Its bytes.
    """

    file: File
    stream: Stream


def sent_of(snapshot: Snapshot, key: str) -> tuple[Sent, ...]:
    """The files of a record as they are."""
    streams = snapshot.streams_of(key)
    return tuple(Sent(one.entry, one) for one in streams if isinstance(one.entry, File))


def files_within(files: Sequence[Sent], folder: str) -> tuple[Sent, ...]:
    """The files below a folder, by path within it; all of them if there is none."""
    below = f"{folder}/" if folder else ""
    return tuple(
        Sent(msgspec.structs.replace(one.file, path=one.file.path.removeprefix(below)), one.stream)
        for one in files
        if one.file.path.startswith(below)
    )


def refuses(path: str, below: str = "") -> str:
    """Why a storage account cannot hold a file of that name; "" if it can.

    Args:
        path: Its name.
        below: What the names of all begin with that are sent.
    """
    if len(below + path) > _LONGEST_NAME or (below + path).count("/") >= _MOST_PARTS:
        return "its name is too long for a storage account, with the place that it is sent to"
    if "\\" in path:
        return "Azure's clients take a backslash for a slash"
    if any(part.endswith(".") for part in path.split("/")):
        return "storage accounts do not keep a dot at the end of a name"
    return ""


def longest_prefix(kind: str, name: str, folder: str, *, in_registry: bool) -> str:
    """What the names of all begin with that are sent for a version, whatever its number.

    Args:
        kind: Of asset.
        name: Its name.
        folder: The last part of the prefix.
        in_registry: Whether it goes to a registry, which has a place for each version.
    """
    place = f"{kind}/{name}/{'9' * _MOST_DIGITS}/" if in_registry else ""
    return f"mlarchive/{place}{'0' * _DIGEST_DIGITS}/{folder}/"


def digest_of(folder: str, files: Sequence[Sent]) -> str:
    """A digest of names, sizes and digests, the same for the same files in such a folder.

    Args:
        folder: What it is called; "" for a file that lies in none, which would else be sent beside
            a folder that has no other file.
        files: All of them.
    """
    whole = hashlib.sha256(f"{folder}/\n".encode())
    for line in sorted(f"{one.file.sha256} {one.file.size} {one.file.path}\n" for one in files):
        whole.update(line.encode())
    return whole.hexdigest()


def fill(
    container: BlobContainer,
    prefix: str,
    files: Sequence[Sent],
    pool: ThreadPoolExecutor,
    *,
    over_others: bool,
) -> Filled:
    """Make the blobs below a prefix be the files, and no others.

    What lies there and says that it is a file is believed first, and sent when it is not.

    Args:
        container: Where.
        prefix: What their names begin with.
        files: All of them.
        pool: Whose threads send and read back.
        over_others: Whether what somebody put there in place of a file is written over.

    Returns:
        How many bytes were sent, and the files that somebody had put others in place of and left
        what was said of them, so that `look_where` cannot find them.

    Raises:
        ConflictError: Somebody did, and it is not: a version of any name may have its files there.
        DamageError: The package's bytes are not what it states.
        RemoteError: Something did not arrive as it was sent, or something else is there.
    """
    present = {blob.name: blob for blob in container.blobs(prefix)}
    lacking = [one for one in files if not _stated(present.get(prefix + one.file.path), one.file)]
    if not over_others:
        require_unaltered(container, _others(container, prefix, present, lacking, pool))
    _send_all(container, prefix, lacking, pool)
    wrong = set(_wrong(container, prefix, files, pool))
    altered = [one for one in files if prefix + one.file.path in wrong and one not in lacking]
    names = [prefix + one.file.path for one in altered]
    if altered:
        if not over_others:
            require_unaltered(container, names)
        _send_all(container, prefix, altered, pool)
        wrong = set(_wrong(container, prefix, files, pool))
    if wrong:
        raise RemoteError(
            f"{min(wrong)} did not arrive at {container.url} as it was sent",
            hint="run the same command again; it goes on where this one stopped",
        )
    return Filled(sum(one.file.size for one in (*lacking, *altered)), names)


class Found(NamedTuple):
    """What somebody put where files go.

    Attributes:
        altered: The names of blobs that are in place of files, and are no such files.
        beside: Of those that are there besides.
    """

    altered: list[str]
    beside: list[str]


def look_where(
    container: BlobContainer, prefix: str, files: Sequence[Sent], pool: ThreadPoolExecutor
) -> Found:
    """Look at where files go; only what does not say that it is a file is read.

    Args:
        container: Where they go.
        prefix: What their names begin with.
        files: All of them.
        pool: Whose threads read.
    """
    present = {blob.name: blob for blob in container.blobs(prefix)}
    beside = present.keys() - {prefix + one.file.path for one in files}
    return Found(sorted(_others(container, prefix, present, files, pool)), sorted(beside))


def _others(
    container: BlobContainer,
    prefix: str,
    present: Mapping[str, Blob],
    files: Iterable[Sent],
    pool: ThreadPoolExecutor,
) -> Iterator[str]:
    for one in files:
        blob = present.get(prefix + one.file.path)
        if blob is None or _stated(blob, one.file):
            continue
        if not _same_size(blob, one.file) or _digest(container, blob, pool) != one.file.sha256:
            yield blob.name


def require_unaltered(container: BlobContainer, altered: Iterable[str]) -> None:
    """Refuse to go on where somebody altered what was sent.

    Args:
        container: Where.
        altered: The names of such blobs.

    Raises:
        ConflictError: There are some.
    """
    name = min(altered, default="")
    if name:
        raise ConflictError(
            f"somebody altered {name} at {container.url} since it was sent, and a version of any "
            "model may have its files there",
            hint="--conflict new-version (a mirror: `conflict`) writes it anew; to keep what is "
            "there, copy it elsewhere before",
        )


def require_alone(container: BlobContainer, beside: Iterable[str]) -> None:
    """Refuse to go on where somebody added something.

    Args:
        container: Where.
        beside: The names of such blobs.

    Raises:
        RemoteError: There are some.
    """
    name = min(beside, default="")
    if name:
        raise RemoteError(
            f"{container.url} holds {name} beside what is sent there",
            hint="somebody added it, and a version that has its files there would show it: "
            "remove it there, and run the same command again",
        )


def _send_all(
    container: BlobContainer, prefix: str, files: Sequence[Sent], pool: ThreadPoolExecutor
) -> None:
    flying = _Flying(pool)
    try:
        for one in files:
            _send(flying, container, prefix + one.file.path, one)
    finally:
        flying.land()


class _Flying:
    """Requests with bytes on their way, a bounded number."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._requests: deque[Future[None]] = deque()

    def send(self, do: Callable[[], None]) -> None:
        """Send one more as soon as there is room; what failed before is raised here."""
        while len(self._requests) >= _AT_ONCE:
            self._requests.popleft().result()
        self._requests.append(self._pool.submit(do))

    def land(self) -> None:
        """Wait for all; the first failure is raised when none is on its way any more."""
        wait(self._requests)
        while self._requests:
            self._requests.popleft().result()


def _stated(blob: Blob | None, file: File) -> bool:
    """Whether a blob says that it is a file; its bytes are compared at the end."""
    return blob is not None and (blob.size, blob.sha256) == (file.size, file.sha256)


def _send(flying: _Flying, container: BlobContainer, name: str, one: Sent) -> None:
    with one.stream.open() as source:
        if one.file.size > RANGE:
            _send_blocks(flying, container, name, one.file, source)
            return
        raw = source.read()
    if hashlib.sha256(raw).hexdigest() != one.file.sha256:
        raise _damaged(one.file)
    flying.send(partial(container.put, name, raw, one.file.sha256))


def _send_blocks(
    flying: _Flying, container: BlobContainer, name: str, file: File, source: BinaryIO
) -> None:
    there = container.staged(name)
    size = max(RANGE, -(-file.size // _MOST_BLOCKS))
    whole, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    blocks: list[str] = []
    while raw := source.read(size):
        whole.update(raw)
        md5.update(raw)
        own = hashlib.sha256(raw).hexdigest()[:32]
        block = base64.b64encode(f"{len(blocks):06}-{own}".encode()).decode()
        blocks.append(block)
        if block not in there:
            flying.send(partial(container.stage, name, block, raw))
    if whole.hexdigest() != file.sha256:
        raise _damaged(file)
    flying.land()
    container.commit(name, blocks, md5.digest(), file.sha256)


def _wrong(
    container: BlobContainer, prefix: str, files: Sequence[Sent], pool: ThreadPoolExecutor
) -> list[str]:
    """Compare what is there with what should be: names, lengths, and every byte.

    Returns:
        The names of blobs that are others, or not there; not all where some are obvious.

    Raises:
        RemoteError: Something else is there.
    """
    present = {blob.name: blob for blob in container.blobs(prefix)}
    wanted = {prefix + one.file.path: one.file for one in files}
    require_alone(container, present.keys() - wanted.keys())
    wrong = [name for name, file in wanted.items() if not _same_size(present.get(name), file)]
    if wrong:
        return wrong
    short = [name for name, file in wanted.items() if file.size <= RANGE]
    read = pool.map(lambda name: _digest(container, present[name], pool), short)
    wrong = [name for name, own in zip(short, read, strict=True) if own != wanted[name].sha256]
    for name, file in wanted.items():
        # One by one, since each is read by several threads.
        if file.size > RANGE and _digest(container, present[name], pool) != file.sha256:
            wrong.append(name)
    return wrong


def _same_size(blob: Blob | None, file: File) -> bool:
    return blob is not None and blob.size == file.size


def _digest(container: BlobContainer, blob: Blob, pool: ThreadPoolExecutor) -> str:
    try:
        with open_blob(container, blob, pool) as source:
            return sha256_of(source)
    except SourceChangedError as error:
        # Another write sends the same there, or somebody alters it.
        raise ConflictError(f"{error.message} back", hint="run the same command again") from error


def _damaged(file: File) -> DamageError:
    return DamageError(f"the bytes of {file.path} are not those that the package states")
