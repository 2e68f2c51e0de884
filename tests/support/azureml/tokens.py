"""Tokens of the emulated directories: given to those who know their secret, checked by the rest.

They are JWTs whose claims Azurite checks; it does not check signatures, the emulator knows its own.
"""

import base64
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.azureml.answers import RefusedError
from tests.support.azureml.clouds import Cloud
from tests.support.azureml.wire import Secret, Wire
from tests.support.azureml.world import Principal, Tenant

LIFETIME = 3600
"""For how many seconds a new token is good, where nothing else is said."""

_AUDIENCES = {"storage": "https://storage.azure.com"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Who a token was given to, and for what.

    Attributes:
        tenant: Whose directory.
        principal: Who.
        role: `management` or `storage`.
        expires: Seconds since 1970 UTC.
    """

    tenant: Tenant
    principal: Principal
    role: str
    expires: float


class Tokens:
    """The tokens that are good, and the secrets that have been withdrawn."""

    def __init__(self, wire: Wire) -> None:
        """Begin with none; what is given out is watched for on the wire."""
        self._wire = wire
        self._lock = threading.Lock()
        self._given: dict[str, Bearer] = {}
        self._withdrawn: set[str] = set()
        self.lifetime = LIFETIME

    def give(self, tenant: Tenant, principal: Principal, role: str) -> str:
        """A new token."""
        now = time.time()
        bearer = Bearer(tenant=tenant, principal=principal, role=role, expires=now + self.lifetime)
        token = _jwt(bearer, now)
        with self._lock:
            self._given[token] = bearer
        self._wire.know(Secret(kind="token", value=token, hosts=_hosts(tenant.cloud, role)))
        return token

    def withdraw(self, secret: Secret) -> None:
        """Let a secret expire now, if it is one that expires: a token or a SAS."""
        with self._lock:
            if secret.kind in {"token", "sas"}:
                self._withdrawn.add(secret.value)

    def is_withdrawn(self, secret: str) -> bool:
        """Whether a secret has expired before its time."""
        with self._lock:
            return secret in self._withdrawn

    def bearer(self, headers: Mapping[str, str], cloud: Cloud, role: str) -> Bearer:
        """Who asks.

        Raises:
            RefusedError: There is no token, or it is not good for this cloud and role.
        """
        word, _, token = headers.get("Authorization", "").partition(" ")
        if word != "Bearer" or not token:
            raise _unauthorised(cloud, "AuthenticationFailed", "No bearer token was sent.")
        with self._lock:
            bearer = self._given.get(token)
        if bearer is None or (bearer.tenant.cloud, bearer.role) != (cloud, role):
            why = "The access token is invalid: it was issued by or for somebody else."
            raise _unauthorised(cloud, "InvalidAuthenticationToken", why)
        if bearer.expires < time.time() or self.is_withdrawn(token):
            raise _unauthorised(
                cloud, "ExpiredAuthenticationToken", "The access token has expired."
            )
        return bearer


def _unauthorised(cloud: Cloud, code: str, why: str) -> RefusedError:
    challenge = f'Bearer authorization_uri="https://{cloud.login}/common", error="invalid_token"'
    return RefusedError(401, code, why, {"WWW-Authenticate": challenge})


def _hosts(cloud: Cloud, role: str) -> tuple[str, ...]:
    if role == "storage":
        return (f".blob.{cloud.storage}",)
    return (cloud.resource_manager, cloud.discovery, f".{cloud.api}", f".{cloud.experiments}")


def _jwt(bearer: Bearer, now: float) -> str:
    claims = {
        "aud": _AUDIENCES.get(bearer.role, f"https://{bearer.tenant.cloud.resource_manager}"),
        "iss": f"https://sts.windows.net/{bearer.tenant.id}/",
        "nbf": int(now) - 60,
        "iat": int(now) - 60,
        "exp": int(bearer.expires),
        "tid": bearer.tenant.id,
        "appid": bearer.principal.client_id,
        "jti": secrets.token_hex(16),
    }
    return f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}.{secrets.token_hex(16)}"


def _part(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
