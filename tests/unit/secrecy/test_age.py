"""What is encrypted is what age opens; what was changed or cut off is refused, wherever it was."""

import base64
import io
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlarchive.errors import ConfigError, DamageError, DecryptionError, MlarchiveError
from mlarchive.secrecy.agearmor import BEGIN, END
from mlarchive.secrecy.agekeys import Passphrase, identities, new_identity, recipient
from mlarchive.secrecy.agestream import PART, EncryptingFile, decrypted, opened_encrypted
from mlarchive.secrecy.files import decrypt_file

ME, OTHER = new_identity(), new_identity()
SIZES = (0, 1, PART - 1, PART, PART + 1, 2 * PART, 200_001)


def encrypted(data: bytes, *more: Passphrase) -> bytes:
    out = io.BytesIO()
    file = EncryptingFile(out, more or [OTHER.recipient, ME.recipient])
    for at in range(0, len(data), 50_001):
        file.write(data[at : at + 50_001])
    file.finish()
    return out.getvalue()


def read(data: bytes) -> bytes:
    return b"".join(decrypted(io.BytesIO(data), [ME], "x"))


@pytest.mark.parametrize("size", SIZES)
def test_what_was_encrypted_is_decrypted_and_read_at_any_place(size: int) -> None:
    data = os.urandom(size)
    assert read(encrypted(data)) == data
    out = io.BytesIO()
    file = EncryptingFile(out, [ME.recipient])
    file.write(data)
    file.finish()
    inside = io.BufferedReader(file.reader(out, "x"))
    inside.seek(size // 3)
    assert inside.read() == data[size // 3 :]


@pytest.mark.skipif(shutil.which("age") is None, reason="the program age is not installed")
@pytest.mark.parametrize("size", SIZES)
def test_the_stock_program_opens_what_we_write_and_we_open_what_it_writes(
    tmp_path: Path, size: int
) -> None:
    data = os.urandom(size)
    (tmp_path / "key").write_text(f"# me\n{ME}\n", encoding="ascii")
    (tmp_path / "ours.age").write_bytes(encrypted(data))
    done = subprocess.run(
        ["age", "--decrypt", "-i", "key", "ours.age"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == data
    theirs = subprocess.run(
        ["age", "-r", str(OTHER.recipient), "-r", str(ME.recipient)],
        input=data,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert read(theirs.stdout) == data


def test_a_passphrase_opens_it_and_another_does_not() -> None:
    data = encrypted(b"secret", Passphrase(b"correct horse"))
    assert b"".join(decrypted(io.BytesIO(data), [Passphrase(b"correct horse")], "x")) == b"secret"
    with pytest.raises(DecryptionError):
        list(decrypted(io.BytesIO(data), [Passphrase(b"battery")], "x"))
    with pytest.raises(DecryptionError):
        read(data)


def test_who_is_no_recipient_reads_nothing() -> None:
    with pytest.raises(DecryptionError):
        list(decrypted(io.BytesIO(encrypted(b"x")), [new_identity()], "x"))


@pytest.mark.parametrize("size", [0, 10, 3 * PART, 3 * PART + 7])
def test_whatever_is_changed_or_cut_off_is_refused_and_no_file_appears(
    tmp_path: Path, size: int
) -> None:
    whole = encrypted(bytes(size))
    step = max(1, len(whole) // 60)
    cuts = [whole[:at] for at in range(0, len(whole), step)]
    flips = [
        whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        for at in (*range(400), *range(400, len(whole), step))
        if at < len(whole)
    ]
    begin = len(whole) - (size + 16 * max(1, -(-size // PART)))
    part = PART + 16
    swapped = [whole[:begin] + whole[begin + part : begin + 2 * part] + whole[begin:][:part]]
    if size < PART:
        swapped = []
    for changed in (*cuts, *flips, *swapped, whole + b"\0", whole + whole[-16:]):
        path = tmp_path / "out"
        with pytest.raises((DamageError, DecryptionError)):
            decrypt_file(io.BytesIO(changed), "x", path, [ME])
        assert list(tmp_path.iterdir()) == []


def test_a_passphrase_that_would_cost_too_much_is_refused() -> None:
    data = encrypted(b"x", Passphrase(b"p")).replace(b" 18\n", b" 30\n")
    with pytest.raises(DecryptionError, match="2\\^30"):
        list(decrypted(io.BytesIO(data), [Passphrase(b"p")], "x"))


def test_what_is_no_recipient_is_refused() -> None:
    mine = str(ME.recipient)
    mistyped = mine[:-1] + ("p" if mine[-1] == "q" else "q")
    assert recipient(mine, "it") == ME.recipient
    for text in ("", "age1", str(ME), mistyped, mine.title(), "ssh-rsa"):
        with pytest.raises(ConfigError):
            recipient(text, "it")


def test_an_identity_is_read_from_what_age_keygen_writes() -> None:
    assert identities(f"# created: now\n\n{ME}\n", "key") == [ME]
    for text in ("", "# none\n", f"{ME.recipient}\n"):
        with pytest.raises(MlarchiveError):
            identities(text, "key")


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [*SIZES, 48 * 1024 - 200, 48 * 1024 * 3])
def test_text_is_read_forward_from_a_pipe_and_at_any_place(size: int, eol: bytes) -> None:
    data = os.urandom(size)
    text = armored(encrypted(data), eol)
    assert read(text) == data
    pipe = io.BufferedReader(Pipe(text))
    assert b"".join(decrypted(pipe, [ME], "x")) == data
    inside = opened_encrypted(io.BytesIO(text), [ME], "x")
    for at in (size // 3, 0, size - 1):
        inside.seek(max(at, 0))
        assert inside.read(70_000) == data[max(at, 0) :][:70_000]


@pytest.mark.skipif(shutil.which("age") is None, reason="the program age is not installed")
@pytest.mark.parametrize("size", SIZES)
def test_the_text_of_the_stock_program_is_read(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    words = ["age", "--armor", "--recipient", str(ME.recipient)]
    done = subprocess.run(
        words, input=data, cwd=tmp_path, capture_output=True, check=True, timeout=60
    )
    assert read(done.stdout) == data
    assert opened_encrypted(io.BytesIO(done.stdout), [ME], "x").read() == data


def test_text_that_was_changed_or_cut_off_is_refused() -> None:
    data = os.urandom(200_000)
    text = armored(encrypted(data), b"\n")
    wrong = [text[:cut] for cut in range(30, len(text) - 40, 9973)]
    wrong += [text[:at] + b"*" + text[at + 1 :] for at in range(50, len(text) - 40, 9973)]
    wrong += [text[:at] + text[at + 1 :] for at in range(50, len(text) - 40, 9973)]
    wrong += [text + b"more", text.replace(b"\n", b"\n\n", 3), text.replace(b"\n", b"", 2)]
    for one in wrong:
        for way in (
            read,
            lambda raw: b"".join(decrypted(io.BufferedReader(Pipe(raw)), [ME], "x")),
            lambda raw: opened_encrypted(io.BytesIO(raw), [ME], "x").read(),
        ):
            with pytest.raises(DamageError):
                way(one)


def armored(raw: bytes, eol: bytes) -> bytes:
    text = base64.b64encode(raw)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return eol.join([BEGIN, *lines, END, b""])


class Pipe(io.RawIOBase):
    """Bytes that cannot be sought."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self._inside = io.BytesIO(raw)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  (a buffer)
        return self._inside.readinto(buffer)
