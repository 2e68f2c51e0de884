"""A secret that stands in an environment is left out, and what is left out is named."""

from mlarchive.records import Environment
from mlarchive.registries.azureml.withholding import without_secrets


def test_secrets_of_an_environment_are_left_out_by_name_and_nothing_else_is() -> None:
    kept, left_out = without_secrets(
        Environment(
            key="e",
            image="https://robot:hunter2@registry.example/gpu:7",
            description="from https://robot:hunter2@registry.example",
            inference='{"password":"hunter2"}',
            tags={"registry_password": "hunter2", "team": "lab"},
            properties={"docker": '{"baseImageRegistry": {"password": "hunter2"}}', "p": "[q]"},
        )
    )
    assert kept == Environment(
        key="e",
        image="https://registry.example/gpu:7",
        description="from https://[redacted]@registry.example",
        tags={"team": "lab"},
        properties={"p": "[q]"},
    )
    assert left_out == (
        "user and password in the image's name",
        "credentials in the description",
        "inference config",
        "tag registry_password",
        "property docker",
    )


def test_an_environment_without_secrets_is_kept_as_it_is() -> None:
    plain = Environment(
        key="e",
        image="registry.example/gpu@sha256:00",
        description='{"no": "secret"}',
        inference='{"livenessRoute":{"path":"/","port":5001}}',
        tags={"by": "hand", "password_hint": ""},
        properties={"n": "1"},
    )
    assert without_secrets(plain) == (plain, ())
