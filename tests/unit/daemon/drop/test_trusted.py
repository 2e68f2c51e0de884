"""What a policy does not trust is not taken from a drop folder."""

import shutil

from tests.support.dropping import DropBench
from tests.support.signing import LAB, STRANGER, decompressions, key_table, policy_text, signed

MANIFEST = 'name = "wine"\nversion = "7"\ndescription = "Red."\ntags = { team = "cellar" }\n'


def believe_the_lab_alone(bench: DropBench) -> None:
    text = (bench.folder / "mirror.toml").read_text()
    (bench.folder / "policy.toml").write_text(policy_text(key_table(LAB, "lab")))
    (bench.folder / "mirror.toml").write_text(
        text.replace('name = "m"', 'name = "m"\ntrust = "policy.toml"')
    )


def test_what_a_policy_does_not_trust_is_in_quarantine_before_anything_of_it_was_decompressed(
    bench: DropBench,
) -> None:
    believe_the_lab_alone(bench)
    raw = bench.package("ale", b"hello" * 10_000).read_bytes()
    (bench.inbox / "unsigned.mlpkg").write_bytes(raw)
    (bench.inbox / "stranger.mlpkg").write_bytes(signed(raw, STRANGER))
    with decompressions() as calls:
        answer = bench.run("once")
    assert calls == []
    assert answer.status == 22, "two refusals that are not alike"
    assert bench.noted() == {"quarantined": ["stranger.mlpkg", "unsigned.mlpkg"]}
    assert "it has no signature" in bench.reason("unsigned.mlpkg")
    assert "the policy does not know" in bench.reason("stranger.mlpkg")
    (bench.inbox / "signed.mlpkg").write_bytes(signed(raw, LAB))
    with decompressions() as calls:
        assert bench.run("once").status == 0
    assert calls, "what counts decompressions counts none"


def test_what_a_package_leans_on_is_judged_like_it(bench: DropBench) -> None:
    full = bench.package("big", b"x" * 100_000)
    shutil.copy(full, bench.inbox)
    assert bench.run("once").status == 0
    believe_the_lab_alone(bench)
    (bench.inbox / "later.mlpkg").write_bytes(signed(bench.thin("a", full).read_bytes(), LAB))
    assert bench.run("once").status == 40
    assert "it has no signature" in bench.reason("later.mlpkg")


def test_check_says_that_the_policy_of_a_drop_folder_is_wrong(bench: DropBench) -> None:
    believe_the_lab_alone(bench)
    assert bench.run("check").status == 0
    (bench.folder / "policy.toml").write_text("threshold = 1\n")
    assert "policy.toml is wrong" in bench.run("check").out


def test_a_policy_refuses_what_it_does_not_trust(bench: DropBench) -> None:
    believe_the_lab_alone(bench)
    raw = bench.package("ale").read_bytes()
    (bench.inbox / "unsigned.mlpkg").write_bytes(raw)
    (bench.inbox / "signed.mlpkg").write_bytes(signed(raw, LAB))
    (bench.inbox / "wine").mkdir()
    (bench.inbox / "wine" / "mlarchive.toml").write_text(MANIFEST)
    bench.run("once")
    assert bench.noted() == {
        "taken": ["signed.mlpkg"],
        "quarantined": ["unsigned.mlpkg", "wine"],
    }
    assert "takes nothing else" in bench.reason("wine")
    assert bench.vaulted("target") == ["ale"]
