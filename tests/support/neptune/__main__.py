"""`python -m tests.support.neptune`: an emulator as a process of its own, until it is ended."""

import argparse
import sys

from tests.support.neptune.filling import fill
from tests.support.neptune.server import serve


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per request")
    parser.add_argument("--project", action="append", default=[], help="WORKSPACE/PROJECT=KEY")
    parser.add_argument("--fill", default="", help="MODELSxVERSIONS:BYTES, in the first project")
    given = parser.parse_args()
    server, emulator = serve(port=given.port)
    emulator.latency = given.latency
    projects = dict(text.split("=") for text in given.project or ["lab/models=MOD"])
    for path, key in projects.items():
        emulator.store.add_project(path, key)
    if given.fill:
        models, versions, size = map(int, given.fill.replace("x", ":").split(":"))
        fill(emulator.store, next(iter(projects)), models=models, versions=versions, size=size)
    sys.stdout.write(f"{emulator.address} {emulator.api_token}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
