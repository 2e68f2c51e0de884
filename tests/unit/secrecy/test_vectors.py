"""What others say of the format of age: the test vectors of C2SP, read forward and at any place."""

import hashlib
import io
import zlib
from collections import defaultdict
from pathlib import Path

import pytest

from mlarchive.errors import DamageError, DecryptionError
from mlarchive.secrecy.agekeys import Identity, Passphrase, identities
from mlarchive.secrecy.agestream import decrypted, opened_encrypted

VECTORS = sorted(path for path in (Path(__file__).parent / "vectors").iterdir() if not path.suffix)
LEAST = 120


def forward(file: bytes, who: list[Identity]) -> bytes:
    return b"".join(decrypted(io.BytesIO(file), who, "x"))


def anywhere(file: bytes, who: list[Identity]) -> bytes:
    return opened_encrypted(io.BytesIO(file), who, "x").read()


def test_all_are_here() -> None:
    assert len(VECTORS) >= LEAST


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.name)
def test_it_is_read_or_refused_as_it_says(path: Path) -> None:
    head, _, file = path.read_bytes().partition(b"\n\n")
    says = defaultdict(list)
    for line in head.decode().splitlines():
        name, _, value = line.partition(": ")
        says[name].append(value)
    if says["compressed"]:
        file = zlib.decompress(file)
    who: list[Identity] = [Passphrase(word.encode()) for word in says["passphrase"]]
    for key in says["identity"]:
        who += identities(key, "key")
    for read in (forward, anywhere):
        if says["expect"] == ["success"]:
            assert [hashlib.sha256(read(file, who)).hexdigest()] == says["payload"]
        else:
            with pytest.raises((DamageError, DecryptionError)):
                read(file, who)
