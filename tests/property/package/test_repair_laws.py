"""Laws of repair: whatever is damaged, and whatever copies are named in whatever order.

Nothing of a stranger comes in, the order of copies makes no difference, one more never makes it
worse, and nothing is lost without a word.
"""

import base64
import io
import itertools
import json
import random
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

import pytest
from msgspec import Struct
from msgspec.structs import replace

from mlarchive.errors import DamageError
from mlarchive.package import PackageWriter, Packed, encode_documents
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.layout import PREAMBLE_SIZE, TRAILER_SIZE, RecordType, encode_preamble
from mlarchive.package.record import HEADER_SIZE
from mlarchive.package.repairing.rebuilding import UNPROVEN_DOCUMENTS, rebuild
from mlarchive.package.repairing.salvage import Salvage
from mlarchive.records import File
from tests.compat.flips import flipped
from tests.compat.samples import signed as area_of
from tests.support.packages import folder_meaning, opened
from tests.unit.package.test_writer import noise

SEED = 20_261_130
AREA = 4096 + TRAILER_SIZE
SHARED = noise(5000, 1)
OURS = {"a.bin": SHARED, "b.bin": noise(4000, 2), "c.txt": b"hello\n" * 200}
ALIKE = {"a.bin": SHARED, "z.bin": noise(3000, 3)}
STRANGE = {"x.bin": noise(3000, 4)}


def written(files: Mapping[str, bytes], *, time: int = 0) -> bytes:
    """A package of files that states a time of packing."""
    out = io.BytesIO()
    with PackageWriter(out) as writer:
        digests = {path: writer.add(io.BytesIO(data), path) for path, data in files.items()}
        entries = [File(path=p, size=one.size, sha256=one.sha256) for p, one in digests.items()]
        meaning = folder_meaning(entries)
        writer.finish(encode_documents(replace(meaning, packed=Packed(tool="tests", time=time))))
    return out.getvalue()


def signed(plain: bytes, *keys: str) -> bytes:
    """A package with a signature of each key, which need not be right."""
    with opened(plain) as package:
        payload = f"{package.content_id} {package.package_id}".encode()
    signatures = [{"keyid": key, "sig": key * 600} for key in keys]
    envelope = {"payload": base64.b64encode(payload).decode(), "signatures": signatures}
    text = json.dumps({"envelopes": [envelope]}).encode()
    return plain[:-AREA] + area_of(text) + plain[-TRAILER_SIZE:]


@cache
def copies() -> Mapping[str, bytes]:
    """All that may be named as another copy."""
    plain, again = written(OURS), written(OURS, time=9)
    alike, strange = written(ALIKE), written(STRANGE)
    later = bytearray(encode_preamble())
    later[8] = 2
    later[60:64] = zlib.crc32(later[:60]).to_bytes(4, "little")
    return {
        "plain": plain,
        "once": signed(plain, "k"),
        "twice": signed(plain, "k", "l"),
        "again": again,
        "again, signed": signed(again, "k", "l", "m"),
        "alike": signed(alike, "k", "l", "m"),
        "strange": strange,
        "alike and plain": alike + plain,
        "strange and once": strange + signed(plain, "k"),
        "damaged": flipped(flipped(signed(plain, "k"), 6000, 1), len(plain) - 150, 1),
        "of a later version": bytes(later) + plain[PREAMBLE_SIZE:],
        "nothing": b"no package",
    }


class Made(Struct, frozen=True):
    """What was written, and what was said to be lost."""

    data: bytes
    losses: tuple[str, ...]


def repaired(data: bytes, names: Sequence[str]) -> Made | None:
    """A package written again; None if none can be."""
    sources = [ByteSource(io.BytesIO(one)) for one in (data, *(copies()[name] for name in names))]
    out = io.BytesIO()
    with Salvage(sources[0], sources[1:]) as salvage:
        try:
            done = rebuild(salvage, out)
            with opened(out.getvalue()) as package:
                package.verify()
        except DamageError:
            return None
        lost = [item.name for item in salvage.items if not item.is_here]
        unnamed = ["chunks"] if salvage.unnamed else []
    return Made(out.getvalue(), (*done.dropped, *lost, *unnamed))


def keys_in(data: bytes) -> set[str]:
    """Who signed a package."""
    with opened(data) as package:
        text = package.signatures()
    found = json.loads(text)["envelopes"] if text else []
    return {one["keyid"] for envelope in found for one in envelope["signatures"]}


