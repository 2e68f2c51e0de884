"""A limited registry is slower, and otherwise the same."""

import time
from pathlib import Path

from mlarchived.limits import Throttle
from tests.support.mirroring import Workbench


def test_what_passes_is_never_more_than_the_rate_allows() -> None:
    throttle, began = Throttle(1000), time.monotonic()
    for _ in range(5):
        throttle.take(100)
    # The fifth waits for the four before it.
    assert time.monotonic() - began >= 0.4
    assert throttle.portion(1 << 20) == 250


def test_no_rate_means_no_waiting_and_whole_portions() -> None:
    throttle = Throttle(0)
    throttle.take(1 << 60)
    assert throttle.portion(1 << 20) == 1 << 20


def test_a_limited_mirror_carries_the_same_and_takes_its_time(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    for name in ("ale", "beer"):
        bench.put(name, name * 20_000)
    limits = "bytes_per_second = 200_000\nrequests_per_second = 20\n"
    bench.configure(
        ('locator = "vault:source"\n', f'locator = "vault:source"\n{limits}'),
        ('locator = "vault:target"\n', f'locator = "vault:target"\n{limits}'),
    )
    began = time.monotonic()
    assert bench.run("once").status == 0
    # 140 kB are read, and written after that.
    assert time.monotonic() - began >= 0.5
    assert bench.held() == bench.held("source")
