"""Whether anybody listens at an address: the client would ask a silent one for a minute."""

import requests
import urllib3.exceptions

from mlarchive.errors import UnavailableError

_SOON = 10.0
"""Seconds in which an address should take a connection."""


def knock(place: str) -> None:
    """See that somebody listens; what else may be wrong, the client says.

    Args:
        place: The address, without user and password.

    Raises:
        UnavailableError: Nobody listens.
    """
    try:
        requests.head(place, timeout=_SOON, allow_redirects=False).close()
    except requests.RequestException as error:
        reason = getattr(error.args[0], "reason", None) if error.args else None
        if not isinstance(reason, _NOBODY) or isinstance(reason, _NO_NAME):
            return
        refused = "Connection refused" in str(reason)
        what = "nothing listens there" if refused else "it takes no connection"
        raise UnavailableError(
            f"{place} does not answer: {what}",
            hint="check that the server runs and the address in NEPTUNE_API_TOKEN is right",
        ) from error


_NOBODY = urllib3.exceptions.ConnectTimeoutError  # also that a connection is refused
_NO_NAME = urllib3.exceptions.NameResolutionError
