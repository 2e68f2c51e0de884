"""What must not be kept of a server's answers: passwords in URLs, signatures, tokens.

Verbatim answers are evidence and are redacted here before anything else sees them. Params and
tags as records are the person's own data and are carried as they are.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

import msgspec

REDACTED = "[redacted]"

_USER_IN_URL = re.compile(r"(?<=://)[^/?#\s\"'@]+@")
_SIGNED = re.compile(
    r"(?i)((?:(?:[?&;]|^)(?:sig|accountkey|sharedaccesskey|sharedaccesssignature)|"
    r"[?&;](?:signature|x-amz-[a-z-]+|x-goog-[a-z-]+|awsaccesskeyid|googleaccessid|"
    r"access_token|token|api_?key|password|secret|code))=)"
    r"[^&\s\"'#]+"
)
_SECRET_NAME = re.compile(
    r"(?i)passw(or)?d|passphrase|secret|credential|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"account[_-]?key|connection[_-]?string|"
    r"(^|[._-])(auth|access|api|bearer|refresh|sas|session)?[_-]?token$|authorization|"
    r"[._-]pwd$|(^|[._-])pass$"
)
_ARGUMENT = re.compile(r"(?s)((?:--?\w[\w-]*[ =])?([\w.-]+)=).+")
"""`NAME=VALUE` in a list, as programs are given variables: `-e`, `--env=`."""

_FURTHER = re.compile(r"(\s(?:--?\w[\w-]*=)?([\w.-]+)=)\S+")
"""Another one behind the first of an item."""

_JOINED = re.compile(r"-\w")

_OPTION = re.compile(r"(--?[\w.-]+)(?:(\s+)\S.*)?", re.DOTALL)
"""An option of a program in a list; its value is the next item, or the rest of the same."""

_IMAGE_NAME = re.compile(r"(?i)image$")
"""A member that names a container's image, such as `baseImage`."""

_DIGEST = re.compile(r"@(?:sha\d+:[0-9a-fA-F]+|[\w+.-]+:[0-9a-fA-F]{32,})$")
"""The end of an image's name that says which one it is, and no host."""

_SENT = re.compile(
    r"(?i)(\b(?:bearer|basic)\s+)(?=[\w.~+/-]*\d)[\w.~+/=-]{8,}"
    r"|\b()eyJ[\w-]{8,}[\w.-]*"
    r"|(\b(?:account_?key|shared_?access_?(?:key|signature)|client_?secret|access_?token|"
    r"refresh_?token|sas_?token|api_?key|(?:primary|secondary)_?(?:master_?)?key|password)(?:=|\\?[\"']\s*:\s*\\?[\"']))[^\s\"'\\&;,]+"
)
"""What a server that repeats a request says of it: a token after its scheme or alone, a key."""

_BEGINS_DOCUMENT = {"{", "["}

_LONGEST_WORDS = 600


def redacted_text(text: str) -> str:
    """A text without the credentials of the URLs in it."""
    return _SIGNED.sub(rf"\1{REDACTED}", _USER_IN_URL.sub(f"{REDACTED}@", text))


def redacted_image(name: str) -> str:
    """An image's name without user and password, which need no scheme before them."""
    digest = _DIGEST.search(name)
    end = digest.start() if digest else len(name)
    scheme, found, place = name[:end].rpartition("://")
    user, at, host = place.rpartition("@")
    if at and ("/" in host or (":" in user and "/" not in user)):
        place = f"{REDACTED}@{host}"
    return redacted_text(f"{scheme}{found}{place}{name[end:]}")


def image_without_user(name: str) -> str:
    """An image's name as it is kept: only the place, the tag and the digest."""
    return redacted_image(name).replace(f"{REDACTED}@", "")


def first_words(text: str) -> str:
    """The beginning of a message, on one line, without secrets and with no word cut."""
    line = _SENT.sub(_redacted_sent, redacted_text(" ".join(text.split())))
    if len(line) <= _LONGEST_WORDS:
        return line
    return f"{line[: _LONGEST_WORDS + 1].rpartition(' ')[0] or line[:_LONGEST_WORDS]} …"


def secrets_among(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables whose names say that they are secret, the longest first."""
    found = {value for name, value in variables.items() if value and _is_secret(name)}
    return tuple(sorted(found, key=len, reverse=True))


def without_values(text: str, secrets: Iterable[str]) -> str:
    """A text without some secrets, as they are or percent-encoded."""
    for secret in secrets:
        for spelled in (secret, quote(secret, safe=""), quote_plus(secret)):
            text = text.replace(spelled, REDACTED)
    return text


def _redacted_sent(found: re.Match[str]) -> str:
    return f"{found[1] or found[3] or ''}{REDACTED}"


def without_credentials(uri: str) -> str:
    """A URI without user, password and query, so that only the place is left."""
    parts = urlsplit(uri)
    if not parts.netloc:
        return redacted_text(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def redacted(value: Any) -> Any:  # noqa: ANN401  (any JSON value)
    """A JSON value with every secret in it replaced."""
    if isinstance(value, str):
        return _redacted_document(value) or redacted_text(value)
    if isinstance(value, list | tuple):
        return list(_redacted_items(value))
    if isinstance(value, dict):
        named = value.get("key")
        return {
            str(name): REDACTED
            if item and (_is_secret(name) or (name == "value" and _is_secret(named)))
            else _redacted_member(str(name), item)
            for name, item in value.items()
        }
    return value


def _redacted_member(name: str, item: Any) -> Any:  # noqa: ANN401  (any JSON value)
    if isinstance(item, str) and _IMAGE_NAME.search(name):
        return redacted_image(item)
    return redacted(item)


def _redacted_document(text: str) -> str:
    """A text that is a JSON document with a secret in it, without that; "" for any other."""
    if text[:1] in _BEGINS_DOCUMENT:
        with contextlib.suppress(msgspec.DecodeError, RecursionError):
            value = msgspec.json.decode(text)
            shown = redacted(value)
            if shown != value:
                return msgspec.json.encode(shown).decode()
    return ""


def _redacted_items(items: Iterable[Any]) -> Iterator[Any]:
    is_value = False
    for item in items:
        option = _OPTION.fullmatch(item) if isinstance(item, str) else None
        names_secret = option is not None and _is_secret(option[1])
        if is_value and item and not str(item).startswith("--"):
            yield REDACTED
        elif option and names_secret and option[2]:
            yield f"{option[1]}{option[2]}{REDACTED}"
        else:
            yield _redacted_item(item)
        is_value = names_secret and option is not None and not option[2]


def _redacted_item(item: Any) -> Any:  # noqa: ANN401  (any JSON value)
    argument = _ARGUMENT.fullmatch(item) if isinstance(item, str) else None
    if argument and _names_secret(argument[2]):
        return f"{argument[1]}{REDACTED}"
    return redacted(_FURTHER.sub(_redacted_further, item) if argument else item)


def _redacted_further(found: re.Match[str]) -> str:
    return f"{found[1]}{REDACTED}" if _names_secret(found[2]) else found[0]


def _names_secret(name: str) -> bool:
    """Whether a variable is a secret, also one that is joined to its option: `-eNAME`."""
    return _is_secret(name) or (_JOINED.match(name) is not None and _is_secret(name[2:]))


def _is_secret(name: object) -> bool:
    return isinstance(name, str) and _SECRET_NAME.search(name) is not None
