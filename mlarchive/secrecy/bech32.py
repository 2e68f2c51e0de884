"""Bech32 (BIP 173), in which age spells its keys; of any length, as age has it."""

from collections.abc import Iterable, Iterator

_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECK = 6
_FIVE, _EIGHT = 5, 8


def encode(prefix: str, data: bytes) -> str:
    """Bytes as lower-case text that begins with a prefix and `1`."""
    values = list(_regrouped(data, _EIGHT, _FIVE, pad=True))
    check = _polymod([*_expanded(prefix), *values, *[0] * _CHECK]) ^ 1
    values += [(check >> _FIVE * (_CHECK - 1 - place)) & 31 for place in range(_CHECK)]
    return f"{prefix}1" + "".join(_LETTERS[value] for value in values)


def decode(text: str) -> tuple[str, bytes]:
    """The prefix, in lower case, and the bytes of a text.

    Raises:
        ValueError: It is no such text, or was mistyped.
    """
    if text not in {text.lower(), text.upper()}:
        raise ValueError("upper and lower case are mixed")
    prefix, one, rest = text.lower().rpartition("1")
    if not prefix or not one or len(rest) < _CHECK or set(rest) - set(_LETTERS):
        raise ValueError("it is not in Bech32")
    values = [_LETTERS.index(letter) for letter in rest]
    if _polymod([*_expanded(prefix), *values]) != 1:
        raise ValueError("its check sum does not fit: it was mistyped")
    return prefix, bytes(_regrouped(values[:-_CHECK], _FIVE, _EIGHT, pad=False))


def _expanded(prefix: str) -> list[int]:
    codes = prefix.encode()
    return [*(code >> _FIVE for code in codes), 0, *(code & 31 for code in codes)]


def _polymod(values: Iterable[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << _FIVE ^ value
        for place, generator in enumerate(_GENERATOR):
            check ^= generator if top >> place & 1 else 0
    return check


def _regrouped(values: Iterable[int], have: int, want: int, *, pad: bool) -> Iterator[int]:
    """The same bits in groups of another length."""
    held = bits = 0
    for value in values:
        held = held << have | value
        bits += have
        while bits >= want:
            bits -= want
            yield held >> bits & (1 << want) - 1
        held &= (1 << bits) - 1
    if pad and bits:
        yield held << want - bits & (1 << want) - 1
    elif not pad and (bits >= have or held):
        raise ValueError("its padding is not zero")
