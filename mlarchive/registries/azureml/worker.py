"""The process of one cloud: answers questions on standard input until that ends.

Its parent gives it the credentials of this cloud alone. Standard output is for answers; whatever
libraries print goes to standard error.
"""

import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from mlarchive.errors import MlarchiveError
from mlarchive.registries.azureml.messages import (
    Answer,
    Ask,
    Connect,
    Request,
    Share,
    Start,
    Token,
    receive,
    send,
)
from mlarchive.registries.azureml.places import Place
from mlarchive.registries.grammars import without_grammars

if TYPE_CHECKING:
    from azure.core.rest import HttpResponse

    from mlarchive.registries.azureml.client import Client, Login

_AT_ONCE = 8


def main() -> None:
    """Serve one parent."""
    # The parent decides when to end; a Ctrl-C at the terminal reaches both.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    first = receive(sys.stdin.buffer, Ask)
    if first is not None and isinstance(first.question, Start):
        _serve(first.question, sys.stdin.buffer, answers)


class _Session:
    """The clients of all places; new ones when the service takes their token no longer."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._login: Login | None = None
        self._clients: dict[Place, Client] = {}

    def answered(self, ask: Ask) -> Answer:
        """The answer to a question."""
        number = ask.number
        match ask.question:
            case Connect(place=place):
                connected = self._client(place).connected()
                return Answer(number=number, body=msgspec.json.encode(connected))
            case Request():
                response = self._sent(ask.question)
                return Answer(number=number, status=response.status_code, body=response.read())
            case Token(scope=scope):
                with self._lock:
                    login = self._logged_in()
                return Answer(number=number, body=msgspec.json.encode(login.token(scope)))
            case Share(place=place):
                self._new_client(place).share(ask.question)
                return Answer(number=number)
            case _:
                raise MlarchiveError("the process of a cloud was asked to start twice")

    def _sent(self, request: Request) -> "HttpResponse":
        used = self._client(request.place)
        response = used.request(request)
        if response.status_code != HTTPStatus.UNAUTHORIZED:
            return response
        # Its libraries keep a token until it says that it ends, whatever the service says.
        with self._lock:
            if self._clients.get(request.place) is used:
                self._login = None
                self._clients.clear()
        return self._client(request.place).request(request)

    def _client(self, place: Place) -> "Client":
        known = self._clients.get(place)
        if known is not None:
            return known
        made = self._new_client(place)
        with self._lock:
            return self._clients.setdefault(place, made)

    def _new_client(self, place: Place) -> "Client":
        from mlarchive.registries.azureml.client import Client

        with self._lock:
            return Client(self._logged_in(), place)

    def _logged_in(self) -> "Login":
        """Under the lock: a person is asked once."""
        from mlarchive.registries.azureml.client import Login

        if self._login is None:
            self._login = Login(self._start)
        return self._login


def _serve(start: Start, questions: BinaryIO, answers: BinaryIO) -> None:
    from mlarchive.registries.azureml.failures import told

    with without_grammars(), contextlib.suppress(ImportError):
        # Where it is missing, the first question is answered so.
        importlib.import_module("mlarchive.registries.azureml.client")
    session = _Session(start)
    lock = threading.Lock()

    def answer(ask: Ask) -> None:
        try:
            said = session.answered(ask)
        except Exception as error:  # noqa: BLE001  (told to the parent, whatever it is)
            failure, words = told(error)
            hint = error.hint if isinstance(error, MlarchiveError) else ""
            said = Answer(number=ask.number, failure=failure, words=words, hint=hint)
        with lock:
            send(answers, said)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while (ask := receive(questions, Ask)) is not None:
            pool.submit(answer, ask)


if __name__ == "__main__":
    main()
