"""Package-local keys: names for records that depend on what they mean and on nothing else.

A source names records by its server's ids. Those must not reach `content_id` or `state_id`, nor
may the order in which a server happened to answer. So each record gets a key `KIND-N`, numbered
in the order of a *colour*: the digest of its own content, refined by what it refers to and by what
refers to it until no more records are told apart (clause 6.4 of `spec/mlpkg-1.md`).

Records whose content cannot be told apart may change places without changing the content
document, as long as all that hangs together changes places together. So ties are broken one at a
time, each followed by refinement, and state says who goes first.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from mlarchive.package import canonical
from mlarchive.package.fields import PARTS, part_of, references, rekeyed
from mlarchive.records import AnyRecord, Part, Record

Digests = dict[str, bytes]
Edges = Sequence[tuple[str, str, str]]
"""(key of the record that refers, where, key of the record referred to)."""


def local_keys(records: Sequence[AnyRecord], subject: str) -> Mapping[str, str]:
    """The package-local key for each record's present key.

    Args:
        records: All of a snapshot.
        subject: The present key of the one that it is about. It is told apart from the start, for
            content says which record is the subject.

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
    own = {key: _own_digests(record, is_subject=key == subject) for key, record in bare.items()}
    colours = _told_apart(
        content={key: content for key, (content, _) in own.items()},
        state={key: state for key, (_, state) in own.items()},
        edges=edges,
    )
    members: defaultdict[str, list[str]] = defaultdict(list)
    for key, record in by_key.items():
        members[str(record.__struct_config__.tag)].append(key)
    return {
        key: f"{kind}-{number}"
        for kind, keys in members.items()
        for number, key in enumerate(sorted(keys, key=lambda k: colours[k]), start=1)
    }


def in_parts(record: Record) -> Mapping[Part, dict[str, Any]]:
    """The members of a record by the document they belong to, defaults left out, as builtins."""
    belongs = part_of(type(record))
    split: dict[Part, dict[str, Any]] = {part: {} for part in PARTS}
    for name, value in canonical.members(record).items():
        if name in belongs:
            split[belongs[name]][name] = value
    return split


def in_part(record: Record, part: Part) -> dict[str, Any]:
    """The members of a record that belong to one document."""
    return in_parts(record)[part]


def _own_digests(record: Record, *, is_subject: bool) -> tuple[bytes, bytes]:
    """Digests of a record's own content and state."""
    kind, parts = record.__struct_config__.tag, in_parts(record)
    content: dict[str, Any] = {"kind": kind, "content": parts["content"]}
    if is_subject:
        content["subject"] = True
    state = {"kind": kind, "state": parts["state"]}
    return _digest(content), _digest(state)


def _digest(value: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(canonical.encode(dict(value))).digest()


def _told_apart(*, content: Digests, state: Digests, edges: Edges) -> Digests:
    """A colour for each record that no other has."""
    colours = _refine(content, edges)
    around = _neighbourhoods(edges)
    while tied := _tied(colours):
        labels = _refine({key: colours[key] + state[key] for key in colours}, edges)
        tied.sort(key=lambda key: labels[key])
        # Those with the very same neighbours may change places freely: all are settled at once.
        twins = [key for key in tied if around[key] == around[tied[0]]]
        for rank, key in enumerate(twins):
            colours[key] = hashlib.sha256(colours[key] + rank.to_bytes(8, "big")).digest()
        colours = _refine(colours, edges)
    return colours


def _tied(colours: Digests) -> list[str]:
    """The records that share the smallest colour that is shared; empty if none is."""
    by_colour: defaultdict[bytes, list[str]] = defaultdict(list)
    for key, colour in colours.items():
        by_colour[colour].append(key)
    shared = [colour for colour, keys in by_colour.items() if len(keys) > 1]
    return by_colour[min(shared)] if shared else []


def _neighbourhoods(edges: Edges) -> defaultdict[str, frozenset[tuple[str, str, str]]]:
    """For each record what it refers to and what refers to it, and where."""
    around: defaultdict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for source, where, to in edges:
        around[source].append((">", where, to))
        around[to].append(("<", where, source))
    return defaultdict(frozenset, {key: frozenset(edges) for key, edges in around.items()})


def _refine(digests: Digests, edges: Edges) -> Digests:
    """Mix in the digests of neighbours, round by round, until no more records are told apart."""
    told_apart = 0
    while told_apart < len(set(digests.values())) < len(digests):
        told_apart = len(set(digests.values()))
        digests = _one_round(digests, edges)
    return dict(digests)


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
