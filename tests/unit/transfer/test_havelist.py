"""Have-lists are read as they are written, and anything else is refused."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlarchive.errors import HaveListError
from mlarchive.transfer.havelist import decode_have, encode_have, have, read_have, write_have
from tests.support.packages import opened, packed
from tests.unit.package.test_elsewhere import thin


def test_a_list_comes_back_as_it_was(tmp_path: Path) -> None:
    package = opened(packed({"a.txt": b"a", "b.bin": bytes(100_000)}))
    held = have([package, package], made_at=5)
    assert held.chunks == set(package.storage.readable_chunks())
    assert [one.content_id for one in held.packages] == [package.content_id]
    write_have(held, tmp_path / "list")
    assert read_have(tmp_path / "list") == held
    assert encode_have(held) == (tmp_path / "list").read_bytes()


def test_what_a_package_lacks_is_not_had() -> None:
    parent = opened(packed({"a.txt": b"a"}))
    lacking = opened(thin({"a.txt": b"a", "b.txt": b"b" * 99}, [parent]))
    held = have([lacking], made_at=0)
    assert not held.packages
    assert held.chunks.isdisjoint(bytes.fromhex(chunk.hash) for chunk in lacking.missing())
    assert len(held.chunks) == 1


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.update(format="mlarchive-have-2"),
        lambda raw: raw.update(more=1),
        lambda raw: raw.update(chunks="!"),
        lambda raw: raw.update(chunks=base64.b64encode(bytes(33)).decode()),
        lambda raw: raw.update(chunks=base64.b64encode(bytes(64)).decode()),
        lambda raw: raw.update(made_at=-1),
        lambda raw: raw.update(made_at=1 << 70),
        lambda raw: raw["packages"].append(raw["packages"][0]),
        lambda raw: raw["packages"][0].update(content_id="A" * 64),
        lambda raw: raw.pop("packages"),
    ],
)
def test_another_list_is_refused(change: Change) -> None:
    held = have([opened(packed({"a.txt": b"a"}))], made_at=0)
    document = json.loads(encode_have(held))
    change(document)
    text = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    with pytest.raises(HaveListError, match="list is not a have-list"):
        decode_have(text, "list")


def test_whatever_is_no_list_is_refused(tmp_path: Path) -> None:
    for raw in (b"", b"{}", b"\xff", b"[" * 100_000, encode_have(have([], made_at=0)) + b"\n"):
        (tmp_path / "list").write_bytes(raw)
        with pytest.raises(HaveListError):
            read_have(tmp_path / "list")
