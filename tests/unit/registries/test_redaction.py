"""Secrets in a server's answers do not reach a package; everything else does."""

import pytest

from mlarchive.registries.redaction import (
    REDACTED,
    first_words,
    redacted,
    redacted_text,
    secrets_among,
    without_credentials,
    without_values,
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
        "DB_PWD",
        "DB_PASS",
        "AZURE_STORAGE_CONNECTION_STRING",
        "accountKey",
        "pass",
    ],
)
def test_values_under_secret_names_are_replaced(name: str) -> None:
    assert redacted({name: "hunter2"}) == {name: REDACTED}
    assert redacted([{"key": name, "value": "hunter2"}]) == [{"key": name, "value": REDACTED}]


@pytest.mark.parametrize(
    "name", ["max_tokens", "tokenizer", "keyword", "run_id", "tokens_per_s", "PWD", "bypass"]
)
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


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("AccountName=a;AccountKey=SECRET==;X=1", f"AccountName=a;AccountKey={REDACTED}"),
        ("AccountKey=SECRET==", f"AccountKey={REDACTED}"),
        ("sig=SECRET&sv=1", f"sig={REDACTED}&sv=1"),
        ("sv=1&sig=SECRET", f"sv=1&sig={REDACTED}"),
        ("Endpoint=sb://b/;SharedAccessKey=SECRET", f"Endpoint=sb://b/;SharedAccessKey={REDACTED}"),
    ],
)
def test_keys_of_storage_accounts_are_replaced(text: str, left: str) -> None:
    assert redacted_text(text) == left


@pytest.mark.parametrize(
    "argument",
    [
        *("PASSWORD=", "--env=DB_PWD=", "-e API_KEY=", "--password=", "DB_PASS=", "-eTOKEN="),
        *("-eMODE=fast -eTOKEN=", "-e MODE=fast --env=DB_PASS="),
    ],
)
def test_secrets_among_a_program_s_arguments_are_replaced(argument: str) -> None:
    assert redacted(["-e", f"{argument}SECRET"]) == ["-e", f"{argument}{REDACTED}"]
    others = ["-e", "MODE=fast", "--shm-size=2g", "-eMODE=fast", "-eA=1 -eB=2"]
    assert redacted(others) == others


def test_a_location_is_only_the_place() -> None:
    assert without_credentials("https://ada:pw@h.example/a/b?sig=x#y") == "https://h.example/a/b"
    assert (
        without_credentials("mlflow-artifacts:/1/abc/artifacts")
        == "mlflow-artifacts:/1/abc/artifacts"
    )
    assert without_credentials("models:/m-123") == "models:/m-123"


def test_the_key_in_a_connection_string_is_replaced() -> None:
    text = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=KEY=="
    assert redacted_text(text) == text.replace("KEY==", REDACTED)
    text = "Endpoint=sb://b.example/;SharedAccessKeyName=root;SharedAccessKey=KEY="
    assert redacted_text(text) == text.replace("KEY=", REDACTED)


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--password", "hunter2", "--ipc=host"], ["--password", REDACTED, "--ipc=host"]),
        (["--registry-token", "-hunter2"], ["--registry-token", REDACTED]),
        (["--password hunter2", "x"], [f"--password {REDACTED}", "x"]),
        (["--password", "--ipc=host", "x"], ["--password", "--ipc=host", "x"]),
        (["--max-tokens", "4096", "--ipc", "host"], ["--max-tokens", "4096", "--ipc", "host"]),
    ],
)
def test_the_value_of_an_option_that_is_a_secret_is_replaced(
    arguments: list[str], left: list[str]
) -> None:
    assert redacted({"arguments": arguments}) == {"arguments": left}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("refused Bearer eyJ0eXAi.eyJhdWQi.c2ln now", f"refused Bearer {REDACTED} now"),
        ("Authorization: bearer 0paque-t0ken/x==.", f"Authorization: bearer {REDACTED}"),
        ("the token eyJ0eXAiOiJKV1Qi.eyJhdWQiOiIx", f"the token {REDACTED}"),
        ("a;AccountKey=abc+/0==;b", f"a;AccountKey={REDACTED}"),
        (f"no AccountKey={'k' * 9}", f"no AccountKey={REDACTED}"),
        ('{"access_token": "s3cret", "a": 1}', f'{{"access_token": "{REDACTED}", "a": 1}}'),
        ('{"primaryKey":"s3cret","b":1}', f'{{"primaryKey":"{REDACTED}","b":1}}'),
        (
            "secondary_master_key=s3cret; sasToken=s",
            f"secondary_master_key={REDACTED}; sasToken={REDACTED}",
        ),
        ('Bearer realm="x9", Bearer authentication', 'Bearer realm="x9", Bearer authentication'),
    ],
)
def test_a_message_repeats_no_token_and_no_key_of_the_request(said: str, told: str) -> None:
    assert first_words(said) == told


def test_a_message_repeats_no_secret_of_a_variable_whatever_stands_before_it() -> None:
    secrets = secrets_among({"AZURE_CLIENT_SECRET": "s3/cret", "AZURE_CLIENT_ID": "me", "X": ""})
    assert secrets == ("s3/cret",)
    said = "me: no s3/cret, nor s3%2Fcret"
    assert without_values(said, secrets) == f"me: no {REDACTED}, nor {REDACTED}"


def test_the_first_words_of_a_message_are_whole() -> None:
    url = "https://aka.ms/python/troubleshoot"
    assert first_words(f"see\n{url}") == f"see {url}"
    told = first_words(f"{'word ' * 118}{url} and more")
    assert told == f"{'word ' * 118}…"
    assert first_words("x" * 700) == f"{'x' * 600} …"


def test_a_password_in_the_name_of_an_image_is_replaced_and_a_digest_is_not() -> None:
    said = {"docker": {"baseImage": "u:hunter2@h/x@sha256:00"}, "image": "x:1@sha256:00"}
    kept = {"docker": {"baseImage": f"{REDACTED}@h/x@sha256:00"}, "image": "x:1@sha256:00"}
    assert redacted(said) == kept
    assert redacted(kept) == kept
