"""The main job, step by step: one real MLflow server mirrored into another through packages.

Starts two servers on free loopback ports, trains a model in the first, and then does what a user
would do, printing each command before it runs it. Fails loudly if anything differs. Everything it
makes lies in `demo/`; it stops only the processes it started.
"""

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

# The demonstration talks to its own two servers, whatever the environment names.
for variable in [name for name in os.environ if name.startswith("MLFLOW_")]:
    del os.environ[variable]
os.environ |= {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo"
MARK = DEMO / ".made-by-make-demo"
BIN = Path(sys.executable).parent
MODEL = "wine"

MIRROR = """\
# What `mlarchived` keeps true. Paths are relative to this file.

# Where the daemon remembers what it has done.
state = "state"

# Registries have names; a mirror remembers an object by its registry's name, not by its URL.
[registries.lab]
locator = "mlflow+http://127.0.0.1:{source}"

[registries.clinic]
locator = "mlflow+http://127.0.0.1:{target}"

[[mirror]]
name = "models"
source = "lab#models/*"     # every version of every model
vault = "vault"             # every version is kept here as a .mlpkg package
targets = ["clinic"]        # and unpacked here
versions = "preserve"       # version 3 there is version 3 here; "next" takes the next free number
conflict = "fail"           # never overwrite other content under the same name and version
"""


class DemoError(Exception):
    """Something differs from what it must be."""


@dataclass(frozen=True)
class Server:
    """A process that was started as an MLflow server.

    Attributes:
        port: Where it listens, on the loopback address.
        process: The leader of its own process group.
        log: The file with what it says.
    """

    port: int
    process: subprocess.Popen[bytes]
    log: Path


def main() -> int:
    """Run the demonstration; 0 if everything was as it must be."""
    started = time.monotonic()
    try:
        prepare_folder()
        with server("lab") as source, server("clinic") as target:
            wait_for(source)
            wait_for(target)
            package = show_the_job(source.port, target.port)
    except DemoError as error:
        print(f"\nThe demonstration FAILED: {error}", file=sys.stderr)
        return 1
    say(f"Everything is as it must be ({time.monotonic() - started:.0f} s).")
    what_next(package)
    return 0


def show_the_job(source: int, target: int) -> str:
    """Everything between the start and the stop of the two servers; gives a package to look at."""
    say("A small real model is trained and registered twice in the first server, 'lab'")
    run("python", "examples/train_wine.py", environment={"MLFLOW_TRACKING_URI": url(source)})

    say("A mirror is described in demo/mirror.toml")
    (DEMO / "mirror.toml").write_text(MIRROR.format(source=source, target=target))
    print((DEMO / "mirror.toml").read_text())

    say("Is the configuration right, and does every registry answer?")
    daemon("check")
    say("What would be done, and why?")
    expect(daemon("plan"), "new")
    say("Do it once")
    daemon("once")

    say("What the vault holds now")
    mlarchive("ls", "vault:demo/vault")
    package = package_of_version_2()
    mlarchive("ls", package)
    mlarchive("show", package)
    mlarchive("verify", "vault:demo/vault")

    say("A second time there is nothing to do")
    expect(daemon("once"), "nothing to do")

    say("An alias moves at the source; its label travels, the model's bytes do not")
    move_alias(source)
    once = daemon("once")
    expect(once, "labels")
    compare(source, target)
    return package


def package_of_version_2() -> str:
    """The vault's package of version 2, as a path a user would type.

    To be asked before labels change: a change of labels alone adds a thin package beside it, which
    cannot be extracted without it.
    """
    packages = sorted((DEMO / "vault").rglob("2~*.mlpkg"))
    if not packages:
        raise DemoError("the vault holds no package of version 2")
    return str(packages[0].relative_to(ROOT))


def move_alias(source: int) -> None:
    """Point the alias `champion` at version 2."""
    print(f"$ # MlflowClient(lab).set_registered_model_alias({MODEL!r}, 'champion', '2')")
    client(source).set_registered_model_alias(MODEL, "champion", "2")


def compare(source: int, target: int) -> None:
    """Load the champion from both servers and compare what they hold and predict."""
    import mlflow
    from sklearn.datasets import load_wine

    say("The champion is loaded from both servers, and their predictions are compared")
    predictions, champions = [], []
    for port in (source, target):
        champions.append(client(port).get_model_version_by_alias(MODEL, "champion").version)
        mlflow.set_tracking_uri(url(port))
        mlflow.set_registry_uri(url(port))
        model = mlflow.sklearn.load_model(f"models:/{MODEL}@champion")
        predictions.append(model.predict_proba(load_wine().data))
    same("the champion is version 2", *champions, champions == ["2", "2"])
    first, second = predictions
    same(f"predictions for {len(first)} wines", first.sum(), second.sum(), (first == second).all())
    versions = [
        sorted(v.version for v in client(port).search_model_versions(f"name='{MODEL}'"))
        for port in (source, target)
    ]
    same(f"versions {', '.join(versions[0])}", *versions, versions[0] == versions[1])
    histories = [metric_history(port) for port in (source, target)]
    points = [len(history) for history in histories]
    same(f"{points[0]} metric points", *points, histories[0] == histories[1])


def metric_history(port: int) -> list[tuple[object, ...]]:
    """Every metric point of every version's run."""
    reader = client(port)
    points = []
    for version in ("1", "2"):
        run = reader.get_run(reader.get_model_version(MODEL, version).run_id or "")
        points += [
            (version, run.info.start_time, run.info.end_time, key, m.step, m.timestamp, m.value)
            for key in sorted(run.data.metrics)
            for m in reader.get_metric_history(run.info.run_id, key)
        ]
    return points


def client(port: int) -> "MlflowClient":
    """MLflow's own client of one server, for runs and for models."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=url(port), registry_uri=url(port))


def same(what: str, first: object, second: object, equal: object) -> None:
    """Say that two things are equal, or fail."""
    if not equal:
        raise DemoError(f"{what} differ: {first} at the source, {second} at the target")
    print(f"  equal in both: {what}")


# --- running what a user would run ---------------------------------------------------------------


def mlarchive(*arguments: str) -> str:
    """Run `mlarchive` and show it."""
    return run("mlarchive", *arguments)


def daemon(verb: str) -> str:
    """Run `mlarchived` on the demonstration's configuration and show it."""
    return run("mlarchived", "--config", "demo/mirror.toml", verb)


def run(command: str, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """Print a command, run it, print and return what it says.

    Raises:
        DemoError: It did not exit with 0; not even 3, "done, with losses", is right here.
    """
    settings = [f"{name}={value}" for name, value in (environment or {}).items()]
    shown = " ".join([*settings, *(shlex.quote(word) for word in (command, *arguments))])
    print(f"$ {shown}", flush=True)
    finished = subprocess.run(
        [str(BIN / command), *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(finished.stdout, flush=True)
    if finished.returncode != 0:
        raise DemoError(f"'{shown}' exited with {finished.returncode}")
    return finished.stdout


def expect(output: str, words: str) -> None:
    """Fail unless the output says the words."""
    if words not in output:
        raise DemoError(f"expected to read {words!r} above")


def say(sentence: str) -> None:
    """Announce a step."""
    print(f"\n=== {sentence}\n", flush=True)


# --- the two servers -----------------------------------------------------------------------------


def prepare_folder() -> None:
    """An empty `demo/`; one that `make demo` did not make is left alone."""
    if DEMO.exists():
        if not MARK.exists():
            raise DemoError(f"{DEMO} exists and was not made by 'make demo'; move it away")
        shutil.rmtree(DEMO)
    DEMO.mkdir()
    MARK.touch()


@contextlib.contextmanager
def server(name: str) -> Iterator[Server]:
    """Start a real `mlflow server` (SQLite, local artifacts), and stop it at the end."""
    folder = DEMO / "servers" / name
    folder.mkdir(parents=True)
    port = free_port()
    command = [
        *(str(BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
        *("--workers", "1"),
    ]
    # Its runner of background jobs is eight more processes, which a registry does not need.
    jobs = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    say(f"An MLflow server called '{name}' starts on port {port}")
    print(f"$ {' '.join(shlex.quote(word) for word in ('mlflow', *command[1:]))}", flush=True)
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **jobs},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Server(port, process, log)
    finally:
        stop(process)


def wait_for(started: Server) -> None:
    """Wait until a server answers, for two minutes at most."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if started.process.poll() is not None:
            break
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{url(started.port)}/health", timeout=2),  # noqa: S310  (loopback)
        ):
            return
        time.sleep(0.2)
    raise DemoError(f"the server on port {started.port} did not start; see {started.log}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a server, and then what is left of its process group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def url(port: int) -> str:
    """Where a server on this port answers."""
    return f"http://127.0.0.1:{port}"


def what_next(package: str) -> None:
    """Where things lie, and what to try."""
    print(
        f"""
The vault lies in demo/vault; the servers are stopped, the packages need none. Try:

  {BIN.relative_to(ROOT)}/mlarchive ls vault:demo/vault
  {BIN.relative_to(ROOT)}/mlarchive show {package}
  {BIN.relative_to(ROOT)}/mlarchive extract {package} -C demo/out
  {BIN.relative_to(ROOT)}/mlarchive verify vault:demo/vault
"""
    )


if __name__ == "__main__":
    sys.exit(main())
