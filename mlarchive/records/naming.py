"""What objects are called, and what could not be carried."""

import re

from msgspec import Struct

_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch
"""What stands for itself in a locator; most names do, and a mirror spells them by the thousand."""


class Address(
    Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, forbid_unknown_fields=True
):
    """What an object is called: where, what kind, which name, which version.

    Neither content nor state: the same model under another name is the same content.

    Attributes:
        origin: The registry's own name (a name given in the configuration, else its locator).
        kind: `models`, `runs`, `experiments`, `folders`, `prompts` and others of `locators.md`.
        name: The name, or the id for kinds that have no name.
        version: As the source spells it; "" where the kind has none.
    """

    origin: str
    kind: str
    name: str
    version: str = ""

    def __str__(self) -> str:
        """Origin and object as a locator writes them: `ORIGIN#KIND/NAME/VERSION`."""
        inside = filter(None, (self.kind, _quoted(self.name), _quoted(self.version)))
        return f"{self.origin}#{'/'.join(inside)}"


def _quoted(part: str) -> str:
    if _PLAIN(part):
        return part
    from urllib.parse import quote

    return quote(part, safe="")


class Loss(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something that could not be carried, or not be carried unchanged.

    Attributes:
        record: Which record, as a person would name it ("run 1f3a…", "models/wine/3").
        field: Which field, file or part of it.
        why: One sentence.
    """

    record: str
    field: str
    why: str
