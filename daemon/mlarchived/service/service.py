"""The service itself: takes up a configuration, keeps going, reloads, drains.

The main thread only listens, beats and hands out work; all work is in workers' threads. What one
worker meets never stops another.
"""

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from mlarchive import waiting
from mlarchive.errors import ConfigError, MlarchiveError, UndrainedError
from mlarchived import durations
from mlarchived.alone import Lock, alone
from mlarchived.breakers import Breakers, Pauses
from mlarchived.configfile import read_config
from mlarchived.control import Listener, listening
from mlarchived.defects import contained
from mlarchived.ledger import Ledger
from mlarchived.mirrors import Setting
from mlarchived.resolving import resolve
from mlarchived.schedules import Schedule
from mlarchived.service.clock import Clock
from mlarchived.service.crew import Crew
from mlarchived.service.directing import Directions
from mlarchived.service.happenings import Beat, Staged, TicksMissed, Troubled, Waits
from mlarchived.service.inbox import Inbox, Word
from mlarchived.service.observing import Observer, Observers
from mlarchived.service.paces import Paces
from mlarchived.service.rounds import Terms, posts
from mlarchived.service.tasks import Tasks
from mlarchived.service.worker import Backoff

BEAT = 2.0
"""Seconds between two rounds of the main loop, if nobody tells it anything."""


