"""What a package may cost is the operator's to say."""

import random

import pytest

from mlarchive.errors import ConfigError, FormatError
from mlarchive.package import Limits
from mlarchive.package.limits import allow, allowed, limits_from
from tests.compat.corpus.parts import of_files
from tests.support.packages import opened, packed
from tests.unit.package.test_forward import forward
from tests.unit.package.test_salvage import salvaged


@pytest.mark.parametrize(
    ("text", "size"),
    [("7", 7), ("500MB", 500_000_000), ("2 TiB", 2 << 40), ("1kB", 1000), ("3KiB", 3072)],
)
def test_sizes_are_bytes_or_have_a_unit(text: str, size: int) -> None:
    assert limits_from({"MLARCHIVE_MAX_UNPACKED": text}) == Limits(unpacked=size)


@pytest.mark.parametrize("text", ["much", "-1", "0", "1.5GB", "1mb", "\u0661"])
def test_what_is_no_size_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match="MLARCHIVE_MAX_INDEX"):
        limits_from({"MLARCHIVE_MAX_INDEX": text})


def test_what_is_not_set_is_as_usual() -> None:
    assert limits_from({"MLARCHIVE_MAX_UNPACKED": "", "PATH": "/bin"}) == Limits()


def test_what_a_process_is_allowed_holds_wherever_nothing_else_is_said() -> None:
    data = packed({"a": bytes(2000)})
    before = allowed()
    allow(Limits(unpacked=1000))
    try:
        with pytest.raises(FormatError, match="E015"):
            opened(data)
        with opened(data, limits=Limits()) as package:
            assert package.size == len(data)
    finally:
        allow(before)


@pytest.mark.clause("11.2")
def test_kilobytes_that_unpack_to_gigabytes_are_refused_by_every_way_of_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = packed({"zeros": bytes(24 << 20)})
    assert len(data) < 10_000
    for read in (opened, forward, salvaged):
        read(data)
    monkeypatch.setattr("mlarchive.package.limits.UNPACKED_FREE", 8 << 20)
    for read in (opened, forward, salvaged):
        with pytest.raises(FormatError, match="E015"):
            read(data)
    monkeypatch.setattr("mlarchive.package.limits.UNPACKED_FREE", 24 << 20)
    opened(data)


@pytest.mark.clause("11.2")
def test_a_thin_package_may_unpack_to_what_others_are_to_give(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    long = random.Random(1).randbytes(100_000)  # noqa: S311  (bytes that do not compress)
    data = of_files({"f": [long]}, absent=[long]).build()
    monkeypatch.setattr("mlarchive.package.limits.UNPACKED_FREE", 0)
    monkeypatch.setattr("mlarchive.package.limits.UNPACKED_FACTOR", 1)
    with opened(data) as package, salvaged(data):
        assert package.raw_size == len(long)
    with pytest.raises(FormatError, match="E015"):
        opened(packed({"zeros": bytes(len(long))}))
