"""Messages to others: to webhooks when a worker fails and is well again, and a sign of life.

That goes to an address which raises an alarm when it hears nothing. A thread sends; one address
that does not answer delays nothing. What nobody took after several tries is counted
(`messages_undelivered_total`), told once in the journal, and given up.
"""

import http.client
import queue
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from mlarchive.errors import MlarchiveError, UnavailableError
from mlarchived import durations
from mlarchived.addresses import messaged, secret_url
from mlarchived.mirrors import Setting
from mlarchived.monitoring.board import Board
from mlarchived.service.happenings import MESSAGES, Beat, Happening, RoundEnded
from mlarchived.toml_lines import spelt

_HEARTBEAT = "monitoring.heartbeat"
_TRIES = 5
_FIRST_PAUSE = 1.0
_TIMEOUT = 10.0
_MOST_WAITING = 1000


class Message(Struct, frozen=True, kw_only=True):
    """What a webhook is told, as JSON.

    Attributes:
        text: One sentence, which chat services show.
        event: `failing` or `recovered`.
        worker: `mirror:NAME/TARGET`, `drop:NAME` or `task:NAME`.
        host: The machine's name.
        at: When, ms since 1970 UTC.
        error: Why it fails; "" if it is well again.
        hint: What a person can do.
        failing_for: Seconds for which it had failed, where it is well again.
    """

    text: str
    event: str
    worker: str
    host: str
    at: int
    error: str = ""
    hint: str = ""
    failing_for: float = 0.0


class _Parcel(Struct, frozen=True):
    kind: str
    part: str
    url: str
    body: bytes | None


class Messenger:
    """Sends; an `Observer`."""

    def __init__(self, board: Board, environment: Mapping[str, str]) -> None:
        """Begin with nobody to tell.

        Args:
            board: Where is counted what could not be delivered.
            environment: Where `CREDENTIALS_DIRECTORY` is named.
        """
        self._board = board
        self._environment = environment
        self._webhooks: Mapping[str, str] = {}
        self._heartbeat = ""
        self._unknown: Mapping[str, MlarchiveError] = {}
        self._unheard: dict[str, MlarchiveError] = {}
        self._every = 60.0
        self._last = -float("inf")
        self._failing: dict[str, float] = {}
        self._waiting: queue.Queue[_Parcel | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def configured(self, setting: Setting) -> None:
        """Learn whom to tell; an address that is not where it should be stops no other."""
        wanted = setting.config.monitoring
        found: dict[str, str] = {}
        unknown: dict[str, MlarchiveError] = {}
        for place, text in messaged(wanted):
            try:
                found[spelt(place)] = secret_url(text, self._environment)
            except MlarchiveError as error:
                unknown[spelt(place)] = error
        before = {**self._webhooks, _HEARTBEAT: self._heartbeat}
        with self._board.lock:
            for part, url in before.items():
                if found.get(part) != url:
                    self._unheard.pop(part, None)
        self._heartbeat = found.pop(_HEARTBEAT, "")
        self._webhooks, self._unknown = found, unknown
        self._every = float(durations.seconds(wanted.heartbeat_every))
        if (self._webhooks or self._heartbeat) and self._thread is None:
            self._thread = threading.Thread(target=self._send_all, name="messenger", daemon=True)
            self._thread.start()

    def failures(self) -> Mapping[str, MlarchiveError]:
        """Which addresses are not where they should be, and who takes no messages."""
        with self._board.lock:
            unheard = {f"{MESSAGES}{part}": error for part, error in self._unheard.items()}
        return {**self._unknown, **unheard}

    def take(self, happening: Happening) -> None:
        """Tell of failures and recoveries, once each; give a sign of life while all is well."""
        if isinstance(happening, RoundEnded):
            self._round(happening)
        elif isinstance(happening, Beat) and self._lives(happening):
            self._last = time.monotonic()
            self._put(_Parcel("heartbeat", _HEARTBEAT, self._heartbeat, None))

    def close(self) -> None:
        """Send what is waiting, but do not wait long for anybody."""
        self._closing.set()
        if self._thread:
            self._put(None)
            self._thread.join(_TIMEOUT)

    def _lives(self, beat: Beat) -> bool:
        """Whether a sign of life is due, and true."""
        due = time.monotonic() - self._last >= self._every
        return bool(self._heartbeat) and due and not beat.dead and not self._failing

    def _round(self, event: RoundEnded) -> None:
        now = time.time()
        trouble = event.trouble
        if trouble and event.worker not in self._failing:
            self._failing[event.worker] = now
            self._tell(
                Message(
                    text=f"{event.worker} fails: {trouble}",
                    event="failing",
                    worker=event.worker,
                    host=socket.gethostname(),
                    at=int(now * 1000),
                    error=trouble,
                    hint=event.hint,
                )
            )
        elif not trouble and event.worker in self._failing:
            lasted = now - self._failing.pop(event.worker)
            self._tell(
                Message(
                    text=f"{event.worker} is well again, after {lasted:.0f} s",
                    event="recovered",
                    worker=event.worker,
                    host=socket.gethostname(),
                    at=int(now * 1000),
                    failing_for=round(lasted, 3),
                )
            )

    def _tell(self, message: Message) -> None:
        body = msgspec.json.encode(message)
        for part, url in self._webhooks.items():
            self._put(_Parcel("webhook", part, url, body))

    def _put(self, parcel: _Parcel | None) -> None:
        try:
            self._waiting.put_nowait(parcel)
        except queue.Full:
            self._lost("queue")

    def _send_all(self) -> None:
        while (parcel := self._waiting.get()) is not None:
            tries = 1 if parcel.kind == "heartbeat" else _TRIES
            why = self._send(parcel, tries)
            if why:
                self._lost(parcel.kind)
            self._heard(parcel, why)

    def _send(self, parcel: _Parcel, tries: int) -> str:
        """Try so often; why nobody took it, "" if somebody did."""
        pause, why = _FIRST_PAUSE, ""
        for number in range(tries):
            if number and self._closing.wait(pause):
                return why
            if number:
                pause *= 2
            why = _post(parcel)
            if not why:
                break
        return why

    def _heard(self, parcel: _Parcel, why: str) -> None:
        """Note whether an address takes messages, with the reason that it had first."""
        with self._board.lock:
            if parcel.url not in {self._heartbeat, self._webhooks.get(parcel.part)}:
                return
            if not why:
                self._unheard.pop(parcel.part, None)
            elif parcel.part not in self._unheard:
                self._unheard[parcel.part] = UnavailableError(
                    f"nobody takes them: {why}",
                    hint="check the address, and whether this machine may reach it",
                )

    def _lost(self, kind: str) -> None:
        with self._board.lock:
            self._board.undelivered[kind] += 1


def _post(parcel: _Parcel) -> str:
    """Send; why it was not taken, without the address, which may be a secret; "" if it was."""
    headers = {"User-Agent": "mlarchived"}
    if parcel.body is not None:
        headers["Content-Type"] = "application/json"
    try:
        request = urllib.request.Request(parcel.url, data=parcel.body, headers=headers)  # noqa: S310  (http alone: `secret_url`)
        with urllib.request.urlopen(request, timeout=_TIMEOUT):  # noqa: S310
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return f"it answers {error.code}"
    except urllib.error.URLError as error:
        reason = error.reason
        return getattr(reason, "strerror", None) or type(reason).__name__
    except (OSError, ValueError, http.client.HTTPException) as error:
        return getattr(error, "strerror", None) or type(error).__name__