class Service:
    """Runs until it is told to stop."""

    def __init__(
        self,
        path: Path,
        environment: Mapping[str, str],
        observers: Sequence[Observer],
        tasks: Tasks = lambda _: (),
    ) -> None:
        """Make a service; it does nothing before `run`.

        Args:
            path: The configuration file, read again when the service is told to reload.
            environment: Where registries' clients look for credentials.
            observers: Are told what happens.
            tasks: What else is to be done by the clock.
        """
        self._path = path
        self._environment = environment
        paces = Paces()
        self._observers = Observers([*observers, paces])
        self._tasks = tasks
        self._inbox = Inbox()
        self._clock = Clock()
        self._crew = Crew()
        self._unheard = ""
        self._breakers = Breakers(tell=self._observers.take)
        self._directions = Directions(
            self._crew, self._clock.next, self._breakers, paces, lambda: self._observers.ailments
        )

    def run(self) -> None:
        """Keep every mirror up to date until SIGTERM or SIGINT; SIGHUP reloads.

        Raises:
            BusyError: Another service has the state folder.
            StorageError: The state folder was removed or replaced.
            UndrainedError: Work at hand did not end in time, and was left as it was.
            MlarchiveError: The configuration is wrong, or the state folder cannot be used.
        """
        waiting.watch(self._waits)
        with contextlib.closing(self._inbox), self._inbox.listening():
            # What changes in the configuration after this is told, and is not missed.
            setting = resolve(read_config(self._path))
            self._serve(setting)

    def tell(self, word: Word) -> None:
        """Tell it to stop or to reload, from any thread, as a signal would."""
        self._inbox.post(word)

    def _serve(self, setting: Setting) -> None:
        with alone(setting.state) as lock, contextlib.ExitStack() as closing:
            # Where it cannot be opened, the service does not start.
            Ledger.open(setting.state).close()
            self._observers.configured(setting)
            self._observers.take(Staged(stage="starting"))
            self._clock.start()
            try:
                self._take_up(setting)
                # Closed last: people may ask while it drains.
                listener = closing.enter_context(listening(setting.state, self._directions.handle))
                self._observers.take(Staged(stage="ready", note=self._at_work()))
                setting = self._keep_going(setting, lock, listener)
            finally:
                self._clock.stop()
                self._drain(durations.seconds(setting.config.service.drain))

    def _keep_going(self, setting: Setting, lock: Lock, listener: Listener) -> Setting:
        """The main loop; the configuration in force at its end.

        Raises:
            StorageError: The state folder is another one now.
        """
        while True:
            words = self._inbox.wait(BEAT)
            if "stop" in words:
                return setting
            if "reload" in words:
                setting = self._reloaded(setting)
            lock.check()
            self._keep_listening(listener)
            dead = [] if self._clock.running else ["clock"]
            self._observers.take(Beat(dead=(*dead, *self._crew.dead())))

    def _keep_listening(self, listener: Listener) -> None:
        """Let people ask, though the socket was removed; tell once where that cannot be."""
        why = ""
        try:
            listener.keep()
        except MlarchiveError as error:
            why = error.message
            if why != self._unheard:
                self._troubled("control", error)
        self._unheard = why

    # Configuration.

    def _reloaded(self, setting: Setting) -> Setting:
        """The new configuration where it is right, else the old one."""
        self._observers.take(Staged(stage="reloading"))
        try:
            with contained():
                fresh = resolve(read_config(self._path))
                if fresh.state != setting.state:
                    raise ConfigError(
                        f"{self._path}: `state` cannot be changed while the service runs",
                        hint="stop it, move the folder, start it again",
                    )
                self._take_up(fresh)
        except MlarchiveError as error:
            self._directions.refused = error.message
            self._troubled("reload", error)
            note = f"the old configuration stays: {error.message}"
            self._observers.take(Staged(stage="ready", note=note, stale=True))
            return setting
        self._directions.refused = ""
        self._observers.configured(fresh)
        self._observers.take(Staged(stage="ready", note=self._at_work()))
        return fresh

    def _take_up(self, setting: Setting) -> None:
        """Let workers come, stay and go as a configuration asks for."""
        before = self._crew.bells()
        self._directions.setting = setting
        self._breakers.forget(_pauses(setting))
        bells = self._crew.take_up(posts(setting, self._terms(setting), self._tasks(setting)))
        for bell in before - self._crew.bells():
            self._clock.forget(bell)
        for bell, schedule in bells.items():
            ring = partial(self._ring, bell, schedule, setting.state)
            self._clock.set(bell, schedule, ring, among=len(bells))

    def _terms(self, setting: Setting) -> Terms:
        service = setting.config.service
        return Terms(
            setting=setting,
            environment=self._environment,
            tell=self._observers.take,
            backoff=Backoff(
                first=durations.seconds(service.retry_first),
                most=durations.seconds(service.retry_most),
            ),
            ring=self._crew.ring,
            packing=threading.Semaphore(service.packing),
            breakers=self._breakers,
        )

    def _at_work(self) -> str:
        names = [worker.name for _, worker in self._crew.members()]
        return f"{len(names)} at work: {', '.join(names)}"

    # Ticks.

    def _ring(self, bell: str, schedule: Schedule, state: Path) -> None:
        """Some workers are due; called by the clock's thread."""
        busy = self._crew.ring(bell)
        down = 0
        try:
            with contained(), Ledger.open(state) as ledger:
                now = datetime.now(UTC)
                last = ledger.tick(bell, now, busy=bool(busy))
                down = schedule.missed(last, now) if last else 0
                if down:
                    ledger.missed(bell, down)
        except MlarchiveError as error:
            self._troubled("clock", error)
        if down:
            self._observers.take(TicksMissed(worker=bell, count=down, why="down"))
        for name in busy:
            self._observers.take(TicksMissed(worker=name, count=1, why="busy"))

    # The end.

    def _drain(self, seconds: float) -> None:
        """Let every worker end its step, for so long.

        Raises:
            UndrainedError: One of them did not.
        """
        self._directions.stopping = True
        self._observers.take(Staged(stage="draining", note=f"for {seconds:.0f} s at most"))
        self._crew.stop()
        until = time.monotonic() + seconds
        while self._crew.left() and time.monotonic() < until:
            if "stop" in self._inbox.wait(0.1):
                break
        left = self._crew.left()
        note = f"left in the middle of their work: {', '.join(left)}" if left else ""
        self._observers.take(Staged(stage="stopped", note=note))
        self._observers.close()
        if left:
            raise UndrainedError(
                f"stopped without waiting any longer for {', '.join(left)}",
                hint="nothing is lost: the next start finishes or removes what was half done",
            )

    def _waits(self, line: str) -> None:
        """Somebody waits; called by the thread that does."""
        self._observers.take(Waits(worker=threading.current_thread().name, reason=line))

    def _troubled(self, part: str, error: MlarchiveError) -> None:
        self._observers.take(
            Troubled(part=part, reason=error.message, hint=error.hint, code=error.code)
        )


def _pauses(setting: Setting) -> Pauses:
    service = setting.config.service
    return Pauses(
        first=durations.seconds(service.retry_first), most=durations.seconds(service.retry_most)
    )
