"""The directory's endpoints: who knows the secret of a principal gets a token for one audience."""

from tests.support.azureml.answers import Answer, RefusedError
from tests.support.azureml.calls import Call
from tests.support.azureml.tokens import Tokens
from tests.support.azureml.world import Principal, Tenant, World


def answer(call: Call, world: World, tokens: Tokens) -> Answer:
    """Answer a request to a login host.

    Raises:
        RefusedError: Nobody may have a token for that.
    """
    tenant_id, _, rest = call.path.strip("/").partition("/")
    if rest == "discovery/instance" or call.path == "/common/discovery/instance":
        return Answer(body=_instance(call))
    tenant = world.tenants.get(tenant_id)
    if tenant is None or tenant.cloud is not call.cloud:
        raise _refused("invalid_request", f"AADSTS90002: Tenant '{tenant_id}' not found.")
    root = f"https://{call.host}/{tenant.id}"
    if rest == "v2.0/.well-known/openid-configuration":
        return Answer(
            body={
                "token_endpoint": f"{root}/oauth2/v2.0/token",
                "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
                "issuer": f"{root}/v2.0",
            }
        )
    if rest == "oauth2/v2.0/token" and call.method == "POST":
        return _token(call, tenant, tokens)
    raise RefusedError(404, "NotFound", call.path)


def _token(call: Call, tenant: Tenant, tokens: Tokens) -> Answer:
    form = call.form
    if form.get("grant_type") != "client_credentials":
        raise _refused("unsupported_grant_type", "AADSTS70003: Only client credentials are taken.")
    principal = _principal(tenant, form.get("client_id", ""))
    if principal is None or form.get("client_secret") != principal.secret:
        # A server may repeat what it was told.
        why = f"AADSTS7000215: Invalid client secret provided: {form.get('client_secret')}"
        raise _refused("invalid_client", why, status=401)
    scopes = [scope for scope in form.get("scope", "").split() if scope.endswith("/.default")]
    roles = {call.cloud.audiences.get(scope) for scope in scopes}
    role = roles.pop() if len(roles) == 1 else None
    if role is None:
        raise _refused(
            "invalid_resource", f"AADSTS500011: The resource {form.get('scope')!r} was not found."
        )
    return Answer(
        body={
            "token_type": "Bearer",
            "expires_in": tokens.lifetime,
            "ext_expires_in": tokens.lifetime,
            "access_token": tokens.give(tenant, principal, role),
        }
    )


def _principal(tenant: Tenant, client_id: str) -> Principal | None:
    return next((p for p in tenant.principals if p.client_id == client_id), None)


def _instance(call: Call) -> dict[str, object]:
    """Which other hosts of the login service are the same: none."""
    host = call.host
    own = {"preferred_network": host, "preferred_cache": host, "aliases": [host]}
    wanted = call.query.get("authorization_endpoint", "").split("/")
    tenant = wanted[3] if len(wanted) > 3 else "common"
    known = f"https://{host}/{tenant}/v2.0/.well-known/openid-configuration"
    return {"tenant_discovery_endpoint": known, "metadata": [own]}


def _refused(error: str, why: str, *, status: int = 400) -> RefusedError:
    """A refusal in the form of OAuth, which is not Azure's."""
    refused = RefusedError(status, error, why)
    body = {"error": error, "error_description": why}
    refused.answer = Answer(status=status, body=body)
    return refused
