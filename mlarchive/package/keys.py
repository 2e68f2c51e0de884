"""Package-local keys: names for records that depend on what they mean and on nothing else.

A source names records by its server's ids. Those must not reach `content_id` or `state_id`, nor
may the order in which a server happened to answer. So each record gets a key `KIND-N`, numbered
in the order of a digest of its meaning (clause 6.4 of `spec/mlpkg-1.md`): of its own content,
refined by what it refers to and by what refers to it until no more records are told apart; among
records whose content cannot be told apart, the same over state decides.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mlarchive.package import canonical
from mlarchive.package.fields import part_of, references, rekeyed
from mlarchive.records import AnyRecord, Part, Record

Digests = dict[str, bytes]
Edges = Sequence[tuple[str, str, str]]
"""(key of the record that refers, where, key of the record referred to)."""


def local_keys(records: Sequence[AnyRecord]) -> Mapping[str, str]:
    """The package-local key for each record's present key.

    Raises:
        ValueError: Two records share a key, or a reference names no record.
    """
    by_key = {record.key: record for record in records}
    if len(by_key) != len(records):
        repeated = [key for key, n in Counter(r.key for r in records).items() if n > 1]
        raise ValueError(f"records share the key {repeated[0]!r}")
    edges = [(r.key, where, to) for r in records for where, to in references(r)]
    for source, where, to in edges:
        if to not in by_key:
            raise ValueError(f"{source}{where} refers to {to!r}, which is not in the snapshot")
    blank = dict.fromkeys(by_key, "*")
    bare = {key: rekeyed(record, blank) for key, record in by_key.items()}
    content = _refine({key: _own_digest(r, "content") for key, r in bare.items()}, edges)
    state = _refine({key: content[key] + _own_digest(r, "state") for key, r in bare.items()}, edges)
    members: defaultdict[str, list[str]] = defaultdict(list)
    for key, record in by_key.items():
        members[str(record.__struct_config__.tag)].append(key)
    return {
        key: f"{kind}-{number}"
        for kind, keys in members.items()
        for number, key in enumerate(sorted(keys, key=lambda k: (content[k], state[k])), start=1)
    }


def in_part(record: Record, part: Part) -> dict[str, Any]:
    """The members of a record that belong to one document, defaults left out, as builtins."""
    parts = part_of(type(record))
    members: dict[str, Any] = msgspec.to_builtins(record)
    return {name: value for name, value in members.items() if parts.get(name) == part}


def _own_digest(record: Record, part: Part) -> bytes:
    body = {"kind": record.__struct_config__.tag, part: in_part(record, part)}
    return hashlib.sha256(canonical.encode(body)).digest()


def _refine(digests: Digests, edges: Edges) -> Digests:
    """Mix in the digests of neighbours, round by round, until no more records are told apart."""
    told_apart = 0
    while told_apart < len(set(digests.values())) < len(digests):
        told_apart = len(set(digests.values()))
        digests = _one_round(digests, edges)
    return digests


def _one_round(digests: Digests, edges: Edges) -> Digests:
    around: defaultdict[str, list[bytes]] = defaultdict(list)
    for source, where, to in edges:
        label = where.encode()
        around[source].append(b">" + label + digests[to])
        around[to].append(b"<" + label + digests[source])
    return {
        key: hashlib.sha256(digest + b"".join(sorted(around[key]))).digest()
        for key, digest in digests.items()
    }
