"""The conformance corpus, run against any reader of packages.

`spec/vectors` holds packages that a reader must read (`valid`), must refuse with a certain code
(`invalid`), and damaged ones with what can be saved of them (`repairable`); what is expected is
data beside them. Wheels do not carry the corpus: name a copy of it, or work in a source tree.

    python -m mlarchive.testing                                        # mlarchive itself
    python -m mlarchive.testing --reader 'python spec/reader.py verify {package} {bases}'

A reader in another language is a command. After a package that it read it leaves with 0 and prints
one JSON object, as `spec/vectors/README.md` says; a refusal is another status, and the first code
such as E012 that it prints.
"""

import argparse
import hashlib
import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct

from mlarchive.errors import FormatError, MissingChunksError, UsageError
from mlarchive.package import Package
from mlarchive.package.entries import entries_of, size_of
from mlarchive.records import File

Found: TypeAlias = Mapping[str, Any]
"""What a reader found in a package: the members that `valid/expect.json` has, `bases` apart."""

Reader: TypeAlias = Callable[[Path, Sequence[Path]], "Found | str"]
"""Verifies a package, given the packages that it may build on; gives the code of a refusal."""

Salvager: TypeAlias = Callable[[Path], Sequence[Found]]
"""What is whole in a damaged package: `kind`, `name`, `sha256` and `size` of each item."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of one vector.

    Attributes:
        vector: Its name, such as `invalid/e012-index-header-crc`.
        expected: In a few words, or as JSON.
        found: Likewise.
    """

    vector: str
    expected: str
    found: str

    @property
    def passed(self) -> bool:
        """Whether the reader did as expected."""
        return self.expected == self.found


def corpus_beside_source() -> Path:
    """The corpus in the source tree that this module belongs to.

    Raises:
        UsageError: There is none: an installed wheel does not carry it.
    """
    folder = Path(__file__).resolve().parents[1] / "spec" / "vectors"
    if not folder.is_dir():
        raise UsageError(
            "the conformance corpus is not here: wheels do not carry it",
            hint="name a copy of spec/vectors with --corpus",
        )
    return folder


def run_corpus(
    reader: Reader, *, corpus: Path | None = None, salvager: Salvager | None = None
) -> Iterator[Outcome]:
    """One outcome for each vector, in the order of their names.

    Args:
        reader: Is given each valid and each invalid package.
        corpus: The folder `vectors`; None for the one in the source tree.
        salvager: Is given each damaged package; None to leave those out.

    Raises:
        UsageError: As `corpus_beside_source`.
        OSError: The corpus cannot be read.
    """
    folder = corpus or corpus_beside_source()
    for group in ("valid", "invalid"):
        for name, vector in _expectations(folder, group):
            bases = [folder / "bases" / f"{base}.mlpkg" for base in vector.pop("bases", ())]
            yield Outcome(
                vector=f"{group}/{name}",
                expected=vector.get("refusal") or _text(vector),
                found=_text(reader(folder / group / f"{name}.mlpkg", bases)),
            )
    if salvager is not None:
        yield from _run_damaged(folder, salvager)


def read_with_library(path: Path, bases: Sequence[Path] = ()) -> Found | str:
    """Mlarchive as a reader."""
    try:
        with ExitStack() as stack:
            opened = [stack.enter_context(Package.open(base)) for base in bases]
            package = stack.enter_context(Package.open(path, bases=opened))
            package.verify()
            return _found(package)
    except FormatError as error:
        return error.refusal


def read_with_command(template: str) -> Reader:
    """A reader that is a command.

    Args:
        template: Words as in a shell; `{package}` stands for the path, `{bases}` alone for any
            number of paths.
    """
    words = shlex.split(template)

    def read(path: Path, bases: Sequence[Path]) -> Found | str:
        command: list[str] = []
        for word in words:
            both = [word.replace("{package}", str(path))]
            command += [str(base) for base in bases] if word == "{bases}" else both
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - asked for
        if done.returncode == 0:
            try:
                found: Found = json.loads(done.stdout)
            except ValueError:
                return "exit status 0 and no JSON object"
            return found if isinstance(found, dict) else "exit status 0 and no JSON object"
        code = re.search(rb"\bE\d{3}\b", done.stderr + done.stdout)
        return code[0].decode() if code else f"exit status {done.returncode} and no code"

    return read


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the corpus; 0 if all is as expected, else 4."""
    parser = argparse.ArgumentParser(prog="python -m mlarchive.testing", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--reader", help="a command; mlarchive itself if none is given")
    parser.add_argument("--corpus", type=Path, help="a copy of spec/vectors")
    given = parser.parse_args(arguments)
    reader = read_with_command(given.reader) if given.reader else read_with_library
    try:
        outcomes = list(run_corpus(reader, corpus=given.corpus))
    except (UsageError, OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    failed = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in failed:
        sys.stdout.write(f"{outcome.vector}: expected {outcome.expected}, found {outcome.found}\n")
    sys.stdout.write(f"{len(outcomes)} vectors, {len(failed)} not as expected\n")
    return 4 if failed else 0


def _expectations(folder: Path, group: str) -> Iterator[tuple[str, Any]]:
    yield from sorted(json.loads((folder / group / "expect.json").read_bytes()).items())


def _run_damaged(folder: Path, salvager: Salvager) -> Iterator[Outcome]:
    with tempfile.TemporaryDirectory() as scratch:
        damaged = Path(scratch) / "damaged.mlpkg"
        for name, vectors in _expectations(folder, "repairable"):
            package = (folder / "repairable" / f"{name}.mlpkg").read_bytes()
            for vector in vectors:
                damaged.write_bytes(damage(package, vector["damage"]))
                yield Outcome(
                    vector=f"repairable/{name} {json.dumps(vector['damage'])}",
                    expected=_sorted(vector["whole"]),
                    found=_sorted(salvager(damaged)),
                )


def damage(package: bytes, what: Mapping[str, Any]) -> bytes:
    """A package after a damage of `repairable/expect.json`: `keep` or `zero`."""
    if "keep" in what:
        return package[: what["keep"]]
    start, length = what["zero"]
    return package[:start] + bytes(length) + package[start + length :]


def _found(package: Package) -> Found:
    documents = package.documents
    raw = {"content": documents.content, "state": documents.state, "evidence": documents.evidence}
    return {
        "content_id": package.content_id,
        "state_id": package.state_id,
        "package_id": package.package_id,
        "documents": {name: hashlib.sha256(data).hexdigest() for name, data in raw.items()},
        "entries": [
            {
                "record": record.key,
                "kind": "file" if isinstance(entry, File) else "metric",
                "name": entry.path if isinstance(entry, File) else entry.key,
                "dataset": "" if isinstance(entry, File) else entry.dataset,
                "sha256": entry.sha256,
                "size": size_of(entry),
                "whole": _is_whole(package, entry.sha256),
            }
            for record in package.meaning.records
            for entry in entries_of(record)
        ],
        "missing": [{"hash": one.sha256, "size": one.size} for one in package.missing()],
        "warnings": sorted(warning[:4] for warning in package.warnings()),
    }


def _is_whole(package: Package, sha256: str) -> bool:
    try:
        package.open_object(sha256).close()
    except MissingChunksError:
        return False
    return True


def _sorted(items: Sequence[Found]) -> str:
    return _text(sorted(items, key=_text))


def _text(found: Found | Sequence[Found] | str) -> str:
    return found if isinstance(found, str) else json.dumps(found, sort_keys=True)


if __name__ == "__main__":
    sys.exit(main())
