"""Pruning and scrubbing vaults by the clock of the service."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mlarchive.vault import Rules
from mlarchived import durations
from mlarchived.config import VaultCare
from mlarchived.mirrors import Setting
from mlarchived.schedules import Schedule
from mlarchived.service.tasks import Task, TaskCircumstances
from mlarchived.tending import Manner, prune, rules, scrub_vault

_SCRUB_EVERY = 3600
"""Seconds: so often a vault is looked at for packages whose check is due."""


def vault_tasks(setting: Setting) -> Sequence[Task]:
    """The tasks of every vault that a configuration names."""
    tasks = []
    for folder, care in setting.vaults.items():
        tasks.append(
            Task(
                name=f"scrub:{folder}",
                schedule=Schedule(every=min(_SCRUB_EVERY, durations.seconds(care.scrub_every))),
                do=partial(_scrub, folder, care),
            )
        )
        if rules(care) != Rules():
            schedule = Schedule(every=durations.seconds(care.prune_every))
            do = partial(_prune, folder, care)
            tasks.append(Task(name=f"prune:{folder}", schedule=schedule, do=do))
    return tasks


def _prune(folder: Path, care: VaultCare, around: TaskCircumstances) -> None:
    prune(folder, care, around.setting, _manner(around))


def _scrub(folder: Path, care: VaultCare, around: TaskCircumstances) -> None:
    scrub_vault(folder, care, around.setting, _manner(around))


def _manner(around: TaskCircumstances) -> Manner:
    return Manner(environment=around.environment, stopping=around.stopping, tell=around.tell)
