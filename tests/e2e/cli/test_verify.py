"""`mlarchive verify`: damage anywhere is found, named, and seen in the exit status."""

import io
import os
import random
import subprocess
import threading
from pathlib import Path

from mlarchive.package import PackageWriter, encode_documents
from mlarchive.package.encoding import stored
from tests.support.command import COMMAND, Done, environment, within
from tests.support.packages import folder_meaning


def test_sound_packages_and_vaults_are_ok(desk: Path) -> None:
    within("pack", "dir:resnet", "wine.mlpkg", "-o", "v", cwd=desk)
    done = within("verify", "wine.mlpkg", "vault:v", "--json", cwd=desk)
    assert done.status == 0
    assert [document["ok"] for document in done.documents] == [True, True, True]


def test_a_flipped_bit_makes_the_status_4_and_hides_no_other_package(desk: Path) -> None:
    seed = 20_261_120
    raw = (desk / "wine.mlpkg").read_bytes()
    position = random.Random(seed).randrange(64, len(raw) // 2)  # noqa: S311  (no secret)
    (desk / "bad.mlpkg").write_bytes(
        raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
    )
    done = within("verify", "bad.mlpkg", "wine.mlpkg", cwd=desk)
    assert done.status == 4, f"seed {seed}"
    first, second = done.out.splitlines()
    assert first.startswith("DAMAGED  bad.mlpkg: E0")
    assert "mlarchive repair" in done.err
    assert second.startswith("ok  wine.mlpkg")


def test_damage_in_a_vault_is_found_even_where_a_package_cannot_be_opened(desk: Path) -> None:
    within("pack", "dir:resnet", "wine.mlpkg", "-o", "v", cwd=desk)
    first, second = sorted((desk / "v").rglob("*.mlpkg"))
    first.write_bytes(first.read_bytes()[:-10])
    raw = bytearray(second.read_bytes())
    raw[4300] ^= 1
    second.write_bytes(raw)
    done = within("verify", "vault:v", "--json", cwd=desk)
    assert done.status == 4
    assert [document["ok"] for document in done.documents] == [False, False]


def test_a_package_that_is_not_there_is_not_damage_and_hides_no_other(desk: Path) -> None:
    done = within("verify", "none.mlpkg", "wine.mlpkg", cwd=desk)
    assert done.status == 11
    assert "ok  wine.mlpkg" in done.out


def test_only_packages_and_vaults_are_verified(desk: Path) -> None:
    assert within("verify", "dir:resnet", cwd=desk).status == 2
    assert within("verify", "vault:none", cwd=desk).status == 11


def test_a_thin_package_alone_says_what_was_not_checked(desk: Path) -> None:
    within("pack", "dir:resnet", "-o", "v", cwd=desk)
    within("pack", "dir:resnet", "-o", "v", "--tag", "a=b", cwd=desk)
    thin = min((desk / "v").rglob("*.mlpkg"), key=lambda path: path.stat().st_size)
    alone = within("verify", thin, cwd=desk)
    assert alone.status == 0
    assert "elsewhere not checked" in alone.out
    inside = within("verify", "vault:v", "--json", cwd=desk)
    assert [document.get("missing", 0) for document in inside.documents] == [0, 0]


def piped(data: bytes, *words: str, cwd: Path) -> Done:
    """The command with bytes on its standard input."""
    return Done(
        subprocess.run(
            [*COMMAND, "verify", "-", *words],
            input=data,
            capture_output=True,
            check=False,
            cwd=cwd,
            env=environment(),
            timeout=120,
        )
    )


def test_a_package_is_verified_as_it_goes_by(desk: Path) -> None:
    raw = (desk / "wine.mlpkg").read_bytes()
    done = piped(raw, cwd=desk)
    assert done.status == 0
    assert done.out.startswith("ok  standard input")
    assert "files were not put together" in done.out
    known = within("verify", "wine.mlpkg", "--json", cwd=desk).document
    document = piped(raw, "--json", cwd=desk).document
    assert (document["how"], known["how"]) == ("forward", "full")
    assert document["package_id"] == known["package_id"]
    for broken in (raw[:-1], raw + b"\0", raw[:3000] + b"\xff" + raw[3001:], b""):
        done = piped(broken, cwd=desk)
        assert done.status == 4
        assert done.out.startswith("DAMAGED  standard input: E0")


def test_a_named_pipe_is_read_as_one(desk: Path) -> None:
    pipe = desk / "pipe.mlpkg"
    os.mkfifo(pipe)
    raw = (desk / "wine.mlpkg").read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=(raw,), daemon=True)
    writer.start()
    done = within("verify", "pipe.mlpkg", "--json", cwd=desk)
    writer.join(10)
    assert (done.status, done.document["how"]) == (0, "forward")


def test_what_makes_no_sense_of_standard_input_is_refused(desk: Path) -> None:
    assert piped(b"", "-", cwd=desk).status == 2
    assert piped(b"", "--quick", cwd=desk).status == 2


def test_the_quick_way_says_what_it_did_not_do(desk: Path) -> None:
    done = within("verify", "wine.mlpkg", "--quick", cwd=desk)
    assert done.status == 0
    assert "chunks were not decoded, files not compared" in done.out
    raw = bytearray((desk / "wine.mlpkg").read_bytes())
    raw[len(raw) // 3] ^= 1
    (desk / "bad.mlpkg").write_bytes(raw)
    assert within("verify", "bad.mlpkg", "--quick", cwd=desk).status == 4


def test_warnings_are_told_and_do_not_make_damage(desk: Path) -> None:
    out = io.BytesIO()
    with PackageWriter(out) as writer:
        writer.stream.write_record(130, stored(b"of a later version"))
        writer.finish(encode_documents(folder_meaning([])))
    (desk / "later.mlpkg").write_bytes(out.getvalue())
    done = within("verify", "later.mlpkg", cwd=desk)
    assert done.status == 0
    assert "warning: later.mlpkg: W005: 1 records of unknown types were skipped" in done.err
    (warning,) = within("verify", "later.mlpkg", "--json", cwd=desk).document["warnings"]
    assert warning.startswith("W005")


def test_the_operator_says_what_a_package_may_unpack_to(desk: Path) -> None:
    tight = {"MLARCHIVE_MAX_UNPACKED": "1kB"}
    for words in (("verify",), ("extract", "-C", "new"), ("repair",)):
        done = within(words[0], "wine.mlpkg", *words[1:], cwd=desk, env=tight)
        assert done.status == 25
        assert "E015" in done.err
        assert "hint: if you trust it, set MLARCHIVE_MAX_UNPACKED" in done.err
    done = within("verify", "wine.mlpkg", cwd=desk, env={"MLARCHIVE_MAX_UNPACKED": "much"})
    assert done.status == 10
    assert within("verify", "wine.mlpkg", cwd=desk, env={"MLARCHIVE_MAX_INDEX": "9"}).status == 25
