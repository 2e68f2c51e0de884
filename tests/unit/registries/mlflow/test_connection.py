"""Which addresses are one server's, as far as they tell (clause 3.12)."""

import pytest

from mlarchive.registries.mlflow.connection import place_of


@pytest.mark.parametrize(
    "host",
    [
        "LOCALHOST",
        "localhost.",
        "mlflow.localhost",
        "127.0.0.1",
        "127.0.0.2",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0.0.0.0",  # noqa: S104  (asked, not bound)
        "0",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:0.0.0.0]",
    ],
)
def test_all_that_means_this_machine_is_one_place(host: str) -> None:
    assert place_of(f"http://{host}:5000/") == place_of("http://localhost:5000")


@pytest.mark.parametrize(
    "host", ["127.example.org", "localhost.example.org", "10.0.0.1", "[fe80::1]", "vm"]
)
def test_another_host_is_another_place(host: str) -> None:
    assert place_of(f"http://{host}") != place_of("http://localhost")


def test_one_address_has_one_spelling() -> None:
    spelled = {place_of(f"http://{host}:80") for host in ("[2001:DB8::1]", "[2001:db8:0:0::1]")}
    assert spelled == {place_of("http://[2001:db8::1]")}
    assert place_of("http://[::ffff:10.0.0.1]") == place_of("http://10.0.0.1")
