"""Secrets in a server's answers do not reach a package; everything else does."""

import pytest

from mlarchive.registries.mlflow.redaction import (
    REDACTED,
    redacted,
    redacted_text,
    without_credentials,
)


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_passwd",
        "API_KEY",
        "aws_secret_access_key",
        "token",
        "access_token",
        "sas-token",
    ],
)
def test_values_under_secret_names_are_replaced(name: str) -> None:
    assert redacted({name: "hunter2"}) == {name: REDACTED}
    assert redacted([{"key": name, "value": "hunter2"}]) == [{"key": name, "value": REDACTED}]


@pytest.mark.parametrize("name", ["max_tokens", "tokenizer", "keyword", "run_id", "tokens_per_s"])
def test_values_under_other_names_stay(name: str) -> None:
    assert redacted({name: "4096"}) == {name: "4096"}


def test_a_password_in_a_url_is_replaced() -> None:
    assert (
        redacted_text("see https://ada:hunter2@example.org/x")
        == f"see https://{REDACTED}@example.org/x"
    )


def test_a_signature_in_a_url_is_replaced() -> None:
    url = "https://store.example/c/b?sv=2024&sig=abc%2Fdef&se=2026 and more"

    assert (
        redacted_text(url) == f"https://store.example/c/b?sv=2024&sig={REDACTED}&se=2026 and more"
    )


def test_a_location_is_only_the_place() -> None:
    assert without_credentials("https://ada:pw@h.example/a/b?sig=x#y") == "https://h.example/a/b"
    assert (
        without_credentials("mlflow-artifacts:/1/abc/artifacts")
        == "mlflow-artifacts:/1/abc/artifacts"
    )
    assert without_credentials("models:/m-123") == "models:/m-123"
