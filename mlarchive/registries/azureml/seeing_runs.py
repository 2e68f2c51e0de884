"""Sees the runs that made versions from afar, as a workspace's own MLflow interface tells them.

A run gets more after its version was made, of which the version says nothing. Each run costs one
request by its id: nobody says which searches Azure ML understands.
"""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from msgspec import Struct

from mlarchive.errors import AccessError, MlarchiveError, UnavailableError
from mlarchive.records.tracking import UNFINISHED
from mlarchive.registries.azureml.assets import Asset, ControlPlane
from mlarchive.registries.azureml.reading_job import job_of
from mlarchive.registries.azureml.tracking import run_at_once, tracking_connection
from mlarchive.registries.marking import digest

if TYPE_CHECKING:
    from mlarchive.registries.mlflow.connection import Connection

_AT_ONCE = 8
_MOST_ERRORS = 8
"""How many runs may fail while none was seen, until the server counts as silent.

So many are asked for a second time, too; a server that failed for more is not asked twice.
"""
_FAILS = "failed with error code 500"
"""What mlflow's client says of a server that fails without saying more."""
_PAUSE_SECONDS = 1.0
"""Until a run is asked for again."""


class SeenRun(Struct, frozen=True, kw_only=True):
    """What a look tells of a run.

    Attributes:
        content_mark: Over what its content is made of; "" if it is not known.
        state_mark: Over its name and tags; "" likewise.
        ended: Whether it logs no more.
        unreadable: Why nobody knows how it is now; else "".
        status: Exit status of the error that says so; 0 if there is none.
    """

    content_mark: str = ""
    state_mark: str = ""
    ended: bool = True
    unreadable: str = ""
    status: int = 0


_NONE = SeenRun()
"""Of no job, of one that is no run, and of one of which reading its version says what is wrong."""


class SeenRuns:
    """The runs of a place, each asked for once; a server that is silent is asked no more.

    One that answers with errors for some runs is not silent: each of these waits by itself.
    """

    def __init__(self, control: ControlPlane) -> None:
        """Ask nothing yet."""
        self._control = control
        self._seen: dict[str, SeenRun] = {}
        self._connection: Connection | None = None
        self._silent: SeenRun | None = None
        self._errors = 0
        self._asked_again = 0

    def look_at(self, versions: Iterable[Asset]) -> None:
        """Fetch the runs behind some versions of models, several at a time."""
        if self._control.place.is_registry:
            return
        wanted = sorted({job_of(one) for one in versions} - self._seen.keys() - {""})
        if wanted:
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="runs") as pool:
                first = self._look(wanted[0])
                rest = pool.map(self._look, wanted[1:])
                self._seen.update(zip(wanted, (first, *rest), strict=True))

    def of(self, version: Asset) -> SeenRun:
        """That of a version that was looked at."""
        return self._seen.get(job_of(version), _NONE)

    def _look(self, job: str) -> SeenRun:
        if self._silent:
            return self._silent
        try:
            self._connection = self._connection or tracking_connection(self._control)
            seen = self._patiently_seen(self._connection, job)
        except MlarchiveError as error:
            return self._unseen(error, job)
        self._errors = -1
        return seen

    def _patiently_seen(self, connection: "Connection", job: str) -> SeenRun:
        try:
            return _seen(connection, job)
        except UnavailableError as error:
            self._asked_again += 1
            if self._asked_again > _MOST_ERRORS or not _about_run(error, connection.uri, job):
                raise
        time.sleep(_PAUSE_SECONDS)
        return _seen(connection, job)

    def _unseen(self, error: MlarchiveError, job: str) -> SeenRun:
        """What to say of a run that could not be asked for."""
        if not (error.retryable or isinstance(error, AccessError)):
            return _NONE
        about = "" if self._connection is None else _about_run(error, self._connection.uri, job)
        if not (about and self._may_answer()):
            self._silent = SeenRun(unreadable=error.message, status=error.exit_status)
            return self._silent
        return SeenRun(unreadable=about, status=error.exit_status)

    def _may_answer(self) -> bool:
        """Whether the server is worth being asked for another run."""
        if self._errors >= 0:
            self._errors += 1
        return self._errors < _MOST_ERRORS


def _about_run(error: MlarchiveError, uri: str, job: str) -> str:
    """What a server answered of one run; "" if it did not answer at all."""
    from mlflow.exceptions import RestException

    if _FAILS in str(error.__cause__):
        return f"{uri} answers with errors only when it is asked for the run {job}"
    if isinstance(error, AccessError) or isinstance(error.__cause__, RestException):
        return f"its run {job} cannot be read: {error.message}"
    return ""


def _seen(connection: "Connection", job: str) -> SeenRun:
    from mlarchive.registries.mlflow.changes import run_content
    from mlarchive.registries.mlflow.failures import speaking
    from mlarchive.registries.mlflow.labelmarks import run_mark

    with speaking(connection.uri):
        run = run_at_once(connection, job)
    return SeenRun(
        content_mark=digest(run_content(run)),
        state_mark=run_mark(run, {}),
        ended=run.info.status not in UNFINISHED,
    )
