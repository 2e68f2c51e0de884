"""Options that would mean nothing are refused before anything is opened."""

from pathlib import Path

import pytest

from tests.support.command import sentence, within


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        ("models", ("--rename", "lab-{nam}"), "argument --rename: {nam} stands for nothing"),
        ("runs", ("--to-experiment", "{}"), "argument --to-experiment: {} stands for nothing"),
        ("runs", ("--delete-first",), "--delete-first is not for runs"),
        ("experiments", ("--delete-first",), "--delete-first is not for experiments"),
    ],
)
def test_an_option_that_means_nothing_there_is_refused(
    kind: str, options: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    nowhere = "mlflow+http://127.0.0.1:9"
    done = within("copy", f"{nowhere}#{kind}/one", nowhere, *options, cwd=tmp_path)
    assert done.status == 2
    assert says in sentence(done)
