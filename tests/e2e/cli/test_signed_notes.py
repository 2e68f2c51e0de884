"""Notes, receipts and have-lists that are signed, and policies that want them to be."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from mlarchive.transfer.shipment import encode_shipment, read_shipment
from tests.support.command import Done, within
from tests.support.json_document import differences

POLICY = ("--trust", "p.toml")
LAB = ("--sign", "lab.key")


@pytest.fixture
def lab(desk: Path) -> Path:
    """The desk with the keys `lab` and `other`, and `p.toml`, which wants notes of `lab`, too.

    `wine.mlpkg` is signed.
    """
    for name in ("lab", "other"):
        assert within("keygen", name, cwd=desk).status == 0
    (desk / "p.toml").write_text('notes = true\n[[key]]\npublic = "lab.pub"\n', encoding="utf-8")
    assert within("sign", "wine.mlpkg", "--key", "lab.key", cwd=desk).status == 0
    return desk


def sent(desk: Path, *options: str, what: str = "wine.mlpkg", media: str = "disc") -> None:
    done = within("send", what, "outbox:out", *options, cwd=desk)
    assert done.status == 0, done.err
    shutil.rmtree(desk / media, ignore_errors=True)
    shutil.copytree(desk / "out" / "carry", desk / media)


def receive(desk: Path, *options: str, media: str = "disc", policy: bool = True) -> Done:
    trust = POLICY if policy else ()
    return within("receive", "inbox:in", "--from", media, *trust, *options, cwd=desk)


def outcomes(done: Done) -> list[Any]:
    return [document["outcome"] for document in done.documents if "outcome" in document]


def test_a_policy_may_want_notes_signed(lab: Path) -> None:
    sent(lab)
    done = receive(lab)
    assert done.status == 40
    assert "has no signature beside it" in done.out
    assert "--sign KEY" in done.err
    sent(lab, "--sign", "other.key")
    assert receive(lab).status == 39
    (envelope,) = (lab / "disc").glob("*.dsse.json")
    envelope.write_bytes(b"{}")
    assert receive(lab).status == 41
    sent(lab, *LAB)
    for options, outcome in ((("--dry-run",), "accepted"), ((), "accepted"), ((), "known")):
        assert outcomes(receive(lab, *options, "--json")) == [outcome]
    assert within("ls", "inbox:in", *POLICY, cwd=lab).status == 0


def test_a_signature_is_over_its_note_alone(lab: Path) -> None:
    sent(lab, *LAB)
    (note,) = (lab / "disc").glob("*.shipment.json")
    note.write_bytes(encode_shipment(structs.replace(read_shipment(note), made_at=1)))
    done = receive(lab)
    assert done.status == 45
    assert "signed another file" in done.out


def test_an_object_that_is_gone_is_believed_to_be_if_that_is_signed(lab: Path) -> None:
    sent(lab, *LAB)
    (lab / "w.toml").write_text('[[key]]\npublic = "lab.pub"\n', encoding="utf-8")
    within("pack", "wine.mlpkg", "dir:resnet", "-o", "v", cwd=lab)
    within("send", "vault:v", "outbox:out", cwd=lab)
    shutil.copytree(lab / "out" / "carry", lab / "first")
    assert receive(lab, media="first", policy=False).status == 0
    (gone,) = (lab / "v").glob("**/resnet/*.mlpkg")
    gone.unlink()
    assert within("send", "vault:v", "outbox:out", "--deletions", cwd=lab).status == 0
    shutil.copytree(lab / "out" / "carry", lab / "second")
    weak = ("--trust", "w.toml")
    done = within("receive", "inbox:in", "--from", "second", *weak, "--json", cwd=lab)
    assert outcomes(done) == ["known", "refused", "refused"]
    grave = max((lab / "second").glob("*.shipment.json"))
    assert within("sign", grave, "--key", "lab.key", cwd=lab).status == 0
    done = within("receive", "inbox:in", "--from", "second", *weak, "--json", cwd=lab)
    assert outcomes(done) == ["known", "refused", "accepted"]
    (left,) = within("ls", "inbox:in", "--json", cwd=lab).documents
    assert left["address"]["name"] == "wine"


def test_what_is_known_is_judged_anew_under_the_policy_of_today(lab: Path) -> None:
    sent(lab)
    assert receive(lab, policy=False).status == 0
    done = receive(lab, "--json")
    assert (done.status, outcomes(done)) == (40, ["refused"])
    sent(lab, *LAB)
    assert outcomes(receive(lab, "--json")) == ["known"]
    revoked = 'notes = true\n[[key]]\npublic = "other.pub"\n'
    revoked += '[[key]]\npublic = "lab.pub"\nrevoked = true\n'
    (lab / "p.toml").write_text(revoked, encoding="utf-8")
    done = receive(lab, "--json")
    assert (done.status, outcomes(done)) == (43, ["refused"])
    assert within("ls", "inbox:in", *POLICY, cwd=lab).status == 43


def test_a_package_that_came_unsigned_is_replaced_by_the_same_one_signed(lab: Path) -> None:
    sent(lab, *LAB, what="dir:resnet")
    assert receive(lab, policy=False).status == 0
    assert receive(lab).status == 40
    (package,) = (lab / "disc").glob("*.mlpkg")
    assert within("sign", package, "--key", "lab.key", cwd=lab).status == 0
    assert outcomes(receive(lab, "--json")) == ["known"]
    assert within("ls", "inbox:in", *POLICY, cwd=lab).status == 0


def test_receipts_are_signed_and_wanted_to_be(lab: Path) -> None:
    sent(lab, *LAB)
    assert receive(lab).status == 0
    back = ("receive", "outbox:out", "--from", "in/receipts")
    done = within(*back, *POLICY, cwd=lab)
    assert done.status == 40
    assert "receipt.json has no signature beside it" in done.err
    assert receive(lab, *LAB).status == 0
    dry = within(*back, *POLICY, "--dry-run", "--json", cwd=lab)
    assert dry.status == 0
    assert list(differences(dry.document, "receive outbox:")) == []
    assert (dry.document["through"], len(list((lab / "out" / "carry").iterdir()))) == (1, 3)
    assert within(*back, *POLICY, cwd=lab).status == 0
    assert list((lab / "out" / "carry").iterdir()) == []
    sent(lab, *LAB, *POLICY)


def test_have_lists_are_signed_and_wanted_to_be(lab: Path) -> None:
    pack = ("pack", "dir:resnet", "--have", "clinic.have", *POLICY)
    want = ("want", "wine.mlpkg", "--have", "clinic.have", *POLICY)
    assert within("have", "wine.mlpkg", "-o", "clinic.have", cwd=lab).status == 0
    for words in ((*pack, "-o", "a.mlpkg"), want):
        done = within(*words, cwd=lab)
        assert done.status == 40, words
        assert "clinic.have has no signature beside it" in done.err
    assert within("have", "wine.mlpkg", "-o", "clinic.have", *LAB, cwd=lab).status == 0
    assert within(*pack, "-o", "a.mlpkg", cwd=lab).status == 0
    assert within(*want, cwd=lab).status == 0
    assert within("have", "wine.mlpkg", "-o", "clinic.have", cwd=lab).status == 0
    assert within(*want, cwd=lab).status == 40, "another list has not the signature of the last"
    signed = within("sign", "clinic.have", "--key", "lab.key", "--json", cwd=lab)
    assert list(differences(signed.document, "sign beside")) == []
    assert within(*want, cwd=lab).status == 0


def test_who_has_no_option_signs_with_the_key_of_the_environment(lab: Path) -> None:
    known = {"MLARCHIVE_SIGN": "lab.key"}
    assert within("copy", "wine.mlpkg", "outbox:out", cwd=lab, env=known).status == 0
    shutil.copytree(lab / "out" / "carry", lab / "in" / "incoming")
    assert within("copy", "inbox:in", "dir:new", *POLICY, cwd=lab, env=known).status == 0
    back = ("receive", "outbox:out", "--from", "in/receipts", *POLICY)
    assert within(*back, cwd=lab).status == 0
    assert (
        within("keygen", "locked", "--encrypted", "--passphrase-file", "p.toml", cwd=lab).status
        == 0
    )
    done = within("copy", "dir:resnet", "outbox:out", cwd=lab, env={"MLARCHIVE_SIGN": "locked.key"})
    assert done.status == 10
    assert "has a passphrase, and nobody can be asked" in done.err


def test_a_medium_with_nothing_on_it_is_the_wrong_one(lab: Path) -> None:
    sent(lab)
    for words in (("inbox:in", "--from", "resnet"), ("outbox:out", "--from", "resnet")):
        done = within("receive", *words, cwd=lab)
        assert done.status == 11
        assert "resnet holds nothing that was sent" in done.err
    assert within("receive", "inbox:in", cwd=lab).status == 0
