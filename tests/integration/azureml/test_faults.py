"""Faults at some requests of a copy; `python -m tests.integration.azureml.every_fault` has all."""

import random
import secrets
from functools import partial
from pathlib import Path

import pytest

from mlarchive.errors import AccessError
from tests.integration.azureml.faulty import Ends, trial
from tests.integration.azureml.registries import Open, address, carry
from tests.support.azureml import FAULTS, Emulator, Fault

PARTS = (0.0, 0.3, 0.6, 0.9)
"""Shares of a copy's requests; in each part one fault comes: looking, moving files, registering."""


@pytest.mark.parametrize("kind", ["workspace", "registry"])
def test_a_copy_finishes_or_fails_clearly_and_a_rerun_finishes_it(
    azureml: Emulator, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    for name, value in azureml.variables.items():
        monkeypatch.setenv(name, value)
    lab = azureml.workspace(azureml.tenant(), "lab")
    clinic = getattr(azureml, kind)(azureml.tenant(), "clinic")
    # Each kind of end meets half of the faults; the long form has them all.
    faults: tuple[Fault, ...] = FAULTS[::2] if kind == "workspace" else FAULTS[1::2]
    seed = secrets.randbelow(10**6)
    print(f"seed {seed}")  # noqa: T201  (seen where the test fails)
    rng = random.Random(seed)  # noqa: S311  (reproducible)
    with Ends(azureml, lab, clinic) as ends:
        trial(ends, "first")
        whole = trial(ends, "whole").requests
        for fault, begin, end in zip(faults, PARTS, PARTS[1:], strict=False):
            at = rng.randint(1 + int(whole * begin), int(whole * end))
            trial(ends, f"{fault}-{at}", fault, at)
            assert fault in {request.fault for request in azureml.requests}


@pytest.mark.parametrize("kind", ["workspace", "registry"])
def test_what_an_interrupted_copy_sent_is_not_sent_again(
    azureml: Emulator, opened: Open, tmp_path: Path, kind: str
) -> None:
    tenant = azureml.tenant()
    lab, clinic = azureml.workspace(tenant, "lab"), getattr(azureml, kind)(tenant, "clinic")
    files = {"a.bin": b"short", "long.bin": bytes(range(256)) * (9 << 12)}
    azureml.put_model(lab, "m", "1", files)
    # The blocks of the long file arrive; then nobody may make a file of them any more.
    azureml.faults.plan("expire", at=4, times=3, counts=partial(is_sent, name="long.bin"))
    with pytest.raises(AccessError, match=r"answers 403: .*has expired"):
        carry(opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path)
    azureml.faults.clear()
    before = len(azureml.requests)
    carry(opened(lab), address(lab, "models", "m", "1"), opened(clinic), tmp_path)
    sent = [one for one in azureml.requests[before:] if is_sent(one.method, one.host, one.path)]
    assert [one.query.get("comp") for one in sent] == ["blocklist"]
    assert azureml.files_of(clinic, "m", "1") == files


def is_sent(method: str, host: str, path: str, name: str = ".bin") -> bool:
    """Whether a request sends a file, or a part of it."""
    return method == "PUT" and ".blob." in host and path.endswith(name)
