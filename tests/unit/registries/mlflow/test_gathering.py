"""What a record's files become: streams with roles, or losses, never silence."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from mlarchive.records import File
from mlarchive.registries.mlflow.environments import environments, flavors
from mlarchive.registries.mlflow.gathering import Gathering, gather_files
from mlarchive.registries.mlflow.listed import Listed


class Shelf:
    """A folder whose files are given."""

    is_remote = False

    def __init__(self, files: dict[str, bytes], *problems: Listed) -> None:
        self._files = files
        self._problems = problems

    def files(self) -> Iterator[Listed]:
        yield from (Listed(path, len(raw)) for path, raw in self._files.items())
        yield from self._problems

    def open(self, path: str) -> BinaryIO:
        return io.BytesIO(self._files[path])

    def put(self, path: str, source: BinaryIO, size: int) -> None:
        self._files[path] = source.read(size)

    def refuses(self, path: str) -> str:
        return "" if path else "it has no name"


def gathered(shelf: Shelf) -> Gathering:
    gathering = Gathering()
    gather_files(shelf, "run/1", "run 1", gathering)
    return gathering


def paths(gathering: Gathering) -> list[str]:
    return [stream.entry.path for stream in gathering.streams if isinstance(stream.entry, File)]


def test_every_readable_file_becomes_a_stream() -> None:
    gathering = gathered(Shelf({"b/c d.txt": b"x", "ä": b""}))

    assert paths(gathering) == ["b/c d.txt", "ä"]
    assert gathering.losses == []


def test_what_the_store_cannot_give_is_a_loss() -> None:
    gathering = gathered(Shelf({}, Listed("a%20b", 3, "the proxy cannot handle its name")))

    assert [(loss.record, loss.field) for loss in gathering.losses] == [("run 1", "a%20b")]
    assert gathering.streams == []


def test_what_no_package_can_name_is_a_loss() -> None:
    gathering = gathered(Shelf({"con": b"x", "fine": b"y", "Fine": b"z"}))

    assert sorted(loss.field for loss in gathering.losses) == ["con", "fine"]
    assert paths(gathering) == ["Fine"]


def test_a_decomposed_name_is_kept_composed_and_said() -> None:
    gathering = gathered(Shelf({"a\u0308": b"x"}))

    assert paths(gathering) == ["ä"]
    assert [change.field for change in gathering.transformations] == ["ä"]
    with gathering.streams[0].open() as file:
        assert file.read() == b"x"


def test_environment_files_are_told_by_the_mlmodel_beside_them() -> None:
    gathering = gathered(Shelf({"m/MLmodel": b"", "m/conda.yaml": b"", "conda.yaml": b""}))
    roles = {s.entry.path: s.entry.role for s in gathering.streams if isinstance(s.entry, File)}

    assert roles == {
        "m/MLmodel": "artifact",
        "m/conda.yaml": "environment",
        "conda.yaml": "artifact",
    }


def test_an_environment_states_python_and_files() -> None:
    shelf = Shelf(
        {
            "m/MLmodel": b"flavors: {sklearn: {}, python_function: {}}",
            "m/conda.yaml": b"dependencies:\n- python=3.11.7\n- pip",
            "m/requirements.txt": b"scikit-learn",
        }
    )
    listed = tuple(shelf.files())
    (environment,) = environments(shelf, listed, "run/1")

    assert environment.python == "3.11.7"
    assert (environment.conda, environment.python_env) == ("m/conda.yaml", "")
    assert flavors(shelf, listed, "m") == ("python_function", "sklearn")


def test_yaml_that_would_run_code_or_is_broken_says_nothing() -> None:
    raw = b"flavors: !!python/object/apply:os.system ['false']"
    shelf = Shelf({"MLmodel": raw, "conda.yaml": b"\t: ["})
    listed = tuple(shelf.files())

    assert flavors(shelf, listed, "") == ()
    assert environments(shelf, listed, "run/1")[0].python == ""
