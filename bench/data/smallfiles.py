"""Many small text files of several kinds, in folders: what comes with experiments and datasets.

Sizes are log-normal around a median of 1 KiB. Words follow Zipf's law and numbers are random, so
that the text is compressed to about a quarter by `tar | zstd -3`, as real text of this kind is.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

SEED = 20260306
MEDIAN = 1024
SPREAD = 1.0
MOST = 256 << 10
A_FOLDER = 250
"""Files in one folder."""

_LETTERS = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
_WORDS = 3000


class Text:
    """Words and numbers without end, from a seed.

    Args:
        rng: Where they come from.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        lengths = rng.integers(2, 11, _WORDS)
        common = 1 / np.arange(1, len(_LETTERS) + 1)
        letters = rng.choice(_LETTERS, int(lengths.sum()), p=common / common.sum()).tolist()
        ends = np.cumsum(lengths).tolist()
        self._all = [
            "".join(letters[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)
        ]
        odds = np.arange(2, _WORDS + 2) ** -1.3
        self._odds = np.cumsum(odds / odds.sum())
        self._words = self._stream()
        self._numbers = self._digits()

    def words(self, count: int) -> list[str]:
        """So many words."""
        return [next(self._words) for _ in range(count)]

    def number(self) -> int:
        """A number below a million."""
        return next(self._numbers)

    def _stream(self) -> Iterator[str]:
        while True:
            chosen = np.searchsorted(self._odds, self._rng.random(1 << 14))
            for number in chosen.tolist():
                yield self._all[min(number, _WORDS - 1)]

    def _digits(self) -> Iterator[int]:
        while True:
            yield from self._rng.integers(0, 1_000_000, 1 << 14).tolist()


def _json(text: Text) -> str:
    key, name, value = text.words(3)
    number = text.number()
    return f'    {{"{key}": "{name} {value}", "step": {number % 1000}, "loss": 0.{number:06}}},\n'


def _csv(text: Text) -> str:
    number, (label,) = text.number(), text.words(1)
    return f"{number % 5000},{number / 1e6:.3f},{label},train,0,cpu\n"


def _python(text: Text) -> str:
    name, source, call, key = text.words(4)
    if text.number() % 4:
        return f"    {name} = self.{source}.{call}({key}={name})\n"
    return f"\n    def {name}_{call}(self, {key}: int) -> None:\n        return None\n"


def _markdown(text: Text) -> str:
    return " ".join(text.words(14)) + ".\n"


_KINDS: dict[str, Callable[[Text], str]] = {
    ".json": _json,
    ".csv": _csv,
    ".py": _python,
    ".md": _markdown,
    ".txt": _markdown,
}


def make(folder: Path, count: int) -> None:
    """Write so many files below a new folder."""
    rng = np.random.default_rng(SEED)
    text = Text(rng)
    sizes = np.minimum(MEDIAN * np.exp(SPREAD * rng.standard_normal(count)), MOST).astype(int)
    kinds = rng.choice(list(_KINDS), count, p=[0.4, 0.25, 0.15, 0.1, 0.1]).tolist()
    for number, (size, suffix) in enumerate(zip(sizes.tolist(), kinds, strict=True)):
        parent = folder / f"part-{number // (A_FOLDER * 20):02}" / f"run-{number // A_FOLDER:04}"
        if number % A_FOLDER == 0:
            parent.mkdir(parents=True)
        path = parent / f"{text.words(1)[0]}-{number:06}{suffix}"
        path.write_text(of_size(_KINDS[suffix], text, size), encoding="utf-8")


def of_size(line: Callable[[Text], str], text: Text, size: int) -> str:
    """Lines, cut where they have so many characters."""
    lines: list[str] = []
    length = 0
    while length < size:
        lines.append(line(text))
        length += len(lines[-1])
    return "".join(lines)[:size]
