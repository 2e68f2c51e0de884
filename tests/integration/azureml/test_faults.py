"""Faults at some requests of a copy; `python -m tests.integration.azureml.every_fault` has all."""

import pytest

from tests.integration.azureml.faulty import Ends, trial
from tests.support.azureml import FAULTS, Emulator, Fault

SAMPLES = (0.15, 0.5, 0.85)
"""Where in a copy a fault comes, as shares of its requests: looking, moving files, registering."""


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
    with Ends(azureml, lab, clinic) as ends:
        trial(ends, "first")
        whole = trial(ends, "whole").requests
        for fault, share in zip(faults, SAMPLES, strict=True):
            at = max(1, round(whole * share))
            trial(ends, f"{fault}-{at}", fault, at)
            assert fault in {request.fault for request in azureml.requests}
