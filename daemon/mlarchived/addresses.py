"""The addresses of `[monitoring]`: which are none, where they stand, whether they can be used."""

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from mlarchive.errors import ConfigError, NotFoundError, StorageError
from mlarchive.fsops import explaining
from mlarchived.config import Monitoring
from mlarchived.toml_lines import Path as Place

_MOST = 65535
_HINT = "write https://…, file:PATH or credential:NAME"
_PLAIN = "leave out USER:PASSWORD@, and write what is not ASCII as %XX or xn--"


def messaged(monitoring: Monitoring) -> Iterator[tuple[Place, str]]:
    """To whom messages go, each with its place in the configuration: as it stands there."""
    for number, text in enumerate(monitoring.webhooks):
        yield ("monitoring", "webhooks", number), text
    if monitoring.heartbeat:
        yield ("monitoring", "heartbeat"), monitoring.heartbeat


def refuse_no_address(text: str) -> None:
    """Refuse what is neither an address nor the name of a place that may hold one.

    Raises:
        ConfigError: It is not; the address itself may be a secret, and is not repeated.
    """
    kind, _, name = text.partition(":")
    if kind == "file":
        if not Path(name).is_absolute():
            raise ConfigError(f"{text} is no absolute path", hint="write file:/etc/…")
    elif kind == "credential":
        if not name or "/" in name:
            raise ConfigError(f"{text} names no credential", hint="write credential:NAME")
    else:
        _refuse_url(text, "this", _HINT)


def refuse_no_port(listen: str) -> None:
    """Refuse an address to listen on whose port there cannot be.

    Raises:
        ConfigError: It is above 65535.
    """
    if listen and host_and_port(listen)[1] > _MOST:
        raise ConfigError(f"{listen}: a port is {_MOST} at most", hint="write HOST:PORT")


def host_and_port(listen: str) -> tuple[str, int]:
    """What `HOST:PORT` says."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def cannot_listen(listen: str, error: Exception) -> StorageError:
    """What is said of an address on which nothing can listen."""
    why = getattr(error, "strerror", None) or str(error)
    return StorageError(
        f"cannot listen on {listen}: {why}",
        hint="`monitoring.listen` names an address of this machine that nothing else listens on",
    )


def try_to_listen(listen: str) -> None:
    """See that an address can be listened on; nothing listens afterwards.

    Raises:
        StorageError: It cannot: it is taken, or none of this machine's.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(host_and_port(listen))
            found.listen()
        except (OSError, UnicodeError) as error:
            raise cannot_listen(listen, error) from error


def is_given_to_the_service_alone(text: str, environment: Mapping[str, str]) -> bool:
    """Whether systemd brings an address, and not to this process."""
    return text.startswith("credential:") and not environment.get("CREDENTIALS_DIRECTORY")


def shown(text: str) -> str:
    """An address as it may be printed: that of a server may have a secret in its path."""
    if text.startswith(("file:", "credential:")):
        return text
    parts = urlsplit(text)
    return f"{parts.scheme}://{parts.hostname}/…"


def secret_url(text: str, environment: Mapping[str, str]) -> str:
    """The address that a configuration names: itself, `file:PATH`, or `credential:NAME`.

    Raises:
        ConfigError: It is not there, or is no http address.
        AccessError: It may not be read.
    """
    refuse_no_address(text)
    kind, _, name = text.partition(":")
    if kind not in {"file", "credential"}:
        return text
    if is_given_to_the_service_alone(text, environment):
        raise ConfigError(
            f"{text} names a credential, and this process was given none",
            hint="add LoadCredential= to the unit, or write file:PATH",
        )
    path = Path(name) if kind == "file" else Path(environment["CREDENTIALS_DIRECTORY"]) / name
    try:
        with explaining(path, "read"):
            url = path.read_text(encoding="utf-8").strip()
    except NotFoundError as error:
        raise ConfigError(error.message, hint=f"put the address there, or {_HINT}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"what {text} names is no text", hint="put the address there") from error
    _refuse_url(url, f"what {text} names", "put the address there")
    return url


def _refuse_url(url: str, what: str, hint: str) -> None:
    """Refuse what is no http address, or one that nobody could send to."""
    if not _is_http(url):
        raise ConfigError(f"{what} is no address of http or https", hint=hint)
    if not url.isascii() or "@" in urlsplit(url).netloc:
        raise ConfigError(f"{what} is no address that messages can be sent to", hint=_PLAIN)


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return whole and parts.scheme in {"http", "https"} and not any(c.isspace() for c in url)
