"""Fuzzes what a thin package builds on: a hostile base, and a hostile package with good bases."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cache

from mlarchive.errors import FormatError, MissingChunksError
from mlarchive.package import Package
from mlarchive.testing import corpus_beside_source
from tests.fuzz.harness import Target, main
from tests.fuzz.mutating import changed_package
from tests.fuzz.reader import LIMITS


@cache
def _packages(pattern: str) -> Sequence[bytes]:
    return [path.read_bytes() for path in sorted(corpus_beside_source().glob(pattern))]


def seeds() -> Iterator[bytes]:
    """Thin packages of the corpus, and what they build on."""
    yield from _packages("bases/*.mlpkg")
    yield from _packages("valid/*thin*.mlpkg")


def check(data: bytes) -> str:
    """Read bytes with the corpus's bases, and its thin packages with the bytes as a base."""
    found = {_verified(data, _packages("bases/*.mlpkg"))}
    found |= {_verified(thin, [data]) for thin in _packages("valid/*thin*.mlpkg")}
    return "+".join(sorted(found))


def _verified(data: bytes, bases: Sequence[bytes]) -> str:
    try:
        with ExitStack() as stack:
            below = [stack.enter_context(_opened(base, ())) for base in bases]
            package = stack.enter_context(_opened(data, below))
            package.verify()
            _read(package)
            return "thin" if package.missing() else "whole"
    except FormatError as error:
        return error.refusal


def _opened(data: bytes, bases: Sequence[Package]) -> Package:
    return Package.open(io.BytesIO(data), bases=bases, limits=LIMITS)


def _read(package: Package) -> None:
    for sha256 in package.objects:
        try:
            with package.open_object(sha256) as stream:
                assert hashlib.sha256(stream.read()).hexdigest() == sha256
        except MissingChunksError:
            assert package.missing()


TARGET = Target(name="bases", check=check, seeds=seeds, mutate=changed_package)

if __name__ == "__main__":
    main(TARGET)
