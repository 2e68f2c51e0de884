"""Cuts of a zip file of stored members: each payload on its own, the rest between them.

`torch.save` writes such files, with all sizes behind the payloads, and so does `numpy.savez`, whose
members are array files. Headers hold the file's own stem, alignment padding and shapes; kept apart,
they leave the tensors' chunks equal whatever the file is called.
"""

from collections.abc import Iterator, Mapping

from mlarchive.package.chunkers import npy
from mlarchive.package.chunkers.pieces import (
    PIECE_MAX,
    UNKNOWN,
    Piece,
    TakeBerth,
    cut_as_planned,
    slices,
)
from mlarchive.package.chunkers.tensors import Tensor, hint_of, key_of, slices_of
from mlarchive.package.chunkers.torchpickle import PICKLE_MAX, storages
from mlarchive.package.chunkers.zipmembers import LOOK_AHEAD, Member, find_end, next_member
from mlarchive.package.intake import Intake

OWN_FROM = 64 << 10
"""Payloads from this size on get chunks of their own."""

_LOOKS = (1 << 10, OWN_FROM + LOOK_AHEAD)
"""How many bytes are searched for the end of a payload, one after the other: many are tiny."""

_REST_MAX = 1 << 20


def cut(intake: Intake, take: TakeBerth) -> Iterator[Piece]:
    """Cut members until something is not a stored member; the directory is left to others."""
    rest = bytearray()
    known: Mapping[str, Tensor] | None = None
    while (member := next_member(intake)) is not None:
        rest += member.header
        if known is None and member.name.endswith("/data.pkl"):
            known = _storages(intake, member)
        small = _small_payload(intake, member.size)
        if small is not None:
            rest += small
        else:
            array = npy.look(intake) if member.name.endswith(".npy") else None
            begun = array.header if array else 0
            rest += intake.take(begun)
            yield from _own(rest, take)
            tensor = _array(member, array) if array else _storage(member, known or {})
            yield from _payload(intake, take, member, tensor, begun)
        if len(rest) >= _REST_MAX:
            yield from _own(rest, take)
    yield from _own(rest, take)


def _storages(intake: Intake, member: Member) -> Mapping[str, Tensor]:
    """What the pickle that follows says about the payloads behind it; nothing is taken."""
    data = intake.take(min(member.size, PICKLE_MAX) if member.size >= 0 else PICKLE_MAX)
    intake.push_back(data)
    return storages(data)


def _storage(member: Member, known: Mapping[str, Tensor]) -> Tensor | None:
    """A torch storage: named by its key, a number, so its name says less than a tensor's."""
    _, _, key = member.name.rpartition("/data/")
    if key not in known:
        return None
    size = known[key].size if member.size < 0 else member.size
    return Tensor(f"data/{key}", known[key].dtype, size)


def _array(member: Member, array: npy.Array) -> Tensor:
    size = array.size if member.size < 0 else member.size - array.header
    return Tensor(member.name.removesuffix(".npy"), array.dtype, size)


def _small_payload(intake: Intake, size: int) -> bytes | None:
    """The payload if it is too small for chunks of its own; else nothing is taken."""
    if size >= 0:
        return intake.take(size) if size < OWN_FROM else None
    for length in _LOOKS:
        data = intake.take(length)
        end = find_end(data, before=0)
        intake.push_back(data[max(end, 0) :])
        if end >= 0:
            return data[:end]
    return None


def _payload(
    intake: Intake, take: TakeBerth, member: Member, tensor: Tensor | None, begun: int
) -> Iterator[Piece]:
    """Cut a payload, `begun` bytes of which are taken already."""
    if member.size < 0:
        yield from _cut_to_descriptor(intake, take, tensor, begun)
    elif tensor is None:
        yield from cut_as_planned(intake, take, slices(member.size))
    else:
        yield from cut_as_planned(intake, take, slices_of(tensor))


def _cut_to_descriptor(
    intake: Intake, take: TakeBerth, tensor: Tensor | None, begun: int
) -> Iterator[Piece]:
    """Cut a payload whose end is where a descriptor fits."""
    number = 0
    while not intake.at_end():
        berth = take()
        length = intake.fill(berth.view[:PIECE_MAX])
        ahead = intake.take(LOOK_AHEAD)
        end = _end(berth.view[:length], ahead, before=begun + number * PIECE_MAX)
        ended = 0 <= end <= length
        if ended:
            intake.push_back(bytes(berth.view[end:length]) + ahead)
            length = end
        else:
            intake.push_back(ahead)
        hint = hint_of(tensor.dtype) if tensor else UNKNOWN
        yield Piece(berth, length, hint, key_of([tensor], number) if tensor else b"")
        if ended:
            return
        number += 1


def _end(view: memoryview, ahead: bytes, *, before: int) -> int:
    """As `find_end` of both together, without copying the first."""
    end = find_end(view, before=before)
    if end < 0:
        edge = max(0, len(view) - LOOK_AHEAD)
        end = find_end(bytes(view[edge:]) + ahead, before=before + edge)
        end = end + edge if end >= 0 else -1
    return end


def _own(rest: bytearray, take: TakeBerth) -> Iterator[Piece]:
    """What has gathered between payloads, as pieces; `rest` is empty afterwards."""
    for at in range(0, len(rest), PIECE_MAX):
        part = rest[at : at + PIECE_MAX]
        berth = take()
        berth.view[: len(part)] = part
        yield Piece(berth, len(part))
    rest.clear()
