"""No pause that a server asks for is longer than anybody waits."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from azure.core.pipeline import Pipeline
from azure.core.pipeline.policies import CustomHookPolicy, RetryPolicy
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpRequest

from mlarchive.errors import UnavailableError
from mlarchive.registries.azureml.pausing import shorten


class Answer:
    """What a server says."""

    reason = ""
    content_type = ""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status_code = status
        self.headers = headers


class Server(HttpTransport[Any, Any]):
    """Is busy once; notes how long it is left alone."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self._answers = [Answer(200, {}), Answer(status, headers)]
        self.slept: list[float] = []

    def sleep(self, duration: float) -> None:
        self.slept.append(duration)

    def send(self, request: Any, **_: Any) -> Any:  # noqa: ANN401  (the client's own)
        del request
        return self._answers.pop()

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def asked(status: int, **headers: str) -> list[float]:
    """How long azure-core waits."""
    server = Server(status, {name.replace("_", "-"): said for name, said in headers.items()})
    pipeline: Any = Pipeline(server, [RetryPolicy(), CustomHookPolicy(raw_response_hook=shorten)])
    pipeline.run(HttpRequest("GET", "https://a/b"))
    return server.slept


def in_seconds(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def test_a_pause_is_kept_up_to_a_minute() -> None:
    assert asked(429, Retry_After="7") == [7]
    assert asked(429, x_ms_retry_after_ms="50") == [0.05]
    assert asked(503, Retry_After="100") == [60]
    assert asked(503, Retry_After=in_seconds(100)) == [60]
    assert asked(503, retry_after_ms="100000") == [60]
    # What nobody can read, or is past, is no pause.
    for said in ("soon", "nan", "-5", in_seconds(-100)):
        assert asked(503, Retry_After=said) == []


@pytest.mark.parametrize("said", ["100000", "inf", "1e300", "a date"])
def test_what_is_busy_for_longer_says_until_when(said: str) -> None:
    said = in_seconds(100000) if said == "a date" else said
    with pytest.raises(UnavailableError, match=r"it answers 429, and is busy until 2\d\d\d-"):
        asked(429, Retry_After=said)


def test_what_goes_on_is_asked_how_far_it_is_each_minute() -> None:
    going = Answer(202, {"Retry-After": "100000"})
    response: Any = type("Response", (), {"http_response": going})
    shorten(response)
    assert going.headers == {"Retry-After": "60"}
