"""What a service answers: JSON with a status, or an error in Azure's form."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of a service.

    Attributes:
        status: Of HTTP.
        body: JSON; nothing is sent for None.
        headers: Besides type and length.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def raw(self) -> bytes:
        """The bytes of the body."""
        return b"" if self.body is None else json.dumps(self.body).encode()


class RefusedError(Exception):
    """A service refuses a request, in Azure's form of an error."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        """Say why.

        Args:
            status: Of HTTP.
            code: Azure's own.
            message: For a person.
            headers: Besides type and length.
        """
        super().__init__(message)
        error = {"code": code, "message": message, "details": [], "additionalInfo": []}
        self.answer = Answer(status=status, body={"error": error}, headers=headers or {})


def not_found(what: str) -> RefusedError:
    """What was asked for is not there."""
    return RefusedError(404, "UserError", f"{what} was not found.")


def invalid(message: str) -> RefusedError:
    """The request makes no sense to the service."""
    return RefusedError(400, "ValidationError", message)
