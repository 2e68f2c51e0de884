"""A worker does its work whenever it is due, never twice at a time, and again if it may help."""

import threading
from collections.abc import Callable

import pytest

from mlarchived.service.inbox import Inbox
from mlarchived.service.worker import Again, Backoff, Worker

PATIENCE = 60.0


def working(work: Callable[[int], float], after: Worker | None = None) -> Worker:
    def again(_: Worker, before: int) -> Again:
        wait = work(before)
        return Again(seconds=wait, failed=wait > 0)

    worker = Worker("w", again, after=after)
    worker.start()
    return worker


def test_ticks_during_work_make_one_round_more() -> None:
    begun, go, rounds = threading.Semaphore(0), threading.Semaphore(0), []

    def work(before: int) -> float:
        rounds.append(before)
        begun.release()
        go.acquire()
        return 0.0

    worker = working(work)
    assert worker.tick()
    assert begun.acquire(timeout=PATIENCE)
    assert [worker.tick(), worker.tick()] == [False, False]
    go.release(2)
    assert begun.acquire(timeout=PATIENCE)
    worker.stop()
    assert worker.join(PATIENCE)
    assert len(rounds) == 2


def test_what_may_pass_is_tried_again_without_a_tick() -> None:
    done, befores = threading.Event(), []

    def work(before: int) -> float:
        befores.append(before)
        if before == 2:
            done.set()
            return 0.0
        return 0.01

    worker = working(work)
    worker.tick()
    assert done.wait(PATIENCE)
    worker.stop()
    assert worker.join(PATIENCE)
    assert befores == [0, 1, 2]


def test_a_successor_begins_when_its_predecessor_has_ended() -> None:
    go, order = threading.Event(), []

    def first(_: int) -> float:
        go.wait(PATIENCE)
        order.append("first")
        return 0.0

    def second(_: int) -> float:
        order.append("second")
        return 0.0

    before = working(first)
    before.tick()
    while not before.busy:
        pass
    before.stop()
    after = working(second, after=before)
    after.tick()
    go.set()
    assert before.join(PATIENCE)
    while not order[1:]:
        pass
    after.stop()
    assert after.join(PATIENCE)
    assert order == ["first", "second"]


@pytest.mark.parametrize(("failures", "longest"), [(1, 10), (2, 20), (5, 160), (8, 900), (99, 900)])
def test_pauses_double_up_to_a_limit(failures: int, longest: float) -> None:
    waits = [Backoff(first=10, most=900).after(failures) for _ in range(100)]
    assert all(longest / 2 <= wait <= longest for wait in waits)
    assert len(set(waits)) > 1


def test_no_word_to_the_main_loop_is_lost() -> None:
    inbox = Inbox()

    def send() -> None:
        for _ in range(20_000):
            inbox.post("reload")

    senders = [threading.Thread(target=send) for _ in range(3)]
    for sender in senders:
        sender.start()
    heard = 0
    while heard < 60_000:
        heard += len(inbox.wait(PATIENCE))
    for sender in senders:
        sender.join()
    assert heard == 60_000
    assert inbox.wait(0.0) == []
    inbox.close()