def damages(data: bytes) -> Mapping[str, Callable[[bytes], bytes]]:
    """What disks and people do to a package, by name; what cuts comes last."""
    with opened(data) as package:
        index = package.storage.index
        rows = [index.row(number) for number in range(len(index.rows))]
        at = package.storage.trailer.index_offset
    area, ends = len(data) - AREA, len(data)
    spots = {"preamble": 20, "index header": at, "index": at + HEADER_SIZE + 9}
    spots |= {f"{RecordType(row.type).name} {row.offset}": row.offset + 99 for row in rows}
    spots |= {f"header {row.offset}": row.offset + 40 for row in rows}
    spots |= {"frame": area, "length": area + 9, "text": area + 50, "behind": area + 4000}
    spots |= {"trailer": ends - 150, "magic": ends - 1}
    sectors = {"sector of the area": area + 512, "sector of documents": at - 512, "first": 64}
    cuts = {"trailer": ends - 192, "a byte": ends - 1, "text": area + 900, "head": area + 7}
    cuts |= {"area": area, "index": at + 30, "documents": rows[-1].offset, "a": 5500, "b": 9000}
    found: dict[str, Callable[[bytes], bytes]] = {}
    for name, spot in spots.items():
        found[f"bit of {name}"] = lambda x, spot=spot: flipped(x, spot, 16)  # type: ignore[misc]
    for name, spot in sectors.items():
        found[f"zeros at {name}"] = (
            lambda x, spot=spot: (  # type: ignore[misc]
                x[:spot] + bytes(512) + x[spot + 512 :]
            )
        )
    found["a hole"] = lambda x: x[:6016] + x[6080:]
    for name, spot in cuts.items():
        found[f"cut at {name}"] = lambda x, spot=spot: x[:spot]  # type: ignore[misc]
    return found


def tails() -> Mapping[str, bytes]:
    """What may stand behind a package."""
    found = copies()
    strangers = {"stranger": found["strange"], "moved stranger": bytes(37) + found["strange"]}
    return {"": b"", "note": b"note" * 100, "copy": found["twice"], **strangers}


def cases() -> Iterator[tuple[str, str, bytes, bytes]]:
    """Name, what it was, its damaged bytes, what stands behind these; drawn from all there are."""
    rng = random.Random(SEED)  # noqa: S311  (a reproducible test)
    for which in ("plain", "once", "twice"):
        data = copies()[which]
        every = damages(data)
        pairs = [*itertools.combinations(every, 2), *((one, one) for one in every)]
        for first, second in rng.sample(pairs, 9):
            hit = every[first](data)
            hit = hit if first == second or len(hit) < len(data) else every[second](hit)
            name = rng.choice(["", "", *tails()])
            yield f"{which}: {first} + {second} | {name}", which, hit, tails()[name]


def rank(made: Made | None, which: str) -> tuple[object, ...]:
    """How bad a result is."""
    if made is None:
        return (2,)
    with opened(made.data) as package, opened(copies()[which]) as was:
        other = package.package_id != was.package_id
        missing = len(package.missing())
    keys = keys_in(copies()[which]) - keys_in(made.data)
    unproven = UNPROVEN_DOCUMENTS in made.losses
    return (unproven, missing, other and not unproven, len(keys), len(made.losses))


def check(name: str, which: str, tail: bytes, made: Made | None) -> None:
    """Refuse a stranger's content, and what is lost without a word."""
    if made is None:
        return
    was = copies()[which]
    with opened(made.data) as package, opened(was) as before:
        missing, very = package.missing(), package.package_id == before.package_id
        same = (package.content_id, package.state_id) == (before.content_id, before.state_id)
    assert same or UNPROVEN_DOCUMENTS in made.losses, name
    if not made.losses:
        assert very, name
        assert not missing, name
        assert keys_in(made.data) >= keys_in(was), name
        assert not tail.strip(b"\0"), name


@pytest.mark.clause("11.7")
def test_no_copy_in_no_order_brings_a_stranger_or_hides_a_loss() -> None:
    rng = random.Random(SEED)  # noqa: S311  (a reproducible test)
    for name, which, hit, tail in cases():
        chosen = rng.sample([*copies()], 3)
        sets = [(), chosen[:1], chosen[:2], chosen]
        found = [repaired(hit + tail, some) for some in sets]
        found += [repaired(hit + tail, chosen[::-1])]
        for some, made in zip([*sets, chosen[::-1]], found, strict=True):
            check(f"{name} --from {some}", which, tail, made)
        assert found[-1] == found[-2], f"{name} --from {chosen}, and the other way round"
        for fewer, more in itertools.pairwise(range(4)):
            worse = rank(found[more], which) > rank(found[fewer], which)
            assert not worse, f"{name} --from {sets[more]}: {found[more]}"
