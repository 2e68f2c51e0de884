"""The process of a cloud as its parent sees it: started when first asked, gone when closed."""

import subprocess
import sys
import threading
from concurrent.futures import Future, wait
from itertools import count

import msgspec

from mlarchive import waiting
from mlarchive.closing import Closing
from mlarchive.errors import NotFoundError, UnavailableError
from mlarchive.registries.azureml.access import Access
from mlarchive.registries.azureml.failures import not_there, raised
from mlarchive.registries.azureml.messages import (
    Answer,
    Ask,
    Connect,
    Connected,
    Question,
    Start,
    receive,
    send,
)
from mlarchive.registries.azureml.places import Place
from mlarchive.registries.redaction import secrets_among, without_values

_PATIENCE_SECONDS = 30
_SOON_SECONDS = 8.0
"""What comes so soon is waited for by who is to stop, too: what was begun is finished."""


class CloudProcess(Closing):
    """Asks the process of a cloud; any number of threads may ask at once.

    It serves all places that are reached alike.

    Attributes:
        prefix: What the names of their variables begin with.
    """

    def __init__(self, access: Access) -> None:
        """Start it; it loads its libraries while the caller goes on."""
        self.prefix = access.prefix
        self._secrets = secrets_among(access.variables)
        self._waiting: dict[int, Future[Answer]] = {}
        self._connected: dict[Place, Future[Answer]] = {}
        self._numbers = count()
        self._ended = False
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            # -P: what lies in the current folder is no part of this program.
            [sys.executable, "-P", "-m", "mlarchive.registries.azureml.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=access.variables,
        )
        self._reader = threading.Thread(target=self._read, name="azureml", daemon=True)
        self._reader.start()
        self._send(
            Start(cloud=access.cloud, endpoints=access.endpoints, interactive=access.interactive)
        )

    @property
    def is_running(self) -> bool:
        """Whether it can still be asked."""
        return self._process.poll() is None

    def connect(self, place: Place) -> None:
        """Let it connect to a place while the caller goes on; once is enough."""
        if place not in self._connected:
            self._connected[place] = self._send(Connect(place=place))

    def connected(self, place: Place) -> Connected:
        """What the client of a place knows since it is connected.

        Raises:
            MlarchiveError: It could not log in, or not reach the place; the next question tries
                again.
        """
        self.connect(place)
        answer = self._connected[place]
        try:
            body = self._settled(answer, place).body
        except Exception as error:
            if self._connected.get(place) is answer:
                del self._connected[place]
            if isinstance(error, NotFoundError):
                error.hint = error.hint or not_there(place)
            raise
        return msgspec.json.decode(body, type=Connected)

    def ask(self, place: Place, question: Question) -> Answer:
        """The answer to a question about a place.

        Raises:
            MlarchiveError: There is none.
        """
        self.connected(place)
        return self._settled(self._send(question), place)

    def close(self) -> None:
        """End it; what it holds is no more than its parent can ask for again."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stdout:
            self._process.stdout.close()

    def _send(self, question: Question) -> Future[Answer]:
        number = next(self._numbers)
        answer: Future[Answer] = Future()
        assert self._process.stdin is not None  # noqa: S101  (it was started with a pipe)
        with self._lock:
            self._waiting[number] = answer
            try:
                send(self._process.stdin, Ask(number, question))
            except (OSError, ValueError):
                self._ended = True
            if self._ended:
                self._fail_all()
        return answer

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  (it was started with a pipe)
        while (answer := receive(self._process.stdout, Answer)) is not None:
            with self._lock:
                waiting = self._waiting.pop(answer.number)
            waiting.set_result(answer)
        with self._lock:
            self._ended = True
            self._fail_all()

    def _fail_all(self) -> None:
        """Nobody will answer any more."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(UnavailableError("the process that speaks with Azure ended"))
        self._waiting.clear()

    def _settled(self, answer: Future[Answer], place: Place) -> Answer:
        where = f"azureml://{place.locator}"
        # A pause that a service asks for is kept over there.
        wait([answer], _SOON_SECONDS)
        waiting.wait(answer.done, f"an answer of {where}")
        said = answer.result()
        if said.failure:
            # Who is asked may repeat what it was told.
            words = without_values(said.words, self._secrets)
            raise raised(said.failure, words, where, self.prefix, hint=said.hint)
        return said
