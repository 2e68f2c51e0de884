"""How long a control plane may ask to be left alone.

azure-core obeys whatever `Retry-After` says, be it days, and in silence. Only the process of a
cloud imports this.
"""

import email.utils
import math
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from azure.core.pipeline import PipelineResponse

from mlarchive.errors import UnavailableError

_LONGEST_PAUSE_SECONDS = 60.0
_LONGEST_BUSY_SECONDS = 180.0
_CENTURY_SECONDS = 100 * 365.25 * 86400
_HEADERS = (("Retry-After", 1), ("retry-after-ms", 1000), ("x-ms-retry-after-ms", 1000))
"""Those that azure-core reads, and how many of their units are a second."""


def shorten_login(response: PipelineResponse[Any, Any]) -> None:
    """Make an answer to a login ask for no longer pause than anybody would wait for.

    Nothing is raised, which azure-identity would take for credentials that are refused.
    """
    headers = response.http_response.headers
    for name, share in _HEADERS:
        if name in headers:
            headers[name] = _kept(_seconds(headers[name]) / share, share)


def shorten(response: PipelineResponse[Any, Any]) -> None:
    """Make an answer ask for no longer pause than anybody would wait for.

    A pause that cannot be read is none.

    Raises:
        UnavailableError: What it refuses it refuses for so long that trying again is of no use.
    """
    answer = response.http_response
    headers = answer.headers
    for name, share in _HEADERS:
        if name not in headers:
            continue
        asked = _seconds(headers[name]) / share
        if answer.status_code >= HTTPStatus.BAD_REQUEST and asked > _LONGEST_BUSY_SECONDS:
            until = datetime.now(UTC) + timedelta(seconds=min(asked, _CENTURY_SECONDS))
            raise UnavailableError(
                f"it answers {answer.status_code}, and is busy until {until:%Y-%m-%d %H:%M} UTC",
                hint="run the same command again then",
            )
        headers[name] = _kept(asked, share)


def _kept(asked: float, share: int) -> str:
    """What is kept of a pause, as its header says it."""
    return str(math.ceil(min(asked, _LONGEST_PAUSE_SECONDS) * share))


def _seconds(said: str) -> float:
    """A number, or a date as the seconds until then; 0 for anything else, and for what is past."""
    try:
        number = float(said)
    except ValueError:
        pass
    else:
        return 0.0 if math.isnan(number) else max(0.0, number)
    try:
        date = email.utils.parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    return max(0.0, date.timestamp() - datetime.now(UTC).timestamp())
