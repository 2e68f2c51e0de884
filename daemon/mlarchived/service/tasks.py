"""What else runs by the clock, beside mirrors: scrubbing, pruning, reports."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from mlarchived.mirrors import Setting
from mlarchived.schedules import Schedule
from mlarchived.service.happenings import Tell
from mlarchived.stopping import Stopping


class TaskCircumstances(Struct, frozen=True, kw_only=True):
    """What a task may use.

    Attributes:
        setting: The configuration in force.
        environment: Where registries' clients look for credentials.
        stopping: To be checked between two steps.
        tell: Takes what happens.
    """

    setting: Setting
    environment: Mapping[str, str]
    stopping: Stopping
    tell: Tell


class Task(Struct, frozen=True, kw_only=True):
    """Something that is done by the clock in a thread of its own.

    Attributes:
        name: Names it; its worker is `task:NAME`.
        schedule: When. The first time is soon after the start.
        do: Does it. An error that says that a retry can help is tried again with growing pauses;
            any other waits for the next tick. Both are told to observers.
    """

    name: str
    schedule: Schedule
    do: Callable[[TaskCircumstances], None]


Tasks: TypeAlias = Callable[[Setting], Sequence[Task]]
"""The tasks that a configuration asks for; asked again after each reload."""
