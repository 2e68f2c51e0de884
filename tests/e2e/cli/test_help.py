"""`--help` answers at once, with an example for every command; foreign clients stay out."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mlarchive.cli.command import VERBS, build_parser
from mlarchive.registries.opening import SCHEMES
from tests.support.command import environment, within

NAMES = list(VERBS)

PROGRAM = """
import json, sys
from mlarchive.cli import main
status = main(sys.argv[1:])
print(json.dumps(sorted(name for name in sys.modules if "." not in name)), file=sys.stderr)
"""


def modules(*words: str, cwd: Path) -> set[str]:
    """The top-level modules that a command has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


HEAVY = {"mlflow", "azure", "neptune", "pandas", "sqlalchemy", "requests"}


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    assert not modules("--help", cwd=tmp_path) & (HEAVY | {"numpy", "zstandard", "msgspec"})


@pytest.mark.parametrize(
    "words",
    [("verify", "wine.mlpkg"), ("show", "wine.mlpkg"), ("pack", "dir:resnet", "-o", "x.mlpkg")],
)
def test_work_on_packages_never_imports_foreign_clients(desk: Path, words: tuple[str, ...]) -> None:
    assert not modules(*words, cwd=desk) & HEAVY


def test_help_takes_at_most_150_ms_of_a_processor(tmp_path: Path) -> None:
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert within("--help", cwd=tmp_path).status == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.15


@pytest.mark.parametrize("name", NAMES)
def test_every_command_shows_an_example_and_all_but_cat_speak_json(
    tmp_path: Path, name: str
) -> None:
    done = within(name, "--help", cwd=tmp_path)
    assert done.status == 0
    assert f"\n  mlarchive {name} " in done.out
    assert ("--json" in done.out) == (name != "cat")


def test_help_names_every_command_and_every_kind_of_exit(tmp_path: Path) -> None:
    text = within("--help", cwd=tmp_path).out
    assert [name for name in NAMES if f"    {name} " not in text] == []
    assert "3 done with losses" in text


def test_help_names_every_scheme_that_can_be_opened(tmp_path: Path) -> None:
    text = within("--help", cwd=tmp_path).out
    # https differs from http as everybody knows; a name is none that stands on a command line.
    schemes = SCHEMES - {"mlflow+https"} | {"models", "runs"}
    assert [name for name in schemes if f" {name}:" not in text] == []
    assert "FILE.mlpkg" in text


def test_every_example_in_the_help_is_a_command_line_that_parses() -> None:
    import shlex
    from importlib import import_module

    from mlarchive.registries.locator import parse

    examples = [
        line.strip().partition(" | ")[0]
        for verb in VERBS
        for line in import_module(f"mlarchive.cli.{verb}").EXAMPLES.splitlines()
        if line.startswith("  mlarchive ")
    ]
    assert len(examples) >= len(VERBS)
    for example in examples:
        words = shlex.split(example.partition("   ")[0])[1:]
        arguments = build_parser().parse_args(words)
        for text in (*getattr(arguments, "sources", ()), *getattr(arguments, "locators", ())):
            assert parse(text).text == text


def test_the_version_is_said(tmp_path: Path) -> None:
    from mlarchive import __version__

    assert within("--version", cwd=tmp_path).out == f"mlarchive {__version__}\n"
