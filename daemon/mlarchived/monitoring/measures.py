"""Which metrics there are: what was counted, and what the ledger and the vaults say now."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from mlarchive import __version__
from mlarchive.vault.journal import Journal
from mlarchived.condition import standings_of, troubles_of
from mlarchived.ledger import Ledger
from mlarchived.mirrors import Setting
from mlarchived.monitoring.board import Board
from mlarchived.monitoring.exposition import Family

PREFIX = "mlarchived"

_PLACE = ("mirror", "target")

Samples = Mapping[Any, float]
"""By the values of the labels, a tuple."""


def families(board: Board) -> Iterator[Family]:
    """Every metric, as it is now.

    Raises:
        MlarchiveError: The ledger or a vault's journal cannot be read.
    """
    with board.lock:
        counted = [
            msgspec.structs.replace(family, samples={**family.samples})
            for family in _counted(board)
        ]
        setting = board.setting
    yield from counted
    if setting:
        yield from _of_mirrors(setting, board)
        yield from _of_vaults(setting)


def _counted(board: Board) -> Iterator[Family]:
    counts = board.counts
    yield _gauge("build_info", "The version that runs.", ("version",), {(__version__,): 1})
    yield _gauge("start_time_seconds", "When it started.", (), {(): board.started_at})
    yield _gauge("ready", "Whether it is up.", (), {(): board.ready})
    yield _gauge("loops_dead", "Loops that do not run and should.", (), {(): len(board.dead)})
    unwell = {(part,): 1 for part in board.unwell}
    yield _gauge("monitoring_failing", "Observers that fail.", ("part",), unwell)
    busy = {(name,): bool(worker.began_at) for name, worker in board.workers.items()}
    yield _gauge("worker_busy", "Whether a worker is at work.", ("worker",), busy)
    failing = {(name,): bool(worker.trouble) for name, worker in board.workers.items()}
    yield _gauge("worker_failing", "Whether its last round failed.", ("worker",), failing)
    alone = {(name,): is_open for name, is_open in board.left_alone.items()}
    yield _gauge("target_left_alone", "Whether it is down, and not asked.", ("target",), alone)
    steps = (*_PLACE, "outcome")
    yield _counter("steps_total", "Steps of rounds, by how they ended.", steps, counts.steps)
    yield _counter("bytes_total", "Bytes packed and sent.", _PLACE, counts.bytes)
    yield _counter("losses_total", "What could not be carried.", _PLACE, counts.losses)
    labels: tuple[str, ...] = ("worker", "result")
    yield _counter("rounds_total", "Rounds, by whether they failed.", labels, counts.rounds)
    yield _counter("retries_total", "Failures that are tried again.", ("worker",), counts.retries)
    labels = ("worker", "why")
    yield _counter("ticks_missed_total", "Times that were due and passed.", labels, counts.missed)
    labels = ("vault", "outcome")
    yield _counter("vault_packages_total", "Packages pruned or mended.", labels, counts.packages)
    yield _counter("vault_read_bytes_total", "Bytes read again.", ("vault",), counts.scrubbed)
    undelivered = {(kind,): number for kind, number in board.undelivered.items()}
    yield _counter("messages_undelivered_total", "Nobody took them.", ("kind",), undelivered)


def _of_mirrors(setting: Setting, board: Board) -> Iterator[Family]:
    success, looked, objects, behind, aside, clearing = (
        dict[tuple[str, ...], float]() for _ in range(6)
    )
    with Ledger.look(setting.state) as ledger:
        for job in setting.jobs:
            for target, standing in standings_of(job, ledger).items():
                key = (job.name, target)
                success[key] = standing.succeeded_at / 1000
                looked[key] = standing.looked_at / 1000
                objects[key], behind[key] = standing.objects, standing.behind
                seconds = board.paces.clearing(job.name, target, standing.behind)
                if seconds is not None:
                    clearing[key] = seconds
            for trouble in troubles_of(job, ledger):
                if trouble.is_set_aside(job.set_aside_after):
                    key = (job.name, trouble.target)
                    aside[key] = aside.get(key, 0) + 1
    says = "When nothing was outstanding last; 0 for never."
    yield _gauge("last_success_timestamp_seconds", says, _PLACE, success)
    yield _gauge("last_look_timestamp_seconds", "When it was looked at last.", _PLACE, looked)
    yield _gauge("objects", "Objects that are wanted there.", _PLACE, objects)
    yield _gauge("backlog_objects", "Objects that are not there as wanted.", _PLACE, behind)
    says = "How long these will take, as objects took lately."
    yield _gauge("backlog_seconds", says, _PLACE, clearing)
    yield _gauge("set_aside_objects", "Objects that wait for a person.", _PLACE, aside)


def _of_vaults(setting: Setting) -> Iterator[Family]:
    oldest, checked, damaged = (dict[tuple[str, ...], float]() for _ in range(3))
    for folder in setting.vaults:
        if folder.is_dir():
            with Journal.look(folder) as journal:
                summary = journal.summary()
            key = (str(folder),)
            checked[key], damaged[key] = summary.packages, summary.damaged
            if summary.packages:
                oldest[key] = summary.oldest_at / 1000
    labels = ("vault",)
    says = "The oldest check of a package."
    yield _gauge("vault_oldest_check_timestamp_seconds", says, labels, oldest)
    yield _gauge("vault_checked_packages", "Packages that were read again.", labels, checked)
    yield _gauge("vault_damaged_packages", "Packages that are damaged.", labels, damaged)
    free = {(str(folder),): _free(folder) for folder in (setting.state, *setting.vaults)}
    yield _gauge("free_bytes", "Space left on the disk of a folder.", ("folder",), free)


def _free(folder: Path) -> float:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _gauge(name: str, says: str, labels: tuple[str, ...], samples: Samples) -> Family:
    return Family(name=name, kind="gauge", help=says, labels=labels, samples=samples)


def _counter(name: str, says: str, labels: tuple[str, ...], samples: Samples) -> Family:
    return Family(name=name, kind="counter", help=says, labels=labels, samples=samples)
