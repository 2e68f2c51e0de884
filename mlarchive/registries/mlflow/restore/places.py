"""Where restored artifacts lie: below one root, laid out as MLflow lays out a new server's.

A location is what the database says; a folder is where the files are put. Both have the same
path below their root: `1/RUN/artifacts`, `1/models/MODEL/artifacts`.
"""

import hashlib
import re
from pathlib import Path

from mlflow.utils.uri import append_to_uri_path
from msgspec import Struct

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


class Place(Struct, frozen=True):
    """A folder of artifacts.

    Attributes:
        parts: The names of the folders that lead to it, below the root.
    """

    parts: tuple[str, ...]


class Artifacts(Struct, frozen=True, kw_only=True):
    """The root of the artifacts.

    Attributes:
        folder: Where the files are put; absolute.
        root: What the database calls that folder: its path, or a URI.
    """

    folder: Path
    root: str

    def location(self, place: Place, path: str = "") -> str:
        """What the database says.

        Args:
            place: The folder.
            path: A path within it.
        """
        return str(append_to_uri_path(self.root, *place.parts, *([path] if path else [])))

    def path(self, place: Place) -> Path:
        """Where the files are put."""
        return self.folder.joinpath(*place.parts)


def place_of_experiment(experiment: int) -> Place:
    """The folder of an experiment."""
    return Place((str(experiment),))


def place_of_run(experiment: int, run: str) -> Place:
    """The folder of a run's artifacts."""
    return Place((str(experiment), run, "artifacts"))


def place_of_logged_model(experiment: int, model: str) -> Place:
    """The folder of a logged model's artifacts."""
    return Place((str(experiment), "models", model, "artifacts"))


def place_of_trace(experiment: int, trace: str) -> Place:
    """The folder of what was attached to a trace."""
    return Place((str(experiment), "traces", trace, "artifacts"))


def place_of_version(name: str, number: int) -> Place:
    """The folder of a version's own files, which no other record carries."""
    plain = _PLAIN_NAME.fullmatch(name)
    folder = name if plain else hashlib.sha256(name.encode()).hexdigest()[:32]
    return Place(("registered-models", folder, str(number)))
