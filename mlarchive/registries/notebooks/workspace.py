"""Fetches revisions of notebooks from a Databricks workspace (`spec/notebooks.md`, 6).

The request is the one of the workspace API, `GET /api/2.0/workspace/export`, with the parameter
`revision`, which its page does not have and `mlflow-export-import` uses. The token goes to the
workspace alone, over HTTPS: no answer leads elsewhere.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from unicodedata import normalize

import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.util import Retry

from mlarchive.errors import AccessError, RemoteError, UnavailableError
from mlarchive.package.paths import refusal
from mlarchive.registries.notebooks.records import Found
from mlarchive.registries.notebooks.wanted import Workspace
from mlarchive.registries.redaction import first_words

_EXPORT = "/api/2.0/workspace/export"
_TIMEOUT = 120
_LONGEST = 64 << 20
_BLOCK = 1 << 20
_RETRIES = Retry(
    total=3,
    backoff_factor=0.5,
    status_forcelist=(429, 500, 502, 503, 504),
    allowed_methods=("GET",),
    raise_on_status=False,
)
_BAD_TOKEN = re.compile(r"invalid (access )?token|token (is|has) (expired|invalid)", re.IGNORECASE)
_SUFFIXES: Mapping[str, str] = {"HTML": "html", "JUPYTER": "ipynb", "DBC": "dbc"}
_LANGUAGES = {"py", "r", "scala", "sql"}
_FIRST_LINES: Mapping[bytes, str] = {b"#": "py", b"//": "scala", b"--": "sql"}


def fetch_notebook(
    workspace: Workspace,
    path: str,
    revision: str,
    formats: tuple[str, ...],
    lose: Callable[[str, str], None],
) -> Found:
    """Fetch one revision of a notebook.

    Args:
        workspace: Where it is.
        path: In the workspace.
        revision: As the run's tag spells it.
        formats: Those that are wanted.
        lose: Told each format that cannot be had, and why.

    Raises:
        AccessError: The workspace does not know the token.
        UnavailableError: It does not answer, or cannot now.
        RemoteError: It answers something else than a notebook.
    """
    contents = {}
    with requests.Session() as session:
        session.mount("https://", HTTPAdapter(max_retries=_RETRIES))
        session.auth = _Bearer(workspace.token)
        for form in formats:
            body = {
                "path": path,
                "format": form,
                "direct_download": False,
                "revision": {"revision_timestamp": revision},
            }
            try:
                raw, kind = _exported(session, workspace.host, body)
            except _RefusedError as refused:
                lose(form, str(refused))
                continue
            contents[form] = (f"{_base_name(path)}.{_suffix(form, kind, raw)}", raw)
    return Found(
        source="databricks",
        path=path,
        revision=revision,
        location=workspace.host,
        contents=contents,
    )


class _RefusedError(Exception):
    """The workspace will never give it; why, as the end of a sentence."""


class _Bearer(AuthBase):
    """The token, whatever a .netrc says."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _exported(session: requests.Session, host: str, body: Mapping[str, Any]) -> tuple[bytes, str]:
    """The bytes of a notebook, and the suffix that the workspace gives it, if it says one."""
    try:
        with session.get(
            f"{host}{_EXPORT}", json=body, stream=True, timeout=_TIMEOUT, allow_redirects=False
        ) as answer:
            text = _read(answer)
    except requests.exceptions.SSLError as error:
        raise RemoteError(
            f"the certificate of {host} is not trusted",
            hint="name the certificates to trust in REQUESTS_CA_BUNDLE",
        ) from error
    except (requests.RequestException, OSError) as error:
        raise UnavailableError(
            f"cannot reach {host}: {first_words(str(error))}", hint="check DATABRICKS_HOST"
        ) from error
    if answer.status_code != HTTPStatus.OK:
        raise _refusal(host, answer.status_code, text)
    try:
        members = msgspec.json.decode(text, type=dict[str, Any])
        raw = base64.b64decode(members.get("content", ""), validate=True)
    except (msgspec.DecodeError, binascii.Error, TypeError, ValueError) as error:
        raise RemoteError(f"{host} answers with something else than a notebook") from error
    return raw, str(members.get("file_type", ""))


def _read(answer: requests.Response) -> bytes:
    text = bytearray()
    for block in answer.iter_content(_BLOCK):
        text += block
        if len(text) > _LONGEST:
            raise _RefusedError(f"the answer is longer than {_LONGEST} bytes")
    return bytes(text)


def _refusal(host: str, status: int, text: bytes) -> Exception:
    code, words = _said(text)
    shown = f"{host} answers {status}{f' {code}' if code else ''}: {first_words(words)}"
    if status == HTTPStatus.UNAUTHORIZED or (
        status == HTTPStatus.FORBIDDEN and _BAD_TOKEN.search(words)
    ):
        return AccessError(shown, hint="see that DATABRICKS_TOKEN is one of this workspace")
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnavailableError(shown, hint="try again later")
    return _RefusedError(shown)


def _said(text: bytes) -> tuple[str, str]:
    """The error's code and words; a gateway's answer may be no JSON."""
    try:
        members = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return "", text[:1000].decode("utf-8", "replace")
    return str(members.get("error_code", "")), str(members.get("message", ""))


def _base_name(path: str) -> str:
    name = normalize("NFC", path.rstrip("/").rpartition("/")[2])
    return "notebook" if refusal(f"{name}.ipynb") else name


def _suffix(form: str, kind: str, raw: bytes) -> str:
    if form != "SOURCE":
        return _SUFFIXES[form]
    if kind.lower() in _LANGUAGES:
        return kind.lower()
    return next((end for sign, end in _FIRST_LINES.items() if raw.startswith(sign)), "txt")
