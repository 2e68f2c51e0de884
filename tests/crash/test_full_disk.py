"""A full or broken disk, at any write of ledger, vault, target or drop folder: nothing is lost.

The long form fails at every write: `python -m tests.crash.every_write`.
"""

import errno
from random import Random

import pytest

from tests.crash.every_write import NUMBERS, SCENES, writes

SEED = 20261128
EACH = 120
"""About so manieth a write is made to fail."""


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("number", NUMBERS, ids=[errno.errorcode[number] for number in NUMBERS])
def test_a_write_that_fails_costs_nothing_and_work_goes_on_when_the_disk_is_well_again(
    scene: str, number: int
) -> None:
    begin = Random(f"{SEED} {scene} {number}").randrange(1, EACH)  # noqa: S311  (reproducible)
    assert [*writes(scene, number, begin=begin, step=EACH)]
