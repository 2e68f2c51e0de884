"""What a package may cost is the operator's to say."""

import pytest

from mlarchive.errors import ConfigError, FormatError
from mlarchive.package import Limits
from mlarchive.package.limits import allow, allowed, limits_from
from tests.support.packages import opened, packed


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
