"""What must not be kept of a server's answers: passwords in URLs, signatures, tokens.

Verbatim answers are evidence and are redacted here before anything else sees them. Params and
tags as records are the person's own data and are carried as they are.
"""

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

REDACTED = "[redacted]"

_USER_IN_URL = re.compile(r"(?<=://)[^/?#\s\"'@]+@")
_SIGNED = re.compile(
    r"(?i)([?&;](?:sig|signature|x-amz-[a-z-]+|x-goog-[a-z-]+|awsaccesskeyid|googleaccessid|"
    r"access_token|token|api_?key|password|secret|code)=)[^&\s\"'#]+"
)
_SECRET_NAME = re.compile(
    r"(?i)passw(or)?d|passphrase|secret|credential|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"(^|[._-])(auth|access|api|bearer|refresh|sas|session)?[_-]?token$|authorization"
)


def redacted_text(text: str) -> str:
    """A text without the credentials of the URLs in it."""
    return _SIGNED.sub(rf"\1{REDACTED}", _USER_IN_URL.sub(f"{REDACTED}@", text))


def without_credentials(uri: str) -> str:
    """A URI without user, password and query, so that only the place is left."""
    parts = urlsplit(uri)
    if not parts.netloc:
        return redacted_text(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def redacted(value: Any) -> Any:  # noqa: ANN401  (any JSON value)
    """A JSON value with every secret in it replaced."""
    if isinstance(value, str):
        return redacted_text(value)
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    if isinstance(value, dict):
        named = value.get("key")
        return {
            str(name): REDACTED
            if item and (_is_secret(name) or (name == "value" and _is_secret(named)))
            else redacted(item)
            for name, item in value.items()
        }
    return value


def _is_secret(name: object) -> bool:
    return isinstance(name, str) and _SECRET_NAME.search(name) is not None
