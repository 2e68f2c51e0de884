"""Fuzzes what stands between a reader and strangers: signatures, policies, volumes, encryption.

The first byte of an input says which of them the rest is for.
"""

import base64
import io
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from mlarchive.errors import ConfigError, DamageError, MlarchiveError, RotationError, UntrustedError
from mlarchive.package.volumes.reading import check_volume, find_set
from mlarchive.secrecy.agearmor import BEGIN, END
from mlarchive.secrecy.agekeys import X25519Identity
from mlarchive.secrecy.agestream import EncryptingFile, decrypted, opened_encrypted
from mlarchive.trust import Trust
from mlarchive.trust.beside import require_signed, signed_text
from mlarchive.trust.envelope import encode_text, envelope_of, signed_by
from mlarchive.trust.judging import judge
from mlarchive.trust.keys import key_id, public_pem
from mlarchive.trust.policy import Policy, read_policy
from mlarchive.trust.rotation import Added, Change, encode_rotation, read_rotation
from mlarchive.trust.statement import PAYLOAD_TYPE, Ids, encode_statement
from mlarchive.trust.trustedkey import TrustedKey
from mlarchive.volumes import split_file
from tests.fuzz.harness import Mutate, Target, main
from tests.support.signing import LAB, SECOND, key_table, policy_text

_FOLDER = Path(tempfile.mkdtemp(prefix="mlarchive-fuzz-trust-"))
_IDS = Ids(content="1" * 64, package="2" * 64, state="3" * 64)
_POLICY = Policy(
    path=_FOLDER / "policy.toml",
    require=frozenset({"package"}),
    threshold=1,
    keys={key_id(LAB.public_key()): TrustedKey(public=LAB.public_key(), name="lab")},
)
_ME = X25519Identity(bytes(range(32)))


def _signatures(data: bytes) -> str:
    try:
        judge(data, _IDS, _POLICY, 0)
    except UntrustedError as error:
        return error.code
    return "trusted"


def _policy(data: bytes) -> str:
    path = _FOLDER / "fuzzed.toml"
    path.write_bytes(data)
    try:
        read_policy(path)
    except MlarchiveError as error:
        # What it names may be any file.
        return error.code
    return "policy"


def _rotation(data: bytes) -> str:
    try:
        read_rotation(data, "r")
    except (ConfigError, RotationError) as error:
        return f"r-{error.code}"
    return "rotation"


def _volume(data: bytes) -> str:
    folder = _FOLDER / "volumes"
    folder.mkdir(exist_ok=True)
    (folder / "one").write_bytes(data)
    try:
        for volume in find_set(folder):
            for part in check_volume(volume):
                assert len(part) <= len(data)
    except MlarchiveError as error:
        return error.code
    return "joined"


def _age(data: bytes) -> str:
    try:
        for _ in decrypted(io.BytesIO(data), [_ME], "x"):
            pass
    except DamageError:
        return "a-damage"
    except MlarchiveError as error:
        return error.code
    return "decrypted"


def _beside(data: bytes) -> str:
    try:
        require_signed(_FOLDER / "note", b"note", "f", data, Trust(policy=_POLICY, when=0))
    except UntrustedError as error:
        return f"b-{error.code}"
    return "signed"


def _anywhere(data: bytes) -> str:
    try:
        file = opened_encrypted(io.BytesIO(data), [_ME], "x")
        file.seek(-min(len(data), 10), io.SEEK_END)
        while file.read(1 << 16):
            pass
        file.seek(0)
        while file.read(1 << 16):
            pass
    except DamageError:
        return "s-damage"
    except MlarchiveError as error:
        return f"s-{error.code}"
    return "sought"


_KINDS: dict[int, Callable[[bytes], str]] = {
    0: _signatures,
    1: _policy,
    2: _rotation,
    3: _volume,
    4: _age,
    5: _beside,
    6: _anywhere,
}


def seeds() -> Iterator[bytes]:
    """What each of them takes."""
    envelope = envelope_of(encode_statement(_IDS), PAYLOAD_TYPE)
    for keys in ((LAB,), (LAB, SECOND), (SECOND,)):
        signed = envelope
        for key in keys:
            signed = signed_by(signed, key)
        yield b"\0" + encode_text([signed])
    table = key_table(LAB, "lab", not_after="2027-01-01T00:00:00Z")
    yield b"\1" + policy_text(table, threshold=1, require='["content"]').encode()
    added = Added(name="n", not_after=0, not_before=0, public=public_pem(SECOND.public_key()))
    change = Change(add=(added,), number=1, revoke=(key_id(LAB.public_key()),))
    yield b"\2" + encode_rotation(change, [LAB])
    whole = _FOLDER / "whole"
    whole.write_bytes(b"some bytes of a package")
    (volume,) = split_file(whole, Path(tempfile.mkdtemp(dir=_FOLDER)), 64 << 10)
    yield b"\3" + volume.path.read_bytes()
    out = io.BytesIO()
    file = EncryptingFile(out, [_ME.recipient])
    file.write(b"secret" * 100)
    file.finish()
    yield b"\4" + out.getvalue()
    yield b"\5" + signed_text(b"note", "f", [LAB])
    yield b"\5" + signed_text(b"another", "f", [LAB, SECOND])
    yield b"\6" + out.getvalue()
    text = base64.encodebytes(out.getvalue()).replace(b"\n", b"")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    for kind in b"\4", b"\6":
        for eol in b"\n", b"\r\n":
            yield kind + eol.join([BEGIN, *lines, END, b""])


def mutated(data: bytes, rng: random.Random, mutate: Mutate) -> bytes:
    """Change what it is for, seldom, and else the rest."""
    kind = data[:1] if data and data[0] in _KINDS else bytes([rng.randrange(len(_KINDS))])
    return kind + mutate(data[1:], 60 << 10)


def check(data: bytes) -> str:
    """Give an input to what it is for."""
    kind = _KINDS.get(data[0]) if data else None
    return kind(data[1:]) if kind else "nothing"


TARGET = Target(name="trust", check=check, seeds=seeds, mutate=mutated)

if __name__ == "__main__":
    main(TARGET)
