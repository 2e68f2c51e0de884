"""`encrypt`, `decrypt`, `pack --encrypt` and `keygen --age`, as a person uses them."""

import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from mlarchive.fsops import TEMPORARY_MARK
from mlarchive.pack import pack_file
from tests.support import snapshots
from tests.support.command import mlarchive, within


@pytest.fixture
def clinic(desk: Path) -> Path:
    """The desk, with an identity `clinic`."""
    assert within("keygen", "clinic", "--age", cwd=desk).status == 0
    return desk


def test_a_package_that_is_encrypted_while_it_is_made_is_the_same_inside(clinic: Path) -> None:
    words = ("pack", "dir:resnet", "-o", "r.mlpkg.age", "--encrypt", "clinic.age-pub")
    done = within(*words, "--json", cwd=clinic)
    assert done.status == 0, done.err
    decrypt = ("decrypt", "r.mlpkg.age", "--identity", "clinic.age-key", "-o", "r.mlpkg")
    assert within(*decrypt, cwd=clinic).status == 0
    verified = within("verify", "r.mlpkg", "--json", cwd=clinic).document
    assert verified["ok"]
    assert verified["package_id"] == done.document["package_id"]
    again = within("verify", "r.mlpkg.age", cwd=clinic)
    assert again.status == 47
    assert "encrypted with age" in again.err
    assert within(*words, cwd=clinic).status == 14


def test_any_file_comes_back_and_nobody_elses_key_opens_it(clinic: Path) -> None:
    within("keygen", "other", "--age", cwd=clinic)
    words = ("encrypt", "wine.mlpkg", "--to", "clinic.age-pub", "-o", "w.age")
    assert within(*words, cwd=clinic).status == 0
    decrypt = ("decrypt", "w.age", "-o", "back.mlpkg", "--identity")
    assert within(*decrypt, "other.age-key", cwd=clinic).status == 47
    assert not (clinic / "back.mlpkg").exists()
    assert within(*decrypt, "clinic.age-key", cwd=clinic).status == 0
    assert (clinic / "back.mlpkg").read_bytes() == (clinic / "wine.mlpkg").read_bytes()


def test_a_passphrase(clinic: Path) -> None:
    (clinic / "secret").write_text("correct horse\n", encoding="ascii")
    with_secret = ("--passphrase-file", "secret")
    words = ("encrypt", "wine.mlpkg", "--to", "passphrase", "-o", "w.age")
    assert within(*words, cwd=clinic).status == 2
    assert within(*words, *with_secret, cwd=clinic).status == 0
    both = ("encrypt", "wine.mlpkg", "--to", "passphrase", "--to", "clinic.age-pub", "-o", "b.age")
    assert within(*both, *with_secret, cwd=clinic).status == 2
    assert within("decrypt", "w.age", "-o", "w", *with_secret, cwd=clinic).status == 0
    assert (clinic / "w").read_bytes() == (clinic / "wine.mlpkg").read_bytes()


