"""What Azure's clients say at length is told in a sentence, with a hint that helps."""

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import DefaultAzureCredential

from mlarchive.errors import AccessError
from mlarchive.registries.azureml.failures import explained, from_status, raised, told


def of_nobody(monkeypatch: pytest.MonkeyPatch) -> ClientAuthenticationError:
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    credential = DefaultAzureCredential(
        exclude_managed_identity_credential=True, exclude_shared_token_cache_credential=True
    )
    with pytest.raises(ClientAuthenticationError) as caught:
        credential.get_token("https://management.azure.com/.default")
    return caught.value


def test_that_nobody_is_logged_in_is_said_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    code, words = told(of_nobody(monkeypatch))
    assert code == AccessError.code
    assert words == "nobody is logged in: azure-identity finds no credentials"


def test_of_many_ways_to_log_in_those_are_told_that_were_refused() -> None:
    said = (
        "DefaultAzureCredential failed to retrieve a token from the included credentials.\n"
        "Attempted credentials:\n\tEnvironmentCredential: Authentication failed: AADSTS7000215: "
        "Invalid client secret provided.\n\tAzureCliCredential: Azure CLI not found on path\n"
        "To mitigate this issue, please refer to the troubleshooting guidelines here at https://x."
    )
    _, words = told(ClientAuthenticationError(message=said))
    assert words == (
        "the login failed: EnvironmentCredential: Authentication failed: AADSTS7000215: "
        "Invalid client secret provided."
    )


def test_a_signature_that_storage_refuses_is_no_login() -> None:
    error = HttpResponseError(message="Server failed to authenticate the request.")
    error.status_code = 403
    refused = explained(error, "https://a.blob.core.windows.net/c")
    assert isinstance(refused, AccessError)
    assert "have expired" in refused.hint
    assert "az login" not in refused.hint


def test_who_is_not_let_in_is_told_the_names_of_the_place_s_own_variables() -> None:
    for error in (
        raised(AccessError.code, "no", "azureml://registries/r", "GOV_"),
        from_status(403, "no", "azureml://registries/r", "GOV_"),
    ):
        assert "set GOV_AZURE_TENANT_ID, GOV_AZURE_CLIENT_ID and GOV_AZURE_CLIENT_SECRET" in (
            error.hint
        )
    assert "set AZURE_TENANT_ID," in raised(AccessError.code, "no", "azureml://registries/r").hint
