"""Fuzzes the reader of packages: it reads a package whole, or refuses it with a code.

What was verified is read again in every way there is, and must be the same.
"""

import contextlib
import hashlib
import io
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mlarchive.cli import main as mlarchive
from mlarchive.errors import FormatError, MissingChunksError
from mlarchive.package import Limits, Package
from mlarchive.package.layout import MINOR, PREAMBLE_SIZE, minor_version
from mlarchive.testing import corpus_beside_source
from tests.compat.samples import samples
from tests.fuzz.harness import Target, main
from tests.fuzz.mutating import changed_package

LIMITS = Limits(index=64 << 10, document=64 << 10, unpacked=1 << 20)

_CODE = re.compile(r"E0[0-4]\d")

_BY_COMMAND = 256
"""One of so many inputs, chosen by their digests, is verified by the command too."""


def seeds() -> Iterator[bytes]:
    """The conformance corpus, and the samples that both readers get."""
    corpus = corpus_beside_source()
    for path in sorted(corpus.glob("*/*.mlpkg")):
        yield path.read_bytes()
    yield from samples().values()


def check(data: bytes) -> str:
    """Read bytes as a package.

    Returns:
        `whole`, `thin`, or the code of the refusal.
    """
    outcome = _read(data)
    if outcome not in {"whole", "thin"}:
        assert _CODE.fullmatch(outcome), outcome
        _read_unverified(data)
    chosen = int.from_bytes(hashlib.sha256(data).digest()[:4], "big")
    if chosen % _BY_COMMAND == 0 and outcome != "E015":
        _verify_by_command(data, outcome)
    return outcome


def _read(data: bytes) -> str:
    try:
        with Package.open(io.BytesIO(data), limits=LIMITS) as package:
            verification = package.verify(full=True)
            _read_again(package)
            return "thin" if verification.missing else "whole"
    except FormatError as error:
        return error.refusal


def _read_again(package: Package) -> None:
    """What was verified can be read."""
    try:
        package.check_places()
        package.verify(full=False)
        package.warnings()
        snapshot = package.snapshot()
        assert snapshot.records == package.meaning.records
        missing = package.missing()
        for sha256, row in package.objects.items():
            _read_object(package, sha256, row.size, may_lack=bool(missing))
    except FormatError as error:
        raise AssertionError("refused what was verified") from error


def _read_object(package: Package, sha256: str, size: int, *, may_lack: bool) -> None:
    try:
        with package.open_object(sha256) as stream:
            whole = stream.read()
            assert len(whole) == size
            assert hashlib.sha256(whole).hexdigest() == sha256
            for at, length in ((0, 1), (size // 2, 100), (size - 1, 9), (size // 3, size)):
                stream.seek(max(at, 0))
                assert stream.read(length) == whole[max(at, 0) : max(at, 0) + length]
    except MissingChunksError:
        assert may_lack


def _read_unverified(data: bytes) -> None:
    """Who reads objects without verifying gets their bytes, or a refusal."""
    with (
        contextlib.suppress(FormatError),
        Package.open(io.BytesIO(data), limits=LIMITS) as package,
    ):
        for sha256 in package.objects:
            with (
                contextlib.suppress(FormatError, MissingChunksError),
                package.open_object(sha256) as stream,
            ):
                stream.read()


_STATUS = {"E003": 24, "E004": 24, "E015": 25, "E033": 24}
"""Exit status of refusals that are no damage (spec/errors.md); E030 of a later minor version, which
may have members that are not known here, is none either (clause 12.1). E043 is not among them: the
command verifies volumes too, and a package whose magic is that of a volume is a damaged one."""


def _verify_by_command(data: bytes, outcome: str) -> None:
    out, words = io.StringIO(), io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzzed.mlpkg"
        path.write_bytes(data)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(words):
            status = mlarchive(["verify", str(path), "--json"])
    expected = 0 if outcome in {"whole", "thin"} else _STATUS.get(outcome, 4)
    if outcome == "E030" and minor_version(data[:PREAMBLE_SIZE]) > MINOR:
        expected = 24
    assert status == expected, (outcome, words.getvalue())
    said = json.loads(out.getvalue())
    assert said["error"]["exit_status"] == status if "error" in said else said["ok"] == (not status)


TARGET = Target(name="reader", check=check, seeds=seeds, mutate=changed_package)

if __name__ == "__main__":
    main(TARGET)
