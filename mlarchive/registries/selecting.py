"""What stands after `#` in a locator: which objects of a registry are meant.

Keeps the `object` rule of `spec/locators.md`: `KIND/NAME[/VERSION | @ALIAS][//PATH]`, parts
percent-encoded. Must not know what registries there are; `locator` does.
"""

import difflib
import functools
import re
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

from mlarchive.errors import LocatorError
from mlarchive.records import Address
from mlarchive.registries.base import Selector

KINDS = (
    "models",
    "runs",
    "experiments",
    "folders",
    "logged-models",
    "registered-models",
    "environments",
    "prompts",
    "evaluation-datasets",
    "scorers",
    "webhooks",
    "other-objects",
    "traces",
    "notebooks",
    "fields",
)
"""All kinds of object that a locator can name."""

WITH_VERSIONS = frozenset({"models", "prompts", "environments"})
"""The kinds whose objects have versions, and aliases for these."""

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WILD = re.compile(r"([*?])")
_PREFIX: dict[str, Literal["id", "name"]] = {"id:": "id", "name:": "name"}


def parse_object(text: str) -> Selector:
    """What an object text selects.

    Raises:
        LocatorError: The text does not follow the grammar.
    """
    if not text:
        raise LocatorError(
            "nothing stands after the # of the locator",
            hint="name an object, such as #models/wine/3, or leave the # out",
        )
    subject, cut, inside = text.partition("//")
    path = _decode_path(inside) if cut else ""
    if not subject:
        return Selector(path=path)
    kind, *parts = subject.split("/")
    _check_kind(kind)
    if len(parts) == 3 and parts[1] == "labels":  # noqa: PLR2004  (NAME/labels/LABEL)
        raise LocatorError(
            f"{text!r} names a label as no locator does",
            hint=f"write {kind}/{parts[0]}@{parts[2]} for the version that it points at",
        )
    if len(parts) > 2:  # noqa: PLR2004  (a name and a version)
        raise LocatorError(
            f"{text!r} has more parts than KIND/NAME/VERSION",
            hint="write %2F for a / in a name, and // before a path inside the object",
        )
    if not parts:
        return Selector(kind=kind, path=path)
    return _parse_named(kind, parts, path)


def format_object(selector: Selector) -> str:
    """The canonical text of a selector; `parse_object` gives the selector back."""
    text = selector.kind
    if selector.name:
        prefix = f"{selector.named}:" if selector.named else ""
        text += f"/{prefix}{quote(selector.name, safe='*?' if selector.pattern else '')}"
    if selector.version:
        text += f"/{quote(selector.version, safe='')}"
    if selector.alias:
        text += f"@{quote(selector.alias, safe='')}"
    if selector.path:
        text += f"//{quote(selector.path, safe='/')}"
    return text


def matches(selector: Selector, name: str) -> bool:
    """Whether a name is meant: `*` stands for any characters, `?` for one, case counts."""
    if not selector.name:
        return True
    if not selector.pattern:
        return name == selector.name
    return selector.name == "*" or _compiled(selector.name).fullmatch(name) is not None


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    parts = _WILD.split(pattern)
    return re.compile("".join(wild.get(part) or re.escape(part) for part in parts), re.DOTALL)


def selects(selector: Selector, address: Address) -> bool:
    """Whether an address is meant, as far as kind, name and version say it (not the alias)."""
    return (
        selector.kind in {"", address.kind}
        and matches(selector, address.name)
        and selector.version in {"", address.version}
    )


def is_exact(selector: Selector) -> bool:
    """Whether a selector can mean one object only."""
    if selector.pattern or not selector.name:
        return False
    return selector.kind not in WITH_VERSIONS or bool(selector.version or selector.alias)


def _parse_named(kind: str, parts: list[str], path: str) -> Selector:
    name, at, alias = parts[0].partition("@")
    if at and len(parts) > 1:
        raise LocatorError(
            f"{'/'.join(parts)!r} gives both an alias and a version", hint="leave one of them out"
        )
    if at and kind not in WITH_VERSIONS:
        raise LocatorError(
            f"only models, prompts and environments have aliases, not {kind}",
            hint="write %40 for an @ in a name",
        )
    prefix = next((prefix for prefix in _PREFIX if name.startswith(prefix)), "")
    raw = name.removeprefix(prefix)
    pattern = _WILD.search(raw) is not None
    if pattern and re.search("%2A|%3F", raw, re.IGNORECASE):
        raise LocatorError(
            f"the pattern {raw!r} also has a * or ? that stands for itself",
            hint="name such objects one by one, with %2A and %3F",
        )
    return Selector(
        kind=kind,
        name=_decode(raw, "name"),
        version=_decode_version(parts[1]) if len(parts) > 1 else "",
        alias=_decode(alias, "alias") if at else "",
        pattern=pattern,
        named=_PREFIX.get(prefix, ""),
        path=path,
    )


def _decode_version(text: str) -> str:
    if text == "*":
        return ""
    if _WILD.search(text):
        raise LocatorError(
            f"the version {text!r} is a pattern", hint="only names can be patterns; * means all"
        )
    if "@" in text:
        raise LocatorError(
            f"the version {text!r} holds an @", hint="an alias follows the name: NAME@ALIAS"
        )
    return _decode(text, "version")


def _decode_path(text: str) -> str:
    parts = [_decode(part, "path") for part in text.removesuffix("/").split("/")]
    if any(part in {".", ".."} or "/" in part for part in parts):
        raise LocatorError(
            f"the path {text!r} has a part that no file name can be",
            hint="write it without . or ..",
        )
    return "/".join(parts)


def _decode(text: str, what: str) -> str:
    if not text:
        raise LocatorError(
            f"the locator has an empty {what}",
            hint="write KIND/NAME/VERSION, such as models/wine/3",
        )
    if _BAD_ESCAPE.search(text):
        raise LocatorError(
            f"the {what} {text!r} has a % without two hexadecimal digits after it",
            hint="write %25 for a %",
        )
    if "@" in text and what in {"name", "alias"}:
        raise LocatorError(f"the {what} {text!r} holds an @", hint="write %40 for it")
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeError as error:
        raise LocatorError(f"the {what} {text!r} is not UTF-8") from error
    if _CONTROL.search(decoded):
        raise LocatorError(f"the {what} {text!r} holds a control character")
    return decoded


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        raise LocatorError(
            f"{kind!r} is no kind of object",
            hint=f"did you mean {near[0]!r}?" if near else f"kinds are {', '.join(KINDS)}",
        )
