"""Fuzzes the decoder of documents alone: it says what they mean, or refuses them with a code.

An input is content, state and evidence, with a line break between them: canonical JSON has none.
"""

import io
import random
from collections.abc import Iterator

from mlarchive.errors import FormatError
from mlarchive.package import Documents, Package, decode_documents, encode_documents
from mlarchive.testing import corpus_beside_source
from tests.fuzz.documentmutating import changed_document
from tests.fuzz.harness import Mutate, Target, main

_PARTS = 3


def seeds() -> Iterator[bytes]:
    """The documents of the packages that a reader must read."""
    for path in sorted(corpus_beside_source().glob("valid/*.mlpkg")):
        with Package.open(io.BytesIO(path.read_bytes())) as package:
            documents = package.documents
            yield b"\n".join((documents.content, documents.state, documents.evidence))


def check(data: bytes) -> str:
    """Read three documents; what they say, said again, is the same bytes."""
    parts = (data.split(b"\n", _PARTS - 1) + [b""] * _PARTS)[:_PARTS]
    documents = Documents(content=parts[0], state=parts[1], evidence=parts[2])
    try:
        meaning = decode_documents(documents)
    except FormatError as error:
        return error.refusal
    assert encode_documents(meaning) == documents
    return "read"


def changed(data: bytes, rng: random.Random, mutate: Mutate) -> bytes:
    """The same documents, one of them changed."""
    parts = data.split(b"\n", _PARTS - 1)
    at = rng.randrange(len(parts))
    parts[at] = changed_document(parts[at], rng, mutate)
    return b"\n".join(parts)


TARGET = Target(name="documents", check=check, seeds=seeds, mutate=changed)

if __name__ == "__main__":
    main(TARGET)
