"""A process that is asked to stop does so between two steps; asked twice, at once."""

import os
import signal

import pytest

from mlarchive.errors import Interrupted
from mlarchived.stopping import Stopping


def test_work_goes_on_until_asked_to_stop() -> None:
    stopping = Stopping()
    with stopping.listening():
        stopping.check()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted, match="what was begun is finished"):
            stopping.check()


def test_asked_twice_it_stops_where_it_is() -> None:
    stopping = Stopping()
    with stopping.listening(), pytest.raises(Interrupted, match="asked twice"):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_afterwards_signals_mean_what_they_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Stopping().listening():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
