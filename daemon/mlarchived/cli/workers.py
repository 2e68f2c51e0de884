"""What a running service says of itself, for `mlarchived status`."""

from pathlib import Path

import msgspec

from mlarchive.errors import MlarchiveError, UnavailableError, UsageError
from mlarchived.cli.screen import Screen, duration, moment, plural
from mlarchived.control import NoServiceError, Request, ServiceState, SilentError, WorkerState, ask


class WorkerLine(WorkerState, frozen=True, kw_only=True, tag_field="event", tag="worker"):
    """What a worker of the running service is at, for a program."""


class ServiceLine(ServiceState, frozen=True, kw_only=True, tag_field="event", tag="service-state"):
    """How the running service itself stands, for a program."""


def print_service(
    screen: Screen, state: Path, failed: list[MlarchiveError], *, wrong: bool = False
) -> frozenset[str]:
    """How the running service stands, and what its workers are at.

    Args:
        screen: Where it is said.
        state: The service's state folder.
        failed: Is added to, where one runs and does not answer.
        wrong: Whether the configuration file is wrong now.

    Returns:
        The workers' names; none if nobody says so.
    """
    try:
        found = ask(state, Request(verb="status"))
    except NoServiceError:
        screen.say("no service runs; `mlarchived run` starts one")
        return frozenset()
    except SilentError as error:
        screen.error(error)
        failed.append(error)
        return frozenset()
    except UnavailableError as error:
        screen.say(f"{error.message}; {error.hint}")
        return frozenset()
    _print_state(screen, state, wrong=wrong)
    workers = msgspec.convert(found, list[WorkerState])
    for worker in workers:
        screen.tell(WorkerLine(**msgspec.structs.asdict(worker)))
        doing = "at work" if worker.busy else "waits"
        if worker.paused:
            doing = "paused"
        due = f", next due {moment(worker.next_at)}" if worker.next_at else ""
        alone = (
            f", target left alone for {duration(worker.left_alone)}" if worker.left_alone else ""
        )
        tries = f", {plural(worker.failures, 'failure')} in a row" if worker.failures else ""
        to_go = f", {duration(worker.clearing)} to go" if worker.clearing else ""
        screen.say(f"  {worker.worker.removesuffix(':')}: {doing}{due}{tries}{alone}{to_go}")
    return frozenset(worker.worker for worker in workers)


def _print_state(screen: Screen, state: Path, *, wrong: bool) -> None:
    """What is to be known of the service itself."""
    try:
        stood = msgspec.convert(ask(state, Request(verb="service")), ServiceState)
    except (UsageError, UnavailableError):
        # It is of an older version, which does not know this question; or it has ended by now.
        stood = None
    if stood:
        screen.tell(ServiceLine(**msgspec.structs.asdict(stood)))
        for ailment in stood.ailments:
            screen.say(f"the service: {ailment}")
    if stood and stood.stopping:
        screen.say("the service is being stopped: it ends the work at hand, and begins no other")
    if wrong or (stood and stood.refused):
        why = f"; the newer one was refused: {stood.refused}" if stood and stood.refused else ""
        way = "" if wrong else " (SIGHUP lets it read the file again)"
        screen.say(f"the service goes on with the configuration that was right last{why}{way}")
