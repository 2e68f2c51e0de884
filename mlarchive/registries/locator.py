"""Locators: how a person names a registry, or a thing in one: `REGISTRY[#OBJECT]`.

Keeps the grammar of `spec/locators.md`. Parsing opens nothing, looks at no file and no
environment; `opening` does that. Schemes whose adapters do not exist yet parse too, so that a
locator is either right or wrong for good.
"""

import re
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from mlarchive.errors import FORWARD_ONLY, LocatorError
from mlarchive.records.places import azureml_origin
from mlarchive.registries.base import Selector
from mlarchive.registries.selecting import format_object, parse_object

PACKAGE_SUFFIX = ".mlpkg"
VOLUME_SUFFIX = ".mlvol"
ENCRYPTED_SUFFIX = ".age"

_FOLDERS = (
    "dir",
    "vault",
    "outbox",
    "inbox",
    "oci",
    "bagit",
    "mlflow-export",
    "innereye",
    "neptune-export",
    "neptune-offline",
)
_EXAMPLES = (
    "write mlflow+http://HOST:PORT, mlflow+sqlite:///FILE, dir:DIR, vault:DIR or FILE.mlpkg, "
    "and #models/NAME/VERSION for one object in it"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CREDENTIALS = re.compile(r"://[^/@]*@")
_SEGMENT = r"[^/?]+"
_DATABASE = re.compile(
    r"//(?P<host>(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])?(?::[0-9]{1,5})?)/(?P<name>[^/?@:\s]+)"
)
_AZUREML_PLACE = (
    rf"(?P<place>registries/{_SEGMENT}"
    rf"|subscriptions/{_SEGMENT}/resourcegroups/{_SEGMENT}(?:/providers/[^?]+?)?"
    rf"/workspaces/{_SEGMENT})"
)
_AZUREML_NAME = rf"/(?P<kind>models|environments)/(?P<name>{_SEGMENT})"
_AZUREML = re.compile(
    rf"{_AZUREML_PLACE}(?:{_AZUREML_NAME}/versions/(?P<version>{_SEGMENT}))?/?", re.IGNORECASE
)
_AZUREML_LABELLED = re.compile(
    rf"{_AZUREML_PLACE}/(?P<kind>models|environments)/(?P<name>[^/?@]+)"
    rf"(?:/labels/|@|/versions/(?=latest/?$))(?P<label>{_SEGMENT})/?",
    re.IGNORECASE,
)
_AZUREML_UNNUMBERED = re.compile(rf"{_AZUREML_PLACE}{_AZUREML_NAME}(?:/versions)?/?", re.IGNORECASE)


class Locator(Struct, frozen=True, kw_only=True):
    """A parsed locator.

    Attributes:
        scheme: `mlflow+http`, `mlflow+https`, `mlflow+sqlite`, `mlflow+postgresql`, `mlflow+mysql`,
            `mlflow` (the server that MLFLOW_TRACKING_URI names), `databricks`, `azureml` (without
            a registry the one that Azure's variables name),
            `neptune`, one of the folder schemes (`dir`, `vault`, …), `package` for a file, or
            `name` for a registry that a configuration names.
        registry: What follows the scheme: a URL for `mlflow+…`, else a path or a name, decoded.
        selector: Which objects in it.
        text: As it was written.
    """

    scheme: str
    registry: str
    selector: Selector = Selector()
    text: str = ""

    @property
    def origin(self) -> str:
        """The canonical text of the registry alone: its name where no other is given."""
        match self.scheme:
            case "package":
                return _encode_path(self.registry)
            case "name" | "databricks":
                return self.registry
            case "mlflow" | "azureml" | "neptune" if not self.registry:
                return f"{self.scheme}:"
            case "azureml" | "neptune" as scheme:
                named = f"{scheme}://{self.registry}"
                return azureml_origin(self.registry) if scheme == "azureml" else named
            case scheme if scheme.startswith("mlflow+"):
                return f"mlflow+{self.registry}"
            case scheme:
                return f"{scheme}:{_encode_path(self.registry)}"

    def __str__(self) -> str:
        """The canonical text; `parse` gives the same registry and selector back."""
        inside = format_object(self.selector)
        whole = f"azureml:{self._place}" if self.scheme == "azureml" else self.origin
        return f"{whole}#{inside}" if inside else whole

    @property
    def _place(self) -> str:
        """A place of Azure ML as it was written."""
        return f"//{self.registry}" if self.registry else ""


def _secrets_of(registry: str) -> str:
    """The variables that hold the credentials of such a registry, for a person."""
    if registry.startswith("azureml:"):
        return "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
    if registry.startswith("neptune:"):
        return "NEPTUNE_API_TOKEN"
    return "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"


def parse(text: str) -> Locator:
    """Read a locator.

    Raises:
        LocatorError: It does not follow the grammar; the message says where, without repeating
            a secret that it may hold.
    """
    if not text.strip():
        raise LocatorError("a locator is empty", hint=_EXAMPLES)
    if any(ord(character) < ord(" ") for character in text):
        raise LocatorError("a locator holds a control character", hint=_EXAMPLES)
    if not text.isascii() and text != text.encode(errors="replace").decode():
        raise LocatorError(
            f"the locator {text!a} is not UTF-8",
            hint="change into that folder and write dir:. for it",
        )
    before, cut, after = text.partition("#")
    if _CREDENTIALS.search(before):
        raise LocatorError(
            f"the locator {_CREDENTIALS.sub('://…@', before)!r} holds a user name or password",
            hint=f"give credentials in the environment, such as {_secrets_of(before)}",
        )
    if not before:
        raise LocatorError(f"no registry stands before the # of {text!r}", hint=_EXAMPLES)
    scheme, registry, given = _parse_registry(before)
    if given != Selector() and cut:
        raise LocatorError(
            f"{text!r} names an object twice, before and after its #", hint="leave one out"
        )
    selector = parse_object(after) if cut else given
    return Locator(scheme=scheme, registry=registry, selector=selector, text=text)


Parsed = tuple[str, str, Selector]


def _parse_registry(text: str) -> Parsed:
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else ""
    rest = text[match.end() :] if match else text
    if scheme in _FOLDERS:
        return scheme, _decode_path(rest, scheme), Selector()
    if scheme in _PARSERS:
        return _PARSERS[scheme](rest)
    if text.endswith((PACKAGE_SUFFIX, VOLUME_SUFFIX, f"{PACKAGE_SUFFIX}{ENCRYPTED_SUFFIX}")):
        return "package", _decode_path(text, "package"), Selector()
    if text == "databricks":
        return "databricks", text, Selector()
    if _NAME.fullmatch(text):
        return "name", text, Selector()
    raise LocatorError(f"{_hushed(text)!r} is not a locator", hint=_advice(text, scheme))


def _hushed(text: str) -> str:
    """A refused text without what may be a secret: what goes before an @, or follows a ?."""
    address, cut, _ = text.partition("?")
    before, at, after = address.rpartition("@")
    if at and ":" in before:
        scheme = "".join(before.partition("://")[:2]) if "://" in before else ""
        address = f"{scheme}…@{after}"
    return f"{address}?…" if cut else address


def _advice(text: str, scheme: str) -> str:
    if scheme in {"http", "https", "sqlite", "postgresql", "mysql"}:
        return f"for an MLflow server write mlflow+{_hushed(text.partition('?')[0])}"
    if text in {"-", "/dev/stdin"}:
        return FORWARD_ONLY
    if not scheme and text == _hushed(text):
        return f"for a folder of files write dir:{text}, for a vault vault:{text}"
    return _EXAMPLES


def _parse_http(rest: str, scheme: str) -> Parsed:
    url = f"{scheme}:{rest}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        # What is no port may be a password with a character that ends it early.
        raise LocatorError(
            f"mlflow+{scheme}:… is not a web address: its host or its port is not one",
            hint=f"write mlflow+{scheme}://HOST:PORT",
        ) from error
    if not rest.startswith("//") or not host or re.search(r"\s", url):
        raise LocatorError(
            f"{_hushed(f'mlflow+{url}')} names no host", hint=f"write mlflow+{scheme}://HOST:PORT"
        )
    if parts.query or rest.endswith("?"):
        raise LocatorError(
            f"the locator mlflow+{urlunsplit(parts._replace(query=''))} goes on with a ?",
            hint="leave the query out; credentials come from the environment",
        )
    shown = f"[{host}]" if ":" in host else host
    place = shown if port is None else f"{shown}:{port}"
    return f"mlflow+{scheme}", f"{scheme}://{place}{parts.path.rstrip('/')}", Selector()


def _parse_sqlite(rest: str) -> Parsed:
    if not rest.startswith("///") or rest == "///" or "?" in rest:
        raise LocatorError(
            f"{_hushed(f'mlflow+sqlite:{rest}')} does not name a database file",
            hint="write mlflow+sqlite:///mlflow.db, or mlflow+sqlite:////path/to/mlflow.db",
        )
    return "mlflow+sqlite", f"sqlite:{rest}", Selector()


def _parse_database(rest: str, scheme: str) -> Parsed:
    match = _DATABASE.fullmatch(rest)
    if match is None:
        raise LocatorError(
            f"{_hushed(f'mlflow+{scheme}:{rest}')} does not name a database",
            hint=f"write mlflow+{scheme}://HOST:PORT/DATABASE; the user and the password come "
            "from the environment, or from a file of the database's own client",
        )
    return f"mlflow+{scheme}", f"{scheme}://{match['host'].lower()}/{match['name']}", Selector()


def _parse_mlflow(rest: str) -> Parsed:
    if rest:
        raise LocatorError(
            f"{_hushed(f'mlflow:{rest}')} is not a locator",
            hint="mlflow: alone means the server of MLFLOW_TRACKING_URI; " + _EXAMPLES,
        )
    return "mlflow", "", Selector()


def _parse_models(rest: str) -> Parsed:
    """MLflow's own `models:/NAME/VERSION`, `models:/NAME@ALIAS` and `models:/m-ID`."""
    name = rest.lstrip("/")
    if re.fullmatch(r"m-[0-9a-f]{32}", name):
        return "mlflow", "", Selector(kind="logged-models", name=name, named="id")
    selector = parse_object(f"models/{name}")
    if selector.version and not selector.version.isdecimal():
        raise LocatorError(
            f"{selector.version!r} in models:{rest} is no version number",
            hint="stages and `latest` move; name a version, or an alias as models:/NAME@ALIAS",
        )
    return "mlflow", "", selector


def _parse_runs(rest: str) -> Parsed:
    """MLflow's own `runs:/ID[/PATH]`."""
    name, _, path = rest.lstrip("/").partition("/")
    path = path.rstrip("/")
    return "mlflow", "", parse_object(f"runs/id:{name}" + (f"//{path}" if path else ""))


def _parse_databricks(rest: str) -> Parsed:
    if not re.fullmatch(r"//[^/?]+", rest):
        # It may be a token.
        raise LocatorError("databricks:… names no profile", hint="write databricks://PROFILE")
    return "databricks", f"databricks:{rest}", Selector()


def _parse_azureml(rest: str) -> Parsed:
    if not rest:
        return "azureml", "", Selector()
    named = rest.removeprefix("//") if rest.startswith("//") else ""
    if labelled := _AZUREML_LABELLED.fullmatch(named):
        raise LocatorError(
            f"{_hushed(f'azureml:{rest}')} names a label, and no version",
            hint=f"write azureml://{labelled['place']}#{labelled['kind'].lower()}/"
            f"{labelled['name']}@latest for the one made last, which is the only label that is "
            "known, or /versions/ and a number",
        )
    match = _AZUREML.fullmatch(named)
    if match is None and (begun := _AZUREML.match(named)) and begun["version"]:
        inside = f"{begun['kind'].lower()}/{begun['name']}/{begun['version']}"
        raise LocatorError(
            f"azureml:{_hushed(rest)} goes on after the version",
            hint=f"a file in it is named after two slashes: azureml://{begun['place']}#{inside}//"
            "PATH",
        )
    if unnumbered := _AZUREML_UNNUMBERED.fullmatch(named):
        inside = f"{unnumbered['kind'].lower()}/{unnumbered['name']}"
        raise LocatorError(
            f"{_hushed(f'azureml:{rest}')} names no version",
            hint=f"write azureml://{unnumbered['place']}#{inside} for all versions, or add "
            "/versions/ and the number of one",
        )
    if match is None:
        raise LocatorError(
            f"{_hushed(f'azureml:{rest}')} names no workspace and no registry",
            hint="write azureml://subscriptions/S/resourceGroups/G/workspaces/W "
            "or azureml://registries/R",
        )
    place = re.sub("/resourcegroups/", "/resourceGroups/", match["place"], flags=re.IGNORECASE)
    if match["kind"] is None:
        return "azureml", place, Selector()
    inside = f"{match['kind'].lower()}/{match['name']}/{match['version']}"
    return "azureml", place, parse_object(inside)


def _parse_neptune(rest: str) -> Parsed:
    if not rest:
        return "neptune", "", Selector()
    if not re.fullmatch(rf"//{_SEGMENT}/{_SEGMENT}", rest):
        raise LocatorError(
            f"{_hushed(f'neptune:{rest}')} names no project",
            hint="write neptune://WORKSPACE/PROJECT; neptune: alone means that of NEPTUNE_PROJECT",
        )
    return "neptune", rest.removeprefix("//"), Selector()


_PARSERS: dict[str, Callable[[str], Parsed]] = {
    "mlflow+http": lambda rest: _parse_http(rest, "http"),
    "mlflow+https": lambda rest: _parse_http(rest, "https"),
    "mlflow+sqlite": _parse_sqlite,
    "mlflow+postgresql": lambda rest: _parse_database(rest, "postgresql"),
    "mlflow+mysql": lambda rest: _parse_database(rest, "mysql"),
    "mlflow": _parse_mlflow,
    "models": _parse_models,
    "runs": _parse_runs,
    "databricks": _parse_databricks,
    "azureml": _parse_azureml,
    "neptune": _parse_neptune,
}


def _decode_path(text: str, scheme: str) -> str:
    """A path as written: `%23` stands for `#`, `%25` for `%`, any other `%` for itself."""
    path = re.sub("%23|%25", lambda escape: "#" if escape[0] == "%23" else "%", text)
    if not path or path == PACKAGE_SUFFIX:
        if scheme == "package":
            raise LocatorError(f"{text!r} is no name of a file", hint="write FILE.mlpkg")
        raise LocatorError(f"no path follows {scheme}:", hint=f"write {scheme}:DIR")
    return path


def _encode_path(path: str) -> str:
    return path.replace("%", "%25").replace("#", "%23")
