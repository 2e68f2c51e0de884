"""What a source says of an object's labels and what people said at the target, in one.

What the source said last is remembered (`given`): so what people changed, added or took away is
known, and stays until the source says something else.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from mlarchive.records import Tags
from mlarchive.registries.mlflow.given import Given, digest, merged

Whose: TypeAlias = Literal["theirs", "nobody's", "there", "home"]
"""Who said what the source did not say last: people, nobody knows, or it was there before.

At `home` it was there before, and what it said when it was copied from there is known.
"""

_STAYS: Mapping[Whose, str] = {
    "theirs": "the source does not say it; it stays",
    "nobody's": "it stays; whether the source said it is not known",
    "there": "it was there before, and stays",
    "home": "it was there before, and stays",
}
REPLACED: Mapping[Whose, str] = {
    "theirs": "the source's news replaces what people at the target said",
    "nobody's": "the source's word replaces what nobody knows who said",
    "there": "the source's word replaces what was there before",
    "home": "the source's word replaces what was said here since it was copied from here",
}
_LEFT: Mapping[Whose, str] = {
    "theirs": "people at the target changed it, and theirs stays",
    "nobody's": "people at the target changed it, and theirs stays",
    "there": "people at the target changed it, and theirs stays",
    "home": "it was changed here since it was copied from here, and stays",
}
_SET = "the source says it; whether people at the target took it away is not known"


class LabelMerging:
    """Settles label by label, and remembers what it changed and lost, and what people said.

    Attributes:
        before: What the source said last.
        whose: Who said what it did not say.
        changed: Which labels are to be others than those that are there, as a person knows them.
        lost: What is not to be as the source says it, and why.
        told: Which are as they were said at the target, or are so no longer, and why.
    """

    def __init__(self, before: Given, *, insists: bool, whose: Whose, stays: bool = False) -> None:
        """Nothing is settled yet.

        Args:
            before: What the source said last.
            insists: Whether its word counts where it and people have changed the same.
            whose: Who said what it did not say.
            stays: Whether what it said before stays.
        """
        self.before = before
        self.whose = whose
        self._insists = insists
        self._stays = stays
        self.changed: list[str] = []
        self.lost: list[tuple[str, str]] = []
        self.told: list[tuple[str, str]] = []

    def text(self, label: Literal["description", "stage", "name"], held: str, wanted: str) -> str:
        """What a text is to be; "" for none."""
        known = self.before.of_text(label)
        return self.settled(label, held or None, wanted or None, known) or ""

    def tags(self, held: Mapping[str, str], wanted: Tags) -> Tags:
        """What all tags are to be."""
        settled = {
            name: self.settled(
                f"tag {name}", held.get(name), wanted.get(name), self.before.of_tag(name)
            )
            for name in sorted(held.keys() | wanted.keys())
        }
        return {name: value for name, value in settled.items() if value is not None}

    def settled(
        self, label: str, held: str | None, wanted: str | None, known: frozenset[str]
    ) -> str | None:
        """What a label is to be; None for nothing.

        Args:
            label: As a person knows it.
            held: What is there.
            wanted: What the source says.
            known: Digests of what it said before.
        """
        if held == wanted:
            return held
        value = wanted
        if wanted is None:
            # At home it may be missing because it could not be held elsewhere.
            may_go = not self._stays and self.whose != "home"
            goes = held is not None and digest(held) in known and may_go
            value = None if goes else held
            if value is not None:
                self.tell(label, _STAYS[self.whose])
        else:
            verdict = merged(held, wanted, known)
            if verdict == "lose" and not self._insists:
                why = "it was changed at the target as well, which stays"
                self.lost.append((label, why))
            if verdict == "leave" or (verdict == "lose" and not self._insists):
                value = held
            elif verdict == "lose":
                self.tell(label, REPLACED[self.whose])
            if verdict == "leave":
                self.tell(label, _LEFT[self.whose])
            if verdict == "write" and held is None and self.whose == "nobody's":
                self.tell(label, _SET)
        if value != held:
            self.changed.append(label)
        return value

    def tell(self, label: str, why: str) -> None:
        """List what people said at the target."""
        self.told.append((label, why))
