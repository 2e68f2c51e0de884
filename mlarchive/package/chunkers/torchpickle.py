"""Element sizes of the tensors in a torch file, from its pickle, which is never executed.

`pickletools.genops` lists a pickle's instructions without running any. A tensor's bytes are named
by a persistent id, a tuple ("storage", class, key, device, length); the class tells the dtype.
Whatever else the pickle does is not looked at, and a wrong guess costs compression only.
"""

from collections.abc import Mapping

from mlarchive.package.chunkers.pieces import Hint

PICKLE_MAX = 4 << 20
"""The longest pickle that is looked at, in bytes."""

_HINTS: Mapping[str, Hint] = {
    "torch DoubleStorage": Hint(8),
    "torch FloatStorage": Hint(4),
    "torch HalfStorage": Hint(2),
    "torch BFloat16Storage": Hint(2),
    "torch LongStorage": Hint(8, rotated=False),
    "torch IntStorage": Hint(4, rotated=False),
    "torch ShortStorage": Hint(2, rotated=False),
}
_PUTS = frozenset({"BINPUT", "LONG_BINPUT", "PUT"})
_GETS = frozenset({"BINGET", "LONG_BINGET", "GET"})
_TEXTS = frozenset({"BINUNICODE", "SHORT_BINUNICODE", "UNICODE", "GLOBAL"})


def storage_hints(pickle: bytes) -> Mapping[str, Hint]:
    """Hint by key of each storage; empty where the pickle is not one or says nothing."""
    import pickletools

    hints: dict[str, Hint] = {}
    memo: dict[object, str] = {}
    texts: list[str] = []
    try:
        for instruction, argument, _ in pickletools.genops(pickle[:PICKLE_MAX]):
            name = instruction.name
            if name == "MARK":
                texts = []
            elif name in _TEXTS:
                texts.append(str(argument))
            elif name in _GETS:
                texts.append(memo.get(argument, ""))
            elif name in _PUTS:
                memo[argument] = texts[-1] if texts else ""
            elif name == "MEMOIZE":
                memo[len(memo)] = texts[-1] if texts else ""
            elif name == "BINPERSID":
                hints |= _storage(texts)
    except (ValueError, IndexError, KeyError, UnicodeError):
        # A broken pickle tells what it told before it broke.
        pass
    return hints


def _storage(texts: list[str]) -> dict[str, Hint]:
    match texts:
        case ["storage", kind, key, *_] if kind in _HINTS:
            return {key: _HINTS[kind]}
        case _:
            return {}