def test_a_file_that_was_cut_off_leaves_nothing_behind(clinic: Path) -> None:
    within("encrypt", "resnet/sub/weights.bin", "--to", "clinic.age-pub", "-o", "w", cwd=clinic)
    (clinic / "cut").write_bytes((clinic / "w").read_bytes()[: 3 * 65_552])
    done = within("decrypt", "cut", "--identity", "clinic.age-key", "-o", "out", cwd=clinic)
    assert done.status == 4
    assert not (clinic / "out").exists()


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A quarter of a GiB goes both ways in less address space than that."""
    size = 256 << 20
    within("keygen", "me", "--age", cwd=tmp_path)
    with (tmp_path / "big").open("wb") as file:
        file.truncate(size)

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (160 << 20, 160 << 20))

    for words in (
        ("encrypt", "big", "--to", "me.age-pub", "-o", "big.age"),
        ("decrypt", "big.age", "--identity", "me.age-key", "-o", "back"),
    ):
        done = mlarchive(*words, cwd=tmp_path, before=little_memory)
        assert done.status == 0, done.err
    same = subprocess.run(["cmp", "big", "back"], cwd=tmp_path, check=False, timeout=120)
    assert same.returncode == 0


READING = [
    ("show", "w.mlpkg.age"),
    ("ls", "w.mlpkg.age"),
    ("metrics", "w.mlpkg.age"),
    ("verify", "w.mlpkg.age"),
    ("verify", "vol.age"),
    ("want", "w.mlpkg.age"),
    ("have", "w.mlpkg.age", "-o", "list"),
    ("report", "w.mlpkg.age"),
    ("diff", "w.mlpkg.age", "wine.mlpkg"),
    ("cat", "w.mlpkg.age", "logged-model-1/files/MLmodel"),
    ("extract", "w.mlpkg.age", "-C", "files"),
    ("fold", "w.mlpkg.age", "-o", "folded.mlpkg"),
    ("unpack", "w.mlpkg.age", "dir:unpacked"),
    ("copy", "w.mlpkg.age", "vault:copied"),
    ("pack", "w.mlpkg.age", "-o", "packed.mlpkg"),
    ("pack", "dir:resnet", "-o", "thin.mlpkg", "--base", "w.mlpkg.age"),
    ("send", "w.mlpkg.age", "outbox:sent"),
]


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `wine.mlpkg`, the same encrypted as `w.mlpkg.age`, as text, and in volumes."""
    folder = tmp_path_factory.mktemp("hidden")
    (folder / "resnet").mkdir()
    (folder / "resnet" / "config.json").write_bytes(b"{}")
    pack_file(snapshots.model_version(), folder / "wine.mlpkg", packed_at=1_700_000_000_000)
    for words in (
        ("keygen", "clinic", "--age"),
        ("keygen", "other", "--age"),
        ("encrypt", "wine.mlpkg", "--to", "clinic.age-pub", "-o", "w.mlpkg.age"),
        ("split", "w.mlpkg.age", "-o", "vol.age", "--volume-size", "64KiB"),
    ):
        done = within(*words, cwd=folder)
        assert done.status == 0, done.err
    return folder


@pytest.mark.parametrize("words", READING, ids=lambda words: f"{words[0]} {words[1]}")
def test_every_command_that_reads_packages_reads_what_is_encrypted(
    hidden: Path, words: tuple[str, ...]
) -> None:
    without = within(*words, cwd=hidden)
    assert without.status == (47 if words[0] == "verify" else 4)
    assert "is encrypted with age" in without.out + without.err
    assert "--identity FILE" in without.out + without.err
    done = within(*words, "--identity", "clinic.age-key", cwd=hidden)
    assert done.status == 0, done.err


def test_the_identity_of_another_reads_nothing(hidden: Path) -> None:
    for verb in ("show", "verify"):
        done = within(verb, "w.mlpkg.age", "--identity", "other.age-key", cwd=hidden)
        assert done.status == 47
        assert "w.mlpkg.age is encrypted, and not for the identity" in done.err


def test_the_text_of_age_and_the_variable_and_a_passphrase_do_too(hidden: Path) -> None:
    key = (hidden / "clinic.age-pub").read_text().strip()
    if shutil.which("age"):
        words = ["age", "-a", "-r", key, "-o", "text.mlpkg.age", "wine.mlpkg"]
        subprocess.run(words, cwd=hidden, check=True, timeout=60)
        known = {"MLARCHIVE_IDENTITY": "clinic.age-key"}
        assert within("verify", "text.mlpkg.age", cwd=hidden, env=known).status == 0
        assert within("verify", "text.mlpkg.age", cwd=hidden).status == 47
    (hidden / "secret").write_text("sesame\n", encoding="ascii")
    secret = ("--passphrase-file", "secret")
    words = ["encrypt", "wine.mlpkg", "--to", "passphrase", "-o", "p.mlpkg.age", *secret]
    assert within(*words, cwd=hidden).status == 0
    assert within("show", "p.mlpkg.age", *secret, cwd=hidden).status == 0


def test_what_is_carried_encrypted_is_received_with_the_key(clinic: Path) -> None:
    assert within("send", "wine.mlpkg", "outbox:out", cwd=clinic).status == 0
    (package,) = (clinic / "out" / "carry").glob("*.mlpkg")
    (note,) = (clinic / "out" / "carry").glob("*.shipment.json")
    (clinic / "in" / "incoming").mkdir(parents=True)
    hidden = clinic / "in" / "incoming" / "x.mlpkg.age"
    assert (
        within("encrypt", package, "--to", "clinic.age-pub", "-o", hidden, cwd=clinic).status == 0
    )
    shutil.copy(note, hidden.parent)
    without = within("receive", "inbox:in", cwd=clinic)
    assert without.status == 47
    assert "x.mlpkg.age is encrypted" in without.out
    assert hidden.exists()
    assert within("receive", "inbox:in", "--identity", "clinic.age-key", cwd=clinic).status == 0
    assert within("verify", "vault:in/vault", cwd=clinic).status == 0
    assert not hidden.exists()


