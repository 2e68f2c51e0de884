"""`keygen`, `sign`, `--trust` and `rotate`, as a person uses them; OpenSSL checks signatures."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.command import sentence, within

POLICY = '[[key]]\nname = "the lab"\npublic = "lab.pub"\n'


@pytest.fixture
def lab(desk: Path) -> Path:
    """The desk, with the key `lab`, a policy that trusts it, and `wine.mlpkg` signed by it."""
    assert within("keygen", "lab", cwd=desk).status == 0
    (desk / "policy.toml").write_text(POLICY, encoding="utf-8")
    shutil.copy(desk / "wine.mlpkg", desk / "unsigned.mlpkg")
    done = within("sign", "wine.mlpkg", "--key", "lab.key", cwd=desk)
    assert done.status == 0, done.err
    return desk


def openssl(*words: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["openssl", *words], cwd=cwd, capture_output=True, check=False, timeout=60
    )


def test_signing_changes_no_id_and_says_who_signed(lab: Path) -> None:
    before, after = (
        within("show", name, "--json", cwd=lab).document["package"]
        for name in ("unsigned.mlpkg", "wine.mlpkg")
    )
    assert before.pop("signatures") == []
    (key_id,) = after.pop("signatures")
    assert before == after
    der = openssl("pkey", "-pubin", "-in", "lab.pub", "-outform", "DER", cwd=lab).stdout
    digest = subprocess.run(["sha256sum"], input=der, capture_output=True, check=True, timeout=60)
    assert digest.stdout.decode().split()[0] == key_id


def test_signing_what_is_there_already_is_said(lab: Path) -> None:
    (lab / "own").mkdir()
    (lab / "own" / "a").write_bytes(b"a")
    assert within("pack", "dir:own", "-o", "own.mlpkg", cwd=lab).status == 0
    signed = within("pack", "dir:own", "-o", "own.mlpkg", "--sign", "lab.key", cwd=lab)
    assert (signed.status, signed.out) == (
        0,
        "own.mlpkg: it holds this already, and is signed now\n",
    )


def test_stock_openssl_verifies_what_we_sign(lab: Path) -> None:
    """The recipe of spec/trust.md, 2.5, and the pre-authentication encoding that it names."""
    raw = (lab / "wine.mlpkg").read_bytes()[-4288:-192]
    envelope = json.loads(raw[16:].rstrip(b"\0"))["envelopes"][0]
    statement = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    (lab / "signed").write_bytes(
        b" ".join((b"DSSEv1", b"%d" % len(kind), kind, b"%d" % len(statement), statement))
    )
    (lab / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    words = ("pkeyutl", "-verify", "-pubin", "-rawin", "-sigfile", "sig", "-in", "signed")
    done = openssl(*words, "-inkey", "lab.pub", cwd=lab)
    assert done.returncode == 0, done.stderr
    subjects = json.loads(statement)["subject"]
    shown = within("show", "wine.mlpkg", "--json", cwd=lab).document["package"]
    assert [subject["digest"]["sha256"] for subject in subjects] == [
        shown["content_id"],
        shown["package_id"],
        shown["state_id"],
    ]
    (lab / "signed").write_bytes((lab / "signed").read_bytes().replace(b"content", b"contents"))
    assert openssl(*words, "-inkey", "lab.pub", cwd=lab).returncode != 0


def test_a_key_that_openssl_made_signs_too(lab: Path) -> None:
    openssl("genpkey", "-algorithm", "ed25519", "-out", "o.key", cwd=lab)
    openssl("pkey", "-in", "o.key", "-pubout", "-out", "lab.pub", cwd=lab)
    words = ("sign", "unsigned.mlpkg", "--key", "o.key", "-o", "o.mlpkg")
    assert within(*words, cwd=lab).status == 0
    assert within("verify", "o.mlpkg", "--trust", "policy.toml", cwd=lab).status == 0


def test_every_verb_that_reads_packages_obeys_the_policy(lab: Path) -> None:
    good, bad = "wine.mlpkg", "unsigned.mlpkg"
    listed = within("ls", good, "--files", "--json", cwd=lab).documents
    model = next(file["path"] for file in listed if file["path"].endswith("MLmodel"))
    for words in (
        ("verify", good),
        ("ls", good),
        ("show", good),
        ("metrics", good),
        ("cat", good, model),
        ("diff", good, good),
        ("pack", good, "-o", "again.mlpkg"),
        ("extract", good, "-C", "files"),
        ("unpack", good, "dir:out"),
        ("copy", good, "dir:copied"),
    ):
        done = within(*words, "--trust", "policy.toml", cwd=lab)
        assert done.status == 0, (words, done.err)
        others = [word.replace(good, bad) for word in words]
        refused = within(*others, env={"MLARCHIVE_TRUST": "policy.toml"}, cwd=lab)
        assert refused.status == 40, (words, refused.err)
        assert "unsigned.mlpkg" in refused.err


def test_under_a_policy_no_file_of_a_damaged_package_is_saved(lab: Path) -> None:
    under = {"MLARCHIVE_TRUST": "policy.toml"}
    refused = within("repair", "unsigned.mlpkg", "-C", "saved", env=under, cwd=lab)
    assert refused.status == 2
    assert not (lab / "saved").exists()
    again = within("repair", "unsigned.mlpkg", "-o", "again.mlpkg", env=under, cwd=lab)
    assert again.status == 0, again.err
    assert within("verify", "again.mlpkg", env=under, cwd=lab).status == 40


def test_verify_names_who_signed_and_leaves_the_warning_out(lab: Path) -> None:
    done = within("verify", "wine.mlpkg", "--trust", "policy.toml", "--json", cwd=lab)
    assert done.document["signed_by"] == ["the lab"]
    assert done.document["warnings"] == []
    plain = within("verify", "wine.mlpkg", "--json", cwd=lab).document
    assert plain["signed_by"] == []
    assert "W003" in plain["warnings"][0]


def test_a_pipe_cannot_be_judged(lab: Path) -> None:
    done = within("verify", "-", "--trust", "policy.toml", cwd=lab)
    assert done.status == 2


def test_scrub_mends_from_nobody_whom_the_policy_does_not_trust(lab: Path) -> None:
    assert within("pack", "dir:resnet", "-o", "v", cwd=lab).status == 0
    shutil.copytree(lab / "v", lab / "copy")
    (rotten,) = (lab / "v").rglob("*.mlpkg")
    raw = bytearray(rotten.read_bytes())
    raw[len(raw) // 2] ^= 1
    rotten.write_bytes(raw)
    (copy,) = (lab / "copy").rglob("*.mlpkg")
    for donor in ("vault:copy", str(copy)):
        words = ("scrub", "vault:v", "--from", donor, "--trust", "policy.toml")
        done = within(*words, cwd=lab)
        assert done.status == 40, done.err
        assert rotten.read_bytes() == raw
    assert within("sign", str(copy), "--key", "lab.key", cwd=lab).status == 0
    assert within(*words, cwd=lab).status == 0
    assert within("verify", str(rotten), "--trust", "policy.toml", cwd=lab).status == 0


def test_a_vault_with_one_package_that_is_not_trusted(lab: Path) -> None:
    words = ("pack", "wine.mlpkg", "dir:resnet", "-o", "v", "--sign", "lab.key")
    assert within(*words, cwd=lab).status == 0
    assert within("ls", "vault:v", "--trust", "policy.toml", cwd=lab).status == 0
    within("pack", "dir:resnet", "-o", "v", "--name", "stray", cwd=lab)
    done = within("ls", "vault:v", "--trust", "policy.toml", cwd=lab)
    assert done.status == 40
    assert "stray" in sentence(done)
    verified = within("verify", "vault:v", "--trust", "policy.toml", cwd=lab)
    assert verified.status == 40
    assert verified.out.count("ok ") == 2


def test_what_is_folded_or_repaired_is_signed_still_for_what_it_means(lab: Path) -> None:
    content = '[[key]]\npublic = "lab.pub"\n'
    (lab / "content.toml").write_text(f'require = ["content"]\n{content}', encoding="utf-8")
    words = ("pack", "wine.mlpkg", "-o", "thin.mlpkg", "--base", "wine.mlpkg", "--sign", "lab.key")
    assert within(*words, cwd=lab).status == 0
    done = within("fold", "thin.mlpkg", "--base", "wine.mlpkg", "-o", "folded.mlpkg", cwd=lab)
    assert done.status == 0, done.err
    assert "signatures hold for content and state alone" in done.err
    raw = bytearray((lab / "wine.mlpkg").read_bytes())
    raw[64 + 96] ^= 1  # of the plain text, which is written anew
    (lab / "damaged.mlpkg").write_bytes(raw)
    done = within("repair", "damaged.mlpkg", "-o", "repaired.mlpkg", cwd=lab)
    for name in ("folded.mlpkg", "repaired.mlpkg"):
        assert within("verify", name, "--trust", "content.toml", cwd=lab).status == 0
    assert within("verify", "folded.mlpkg", "--trust", "policy.toml", cwd=lab).status == 45


def test_packing_signs_on_the_way_and_what_is_there_already(lab: Path) -> None:
    for output in ("fresh.mlpkg", "fresh.mlpkg"):
        words = ("pack", "dir:resnet", "-o", output, "--sign", "lab.key")
        assert within(*words, cwd=lab).status == 0
        assert within("verify", output, "--trust", "policy.toml", cwd=lab).status == 0
    within("pack", "dir:resnet", "-o", "late.mlpkg", cwd=lab)
    assert within("verify", "late.mlpkg", "--trust", "policy.toml", cwd=lab).status == 40
    within("pack", "dir:resnet", "-o", "late.mlpkg", "--sign", "lab.key", cwd=lab)
    assert within("verify", "late.mlpkg", "--trust", "policy.toml", cwd=lab).status == 0


def test_an_encrypted_key_wants_its_passphrase(lab: Path) -> None:
    (lab / "secret").write_text("correct horse\n", encoding="ascii")
    (lab / "wrong").write_text("battery\n", encoding="ascii")
    done = within("keygen", "k", "--passphrase-file", "secret", cwd=lab)
    assert done.status == 0
    assert b"ENCRYPTED" in (lab / "k.key").read_bytes()
    assert (lab / "k.key").stat().st_mode & 0o777 == 0o600
    sign = ("sign", "wine.mlpkg", "--key", "k.key")
    assert within(*sign, cwd=lab).status == 2
    assert within(*sign, "--passphrase-file", "wrong", cwd=lab).status == 13
    assert within(*sign, "--passphrase-file", "secret", cwd=lab).status == 0
    shown = within("show", "wine.mlpkg", "--json", cwd=lab).document
    assert len(shown["package"]["signatures"]) == 2


def test_keys_are_not_replaced(lab: Path) -> None:
    before = (lab / "lab.key").read_bytes()
    assert within("keygen", "lab", cwd=lab).status == 14
    (lab / "lab.pub").unlink()
    # A command that was stopped between the two files is finished by the same command.
    assert within("keygen", "lab", cwd=lab).status == 0
    assert (lab / "lab.key").read_bytes() == before
    assert within("verify", "wine.mlpkg", "--trust", "policy.toml", cwd=lab).status == 0


def test_keys_are_rotated_by_the_keys_before(lab: Path) -> None:
    within("keygen", "next", cwd=lab)
    within("sign", "unsigned.mlpkg", "--key", "next.key", "-o", "new.mlpkg", cwd=lab)
    verify = ("verify", "new.mlpkg", "--trust", "policy.toml")
    assert within(*verify, cwd=lab).status == 39
    words = ("rotate", "r1.json", "--add", "next.pub", "--revoke", "lab.pub", "--key")
    assert within(*words, "next.key", cwd=lab).status == 0
    (lab / "policy.toml").write_text(POLICY + '[[rotation]]\nfile = "r1.json"\n', encoding="utf-8")
    assert within(*verify, cwd=lab).status == 46
    assert within("rotate", "r1.json", "--key", "lab.key", cwd=lab).status == 0
    assert within(*verify, cwd=lab).status == 0
    old = within("verify", "wine.mlpkg", "--trust", "policy.toml", cwd=lab)
    assert old.status == 43


def test_expiry_is_judged_at_the_time_that_is_given(lab: Path) -> None:
    dated = POLICY + "not_after = 2026-06-01T00:00:00Z\n"
    (lab / "policy.toml").write_text(dated, encoding="utf-8")
    verify = ("verify", "wine.mlpkg", "--trust", "policy.toml", "--at")
    assert within(*verify, "2026-05-31", cwd=lab).status == 0
    assert within(*verify, "2026-06-01", cwd=lab).status == 42
    assert within(*verify, "soon", cwd=lab).status == 10
    assert within("verify", "wine.mlpkg", "--at", "2026-05-31", cwd=lab).status == 2
