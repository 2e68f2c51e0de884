"""A secret that stands in an environment is left out, and what is left out is named."""

import pytest

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


@pytest.mark.parametrize(
    ("image", "kept"),
    [
        ("robot:hunter2@reg.example/x:1", "reg.example/x:1"),
        ("robot:hunter2@reg.example:5000/x@sha256:00ff", "reg.example:5000/x@sha256:00ff"),
        ("robot:hun/t@er2@reg.example/x", "reg.example/x"),
        ("docker://robot:hunter2@reg.example/x", "docker://reg.example/x"),
        ("hunter2@reg.example/x", "reg.example/x"),
    ],
)
def test_user_and_password_in_an_image_s_name_need_no_scheme(image: str, kept: str) -> None:
    what = ("user and password in the image's name",)
    assert without_secrets(Environment(key="e", image=image)) == (
        Environment(key="e", image=kept),
        what,
    )


@pytest.mark.parametrize(
    "image",
    ["gpu@sha256:00", "gpu:7@sha256:00ff", f"reg.example:5000/gpu:7@blake3:{'0f' * 32}", "gpu:7"],
)
def test_an_image_s_digest_is_no_secret(image: str) -> None:
    plain = Environment(key="e", image=image)
    assert without_secrets(plain) == (plain, ())