SECRET = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ"  # noqa: S105  (of nobody)


@pytest.mark.parametrize(
    "words",
    [
        ("encrypt", "wine.mlpkg", "-o", "x", "--to", SECRET),
        ("encrypt", "wine.mlpkg", "-o", "x", "--to", f"x{SECRET.lower()}"),
        ("pack", "dir:resnet", "-o", "x.mlpkg.age", "--encrypt", SECRET),
        ("decrypt", "wine.mlpkg", "-o", "x", "--identity", SECRET),
        ("ls", "wine.mlpkg", "--identity", SECRET),
        ("sign", "wine.mlpkg", "--key", "-----BEGIN PRIVATE KEY-----secret"),
        ("encrypt", "wine.mlpkg", "-o", "x", "--to", "passphrase", "--passphrase-file", SECRET),
    ],
)
def test_a_key_that_is_given_itself_is_refused_and_never_told(
    desk: Path, words: tuple[str, ...]
) -> None:
    done = within(*words, cwd=desk)
    assert done.status == 2
    assert "knows it now" in done.err
    assert words[-1][10:].lower() not in (done.err + done.out).lower()


def test_a_key_in_the_environment_is_refused_and_never_told(desk: Path) -> None:
    for name, words in (
        ("MLARCHIVE_IDENTITY", ("ls", "wine.mlpkg")),
        ("MLARCHIVE_SIGN", ("send", "wine.mlpkg", "outbox:out")),
    ):
        secret = SECRET if name == "MLARCHIVE_IDENTITY" else "-----BEGIN PRIVATE KEY-----secret"
        done = within(*words, cwd=desk, env={name: secret})
        assert done.status in {2, 10}
        assert name in done.err
        assert secret[10:] not in done.err


def test_what_is_no_recipient_is_not_quoted(desk: Path) -> None:
    (desk / "who").write_text("# us\n\nhunter2\n")
    done = within("encrypt", "wine.mlpkg", "--to", "who", "-o", "x", cwd=desk)
    assert done.status == 10
    assert "line 3 of who is no recipient" in done.err
    assert "hunter2" not in done.err


def test_a_file_of_keys_is_not_any_length(desk: Path) -> None:
    with (desk / "long").open("wb") as file:
        file.truncate(1 << 40)
    for words in (
        ("encrypt", "wine.mlpkg", "-o", "x", "--to", "long"),
        ("sign", "wine.mlpkg", "--key", "long"),
        ("encrypt", "wine.mlpkg", "-o", "x", "--to", "passphrase", "--passphrase-file", "long"),
    ):
        done = within(*words, cwd=desk)
        assert done.status == 10
        assert "long is longer than 1048576 bytes" in done.err


@pytest.mark.parametrize("verb", ["encrypt", "decrypt", "sign", "join"])
def test_what_a_killed_one_left_is_swept_by_the_next(desk: Path, verb: str) -> None:
    assert within("keygen", "me", "--age", cwd=desk).status == 0
    assert within("keygen", "lab", cwd=desk).status == 0
    to = ("--to", "me.age-pub", "-o")
    assert within("encrypt", "wine.mlpkg", *to, "w.age", cwd=desk).status == 0
    cut = ("--volume-size", "64KiB", "-o", "volumes")
    assert within("split", "wine.mlpkg", *cut, cwd=desk).status == 0
    left = desk / f".half{TEMPORARY_MARK}999999999-1-abcd"
    left.write_bytes(b"half")
    words = {
        "encrypt": ("wine.mlpkg", *to, "again.age"),
        "decrypt": ("w.age", "--identity", "me.age-key", "-o", "again.mlpkg"),
        "sign": ("wine.mlpkg", "--key", "lab.key"),
        "join": ("volumes", "-o", "again.mlpkg"),
    }
    done = within(verb, *words[verb], cwd=desk)
    assert done.status == 0, done.err
