"""Paths in a vault are safe whatever the names are, and read like the names where they can."""

from itertools import islice
from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from mlarchive.fsops import TEMPORARY_MARK
from mlarchive.package.paths import refusal
from mlarchive.records import Address
from mlarchive.vault.naming import places

_texts = st.text(st.characters(codec="utf-8"), max_size=200)


def first(address: Address) -> PurePosixPath:
    return next(places(address, "c" * 64, "5" * 64))


def test_a_plain_name_reads_as_it_is() -> None:
    address = Address(origin="prod", kind="models", name="wine-red_2", version="3")
    assert str(first(address)) == "prod/models/wine-red_2/3~cccccccc-55555555.mlpkg"


def test_what_has_no_version_has_none_in_its_path() -> None:
    address = Address(origin="prod", kind="runs", name="ab12")
    assert str(first(address)) == "prod/runs/ab12/~cccccccc-55555555.mlpkg"


@given(_texts, _texts, _texts)
def test_every_part_is_one_visible_component_of_bearable_length(
    origin: str, name: str, version: str
) -> None:
    path = first(Address(origin=origin, kind="models", name=name, version=version))
    assert len(path.parts) == 4
    assert refusal(str(path)) in {"", *_device_refusals(path)}
    assert not any(part.startswith(".") for part in path.parts)
    assert TEMPORARY_MARK not in str(path)


def _device_refusals(path: PurePosixPath) -> list[str]:
    """A model may be called `con`: a vault lies on a POSIX file system."""
    devices = [
        f"has the component {part!r}, the name of a device on Windows" for part in path.parts
    ]
    return [
        *devices,
        *(f"has the component {p!r}, which ends in a dot or a space" for p in path.parts),
    ]


@given(_texts, _texts)
def test_different_names_have_different_folders(one: str, other: str) -> None:
    def folder(name: str) -> PurePosixPath:
        return first(Address(origin="o", kind="models", name=name, version="1")).parent

    assert (folder(one) == folder(other)) == (one == other)


def test_when_a_place_is_taken_there_is_always_another() -> None:
    address = Address(origin="o", kind="models", name="wine", version="1")
    assert len(set(islice(places(address, "c" * 64, "5" * 64), 100))) == 100
