"""What a server of an earlier version says to a request that it does not know."""

import io

import pytest
import requests
from mlflow.exceptions import MlflowException, RestException
from mlflow.utils.rest_utils import verify_rest_response

from mlarchive.errors import AccessError, MlarchiveError, NotFoundError, UnavailableError
from mlarchive.registries.mlflow.failures import explained, from_status, lacks_endpoint, speaking

_SEARCH = "API request to endpoint /api/3.0/mlflow/datasets/search failed with error code"


@pytest.mark.parametrize(
    ("error", "lacks"),
    [
        (MlflowException(f"{_SEARCH} 404 != 200. Response body: '<!doctype html>'"), True),
        (MlflowException(f"{_SEARCH} 405 != 200. Response body: ''"), True),
        (RestException({"error_code": "ENDPOINT_NOT_FOUND", "message": "No API found."}), True),
        (RestException({"error_code": "FEATURE_DISABLED", "message": "Needs SQL."}), True),
        (RestException({"detail": "Not Found"}), True),
        (NotImplementedError("FileStore"), True),
        (RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No such."}), False),
        (MlflowException(f"{_SEARCH} 502 != 200. Response body: 'bad gateway'"), False),
        (MlflowException("failed with error code 404"), False),
        (ConnectionError("refused"), False),
    ],
)
def test_only_an_unknown_request_says_that_there_is_no_such_thing(
    error: Exception,
    lacks: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    assert lacks_endpoint(error) is lacks


def test_who_is_not_let_in_is_told_what_counts_there() -> None:
    workspace = "https://e.x/mlflow/v2.0/subscriptions/s/resourceGroups/g/providers/"
    workspace += "Microsoft.MachineLearningServices/workspaces/lab"
    for status, place, says in (
        (401, "http://m:5000", "set MLFLOW_"),
        (403, "http://m:5000", "this user may not: ask whoever runs the server"),
        (403, workspace, "give the principal that"),
    ):
        assert from_status(status, "no", place).hint.startswith(says)
    other_host = from_status(403, "Response body: 'Invalid Host header - …'", "http://vm:5000")
    assert "--allowed-hosts" in other_host.hint
    assert "MLFLOW_TRACKING" not in other_host.hint


@pytest.mark.parametrize("status", [404, 501])
def test_what_is_no_mlflow_server_is_said_without_its_page(status: int) -> None:
    page = "<!DOCTYPE HTML>\n<html><head><title>Error response</title></head></html>"
    error = MlflowException(f"{_SEARCH} {status} != 200. Response body: '{page}'")
    told = explained(error, "http://here")
    assert told.message == "http://here does not answer as an MLflow server does"
    assert not told.retryable


def test_a_page_for_browsers_is_not_quoted() -> None:
    error = MlflowException(f"{_SEARCH} 502 != 200. Response body: '<html><b>Bad</b></html>'")
    told = explained(error, "http://here")
    assert told.message.endswith("502 != 200. (with a page for browsers)")
    assert told.retryable


def test_a_run_that_azure_ml_does_not_have_is_not_found() -> None:
    answer = requests.Response()
    answer.status_code = 404
    answer.raw = io.BytesIO(b'{"error": {"code": "UserError", "message": "no such run"}}')
    with pytest.raises(NotFoundError, match="answers 404"), speaking("http://here"):
        verify_rest_response(answer, "/api/2.0/mlflow/runs/get")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AccessError), (403, AccessError), (429, UnavailableError), (503, UnavailableError)],
)
@pytest.mark.parametrize("body", [b'{"error":"no"}', b'{"error_code":"GATE","message":"no"}'])
def test_what_a_proxy_answers_in_json_of_its_own_is_told_by_its_status(
    status: int, kind: type[MlarchiveError], body: bytes
) -> None:
    answer = requests.Response()
    answer.status_code, answer.raw = status, io.BytesIO(body)
    with pytest.raises(kind, match=f"http://here answers {status}: .*no"), speaking("http://here"):
        verify_rest_response(answer, "/api/2.0/mlflow/experiments/search")
