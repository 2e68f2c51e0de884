"""What objects are called at a mirror's targets."""

import re

from msgspec import Struct

from mlarchive.records import Address
from mlarchive.registries.selecting import WITH_VERSIONS

_WILD = re.compile(r"([*?])")
_PLACE = re.compile(r"\{([^{}]*)\}")
_BRACE = re.compile(r"[{}]")


class Rule(Struct, frozen=True, kw_only=True):
    """What names like a pattern become.

    Attributes:
        pattern: `*` and `?` match any characters.
        template: With `{name}`, and `{1}` for what the first of them stands for.
    """

    pattern: str
    template: str

    def wrong(self) -> str:
        """What is wrong with the template; "" if nothing is."""
        stars = len(_WILD.findall(self.pattern))
        for place in _PLACE.findall(self.template):
            if place == "name" or (place.isdecimal() and 1 <= int(place) <= stars):
                continue
            known = ", ".join(["{name}", *(f"{{{n}}}" for n in range(1, stars + 1))])
            return f"{{{place}}} stands for nothing; known are {known}"
        if _BRACE.search(_PLACE.sub("", self.template)):
            return "a brace stands alone; write {name}"
        return ""

    def named(self, name: str) -> str:
        """What a name becomes; "" if it is not like the pattern."""
        wild = {"*": "(.*)", "?": "(.)"}
        parts = _WILD.split(self.pattern)
        expression = "".join(wild.get(part) or re.escape(part) for part in parts)
        found = re.fullmatch(expression, name, re.DOTALL)
        if not found:
            return ""
        values = {"name": name} | {str(n): text for n, text in enumerate(found.groups(), 1)}
        return _PLACE.sub(lambda place: values[place[1]], self.template)


def renamed(rules: tuple[Rule, ...], address: Address) -> str:
    """What an object is called at the targets; "" if it keeps its name."""
    if address.kind not in WITH_VERSIONS | {"registered-models"}:
        return ""
    return next((new for rule in rules if (new := rule.named(address.name))), "")
