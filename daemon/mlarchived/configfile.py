"""Read and write `mirror.toml`: every fault names the file, the line and the key.

`strict` finds what is wrong and `toml_lines` where it stands. Knows no registry: whether a
locator makes sense is asked in `mirrors`.
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from mlarchive.errors import ConfigError
from mlarchive.fsops import explaining
from mlarchived import strict, toml_lines
from mlarchived.config import EVERY, STATE, Config


class ConfigFile(Struct, frozen=True, kw_only=True):
    """A configuration and where it stands.

    Attributes:
        path: The file.
        config: What it says, defaults filled in; relative paths as written.
        lines: The line of each key.
    """

    path: Path
    config: Config
    lines: Mapping[toml_lines.Path, int]

    @property
    def folder(self) -> Path:
        """What relative paths are relative to."""
        return self.path.absolute().parent

    def wrong(self, place: toml_lines.Path, sentence: str, *, hint: str = "") -> ConfigError:
        """The error that says what is wrong with the key at a place."""
        return _wrong(self.path, self.lines, place, sentence, hint)


def read_config(path: Path) -> ConfigFile:
    """Read a configuration file.

    Raises:
        ConfigError: It is absent, not TOML, or has an unknown, missing or wrong key.
        AccessError: It may not be read.
    """
    text = _read_text(path)
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _not_toml(path, error) from error
    lines = toml_lines.key_lines(text)
    try:
        config = strict.decode(data, Config)
    except strict.Fault as fault:
        raise _wrong(path, lines, fault.place, fault.sentence, "") from fault
    return ConfigFile(path=path, config=config, lines=lines)


def likely_state(path: Path) -> Path:
    """The state folder that a configuration names, though it may be wrong otherwise."""
    try:
        state = tomllib.loads(path.read_text(encoding="utf-8")).get("state")
    except (OSError, ValueError, RecursionError):
        state = None
    name = state if isinstance(state, str) else STATE
    return path.absolute().parent / Path(name).expanduser()


def to_toml(config: Config) -> str:
    """A configuration as TOML text that `read_config` reads back as the same."""
    data = msgspec.to_builtins(config)
    service = data.pop("service")
    registries = data.pop("registries")
    monitoring = data.pop("monitoring")
    vaults = data.pop("vaults")
    mirrors = data.pop("mirror")
    blocks = [_pairs(data), _table("[service]", service)]
    blocks += [_table(f"[registries.{_key(name)}]", body) for name, body in registries.items()]
    blocks.append(_table("[monitoring]", monitoring))
    blocks += [_table(f"[vaults.{_key(name)}]", body) for name, body in vaults.items()]
    for body in mirrors:
        if body["cron"] and body["every"] == EVERY:
            # Who gives both is refused.
            del body["every"]
        blocks += _tables("[[{}]]", "mirror", body)
    return "\n".join(blocks)


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise ConfigError(
            f"there is no configuration file {path}",
            hint="name yours with --config FILE, as that of systemd's units,"
            " /etc/mlarchived/mirror.toml; `mlarchived check --help` shows an example",
        )
    with explaining(path, "read"):
        raw = path.read_bytes()
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: the file is not UTF-8 text") from error


def _not_toml(path: Path, error: Exception) -> ConfigError:
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", str(error))
    if found:
        what, line, column = found.groups()
        return ConfigError(f"{path}, line {line}, column {column}: not valid TOML: {what.lower()}")
    return ConfigError(f"{path}: not valid TOML: {error}")


def _wrong(
    path: Path,
    lines: Mapping[toml_lines.Path, int],
    place: toml_lines.Path,
    sentence: str,
    hint: str,
) -> ConfigError:
    where = f"{path}, line {toml_lines.line_of(lines, place)}"
    name = toml_lines.spelt(place)
    return ConfigError(
        f"{where}: {name}: {sentence}" if name else f"{where}: {sentence}", hint=hint
    )


def _tables(header: str, name: str, table: Mapping[str, Any]) -> list[str]:
    """A table, and those in it."""
    inner = {key: value for key, value in table.items() if isinstance(value, dict)}
    own = {key: value for key, value in table.items() if key not in inner}
    blocks = [_table(header.format(name), own)]
    for key, body in inner.items():
        blocks += _tables("[{}]", f"{name}.{_key(key)}", body)
    return blocks


def _table(header: str, table: Mapping[str, Any]) -> str:
    return f"{header}\n{_pairs(table)}"


def _pairs(table: Mapping[str, Any]) -> str:
    """The lines of a table; TOML has no word for what is not there."""
    given = {key: value for key, value in table.items() if value is not None}
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in given.items())


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _string(name)


def _value(value: Any) -> str:  # noqa: ANN401
    writers: dict[type, Callable[[Any], str]] = {
        str: _string,
        int: str,
        bool: lambda value: str(value).lower(),
        list: lambda items: f"[{', '.join(_value(item) for item in items)}]",
        tuple: lambda items: f"[{', '.join(_value(item) for item in items)}]",
    }
    return writers[type(value)](value)


def _string(text: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which JSON leaves bare.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
