"""A whole server for tests that each want one of their own, filled once."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from tests.support.mlflow_others import seed_others
from tests.support.mlflow_server import running_server
from tests.support.mlflow_whole import seed_whole


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a server that was filled with everything and ended; copies of it are served.

    To fill it takes long, so the processes that tests run in share it.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, ready = shared / "filled-mlflow", shared / "filled-mlflow.ready"
    with (shared / "filled-mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            with running_server(folder) as server:
                seed_whole(server, tmp_path_factory.mktemp("whole") / "files")
                seed_others(server)
            ready.touch()
    return folder
