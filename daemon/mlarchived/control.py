"""The control socket: people and programs of the same user ask and tell a running service.

A Unix socket in the state folder, mode 0600, so that whoever may not write there may not ask
either. One line of JSON is a request, one line the answer; then the connection ends.
"""

import contextlib
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from mlarchive.errors import (
    BusyError,
    DamageError,
    MlarchiveError,
    RemoteError,
    StorageError,
    UnavailableError,
    UsageError,
)
from mlarchive.fsops import explaining
from mlarchived.alone import is_running
from mlarchived.defects import contained

NAME = "control.sock"
_LONGEST = 1 << 16
_SECONDS = 30.0


class NoServiceError(UnavailableError):
    """No service runs with a state folder."""


class SilentError(UnavailableError):
    """A service runs with a state folder, and does not answer."""


Verb: TypeAlias = Literal["service", "status", "sync-now"]
"""How the service stands; what its workers are at; or: do at once what is due by the clock."""


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody wants.

    Attributes:
        verb: What.
        mirror: Of which mirror; "" for all.
    """

    verb: Verb
    mirror: str = ""


class Refusal(Struct, frozen=True, kw_only=True):
    """Why it was not done; the attributes are those of `MlarchiveError`."""

    code: str
    message: str
    hint: str


class Answer(Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        refusal: Why nothing did; None if something did.
        result: What the verb has to say.
    """

    refusal: Refusal | None = None
    result: Any = None


class ServiceState(Struct, frozen=True, kw_only=True):
    """How the service itself stands.

    Attributes:
        stopping: Whether it was told to stop, and ends the work at hand.
        refused: Why the newest configuration was refused, and an older one is in force; "" if it
            was not.
        ailments: What of the service itself is not well, a sentence for each part.
    """

    stopping: bool = False
    refused: str = ""
    ailments: tuple[str, ...] = ()


class WorkerState(Struct, frozen=True, kw_only=True):
    """What a worker is at.

    Attributes:
        worker: Its name.
        mirror: The mirror's name; "" for a task.
        busy: Whether it is at work.
        paused: Why it does nothing; "" if it may work.
        next_at: When its bell rings next, ms since 1970 UTC; 0 for never.
        failures: Failures in a row after which it tries again by itself.
        left_alone: Seconds for which its target, which is down, is left alone; 0 if it is not.
        clearing: Seconds that what is outstanding will take, as long as objects took lately; None
            before any was moved.
    """

    worker: str
    mirror: str
    busy: bool
    paused: str
    next_at: int
    failures: int
    left_alone: float = 0.0
    clearing: float | None = None


Handler: TypeAlias = Callable[[Request], Any]


@contextlib.contextmanager
def listening(state: Path, handler: Handler) -> Iterator["Listener"]:
    """Answer requests within the block, one after the other, in a thread of its own.

    Args:
        state: The state folder; this process is its only service.
        handler: Does what is asked; what it raises is the answer too.

    Raises:
        MlarchiveError: The socket cannot be made.
    """
    listener = Listener(state, handler)
    try:
        yield listener
    finally:
        listener.close()


class Listener:
    """A socket, and who answers there."""

    def __init__(self, state: Path, handler: Handler) -> None:
        """Make the socket, as `listening` says."""
        self._state = state
        self._handler = handler
        self._closing = contextlib.ExitStack()
        self._closing.enter_context(_answering(state, handler))

    def keep(self) -> None:
        """Make the socket again if it is not there any more: something cleared it away.

        Raises:
            MlarchiveError: It cannot be made.
        """
        if not os.path.lexists(self._state / NAME):
            self.close()
            self._closing.enter_context(_answering(self._state, self._handler))

    def close(self) -> None:
        """Answer nobody any more."""
        self._closing.close()


@contextlib.contextmanager
def _answering(state: Path, handler: Handler) -> Iterator[None]:
    class Handle(socketserver.StreamRequestHandler):
        timeout = _SECONDS

        def handle(self) -> None:
            with contextlib.suppress(OSError):
                line = self.rfile.readline(_LONGEST)
                self.wfile.write(msgspec.json.encode(_answer(line, handler)) + b"\n")

    path = state / NAME
    with explaining(path, "create"), _short(state) as place:
        # What a killed service left; a living one would have kept us from here.
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            server = socketserver.UnixStreamServer(f"{place}/{NAME}", Handle)
        finally:
            os.umask(before)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        path.unlink(missing_ok=True)


def ask(state: Path, request: Request) -> Any:  # noqa: ANN401  (as the verb has it)
    """Ask the service of a state folder.

    Raises:
        NoServiceError: None runs.
        SilentError: One runs, and does not answer.
        UnavailableError: It may not be asked.
        MlarchiveError: It refuses.
    """
    try:
        with _short(state) as place, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(f"{place}/{NAME}")
            connection.sendall(msgspec.json.encode(request) + b"\n")
            with connection.makefile("rb") as file:
                raw = file.readline()
        answer = msgspec.json.decode(raw, type=Answer)
    except (FileNotFoundError, ConnectionError, TimeoutError) as error:
        if is_running(state):
            raise SilentError(
                f"a service runs with the state folder {state}, and does not answer"
                f" ({_why_silent(error)})",
                hint="ask again in a minute; if it hangs, see its log, stop it and start it again",
            ) from error
        raise NoServiceError(
            f"no service answers for the state folder {state}", hint="start `mlarchived run`"
        ) from error
    except OSError as error:
        raise UnavailableError(
            f"the service of {state} cannot be asked: {error.strerror}",
            hint="be the user that it runs as",
        ) from error
    except msgspec.DecodeError as error:
        raise RemoteError(
            f"the service of {state} gave no answer: {error}", hint="see what it printed"
        ) from error
    if answer.refusal:
        raise _refused(answer.refusal)
    return answer.result


def _why_silent(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing came for {_SECONDS:.0f} s"
    if isinstance(error, FileNotFoundError):
        return f"there is no {NAME} now"
    return error.strerror or str(error)


_KINDS = (UsageError, BusyError, UnavailableError, StorageError, DamageError)


def _refused(refusal: Refusal) -> MlarchiveError:
    """What the service said, as the error that it was there."""
    known = {kind.code: kind for kind in _KINDS}
    kind = known.get(refusal.code, MlarchiveError)
    return kind(refusal.message, hint=refusal.hint)


def _answer(line: bytes, handler: Handler) -> Answer:
    try:
        with contained():
            return Answer(result=handler(_request(line)))
    except MlarchiveError as error:
        return Answer(refusal=Refusal(code=error.code, message=error.message, hint=error.hint))


def _request(line: bytes) -> Request:
    try:
        return msgspec.json.decode(line, type=Request)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the request is not understood: {error}") from error


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A short path to a folder: that of a socket may have 107 bytes at most."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
