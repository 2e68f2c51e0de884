"""A configuration file is read strictly, and every fault is named with file, line and key."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlarchive.errors import AccessError, ConfigError
from mlarchived import toml_lines
from mlarchived.config import Config, Mirror, Registry, Where
from mlarchived.configfile import read_config, to_toml

GOOD = """\
[registries.prod]
locator = "mlflow+http://127.0.0.1:5000"

[[mirror]]
name = "wine"
source = "prod#models/*"
vault = "vault"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mirror.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(path) in caught.value.message
    return caught.value.message.removeprefix(str(path))


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, GOOD)).config
    assert config.state == "state"
    assert config.mirror[0].versions == "preserve"
    assert config.mirror[0].include == ("*",)


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        (
            'vault = "vault"',
            "targest = []",
            ", line 7: mirror[1].targest: unknown key `targest`; the nearest known key is `targets",
        ),
        (
            'locator = "m',
            'locater = "m',
            ", line 2: registries.prod.locater: unknown key `locater`; the nearest known key is",
        ),
        (
            "[registries.prod]",
            "[registry.prod]",
            ", line 1: registry: unknown key `registry`; the nearest known key is `registries`",
        ),
        ('name = "wine"', "name = 3", ", line 5: mirror[1].name: expected a string, found 3"),
        (
            'name = "wine"\n',
            "",
            ", line 4: mirror[1]: the key `name` is missing",
        ),
        (
            'name = "wine"',
            'name = "a wine"',
            ", line 5: mirror[1].name: only letters, digits, `.`, `_` and `-` may be used",
        ),
        (
            'vault = "vault"',
            'versions = "keep"',
            ', line 7: mirror[1].versions: "keep" is none of "preserve", "next"',
        ),
        (
            'vault = "vault"',
            "targets = [\n'dr',\n3]",
            ", line 9: mirror[1].targets[2]: expected a string, found 3",
        ),
        ('vault = "vault"', "include = []", ", line 7: mirror[1].include: at least 1 item"),
        (
            'vault = "vault"',
            'exclude = [""]',
            ", line 7: mirror[1].exclude[1]: it must not be empty",
        ),
        (
            'vault = "vault"',
            "set_aside_after = 0",
            ", line 7: mirror[1].set_aside_after: it must be >= 1",
        ),
        (
            'vault = "vault"',
            "set_aside_after = true",
            ", line 7: mirror[1].set_aside_after: expected an integer, found true",
        ),
        ("[registries.prod]", "[registries.'a b']", ", line 1: registries.a b: only letters"),
        (
            "[registries.prod]\nlocator",
            "[registries]\nprod",
            ", line 2: registries.prod: expected a table",
        ),
        ("[[mirror]]", "[mirror]", ", line 4: mirror: expected an array, found a table"),
        ("[[mirror]]", "[mirror", ", line 4, column 8: not valid TOML: "),
    ],
)
def test_a_fault_is_named_with_its_line_and_key(
    tmp_path: Path, good: str, bad: str, said: str
) -> None:
    assert good in GOOD
    assert refusal(tmp_path, GOOD.replace(good, bad)).startswith(said)


def test_a_file_without_mirrors_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "") == ", line 1: the key `mirror` is missing"


def test_a_key_far_from_all_known_ones_gets_them_all_listed(tmp_path: Path) -> None:
    assert (
        "known keys are `state`, `service`, `registries`, `monitoring`, `vaults`, `mirror`"
        in refusal(tmp_path, "zzz = 1\n")
    )


def test_a_file_that_is_not_there_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no configuration file") as caught:
        read_config(tmp_path / "mirror.toml")
    assert "--config" in caught.value.hint


def test_bytes_that_are_not_utf_8_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "mirror.toml"
    path.write_bytes(b"# fine\n# caf\xe9\n")
    with pytest.raises(ConfigError, match="line 2: the file is not UTF-8"):
        read_config(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_an_access_error(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    path.chmod(0)
    with pytest.raises(AccessError):
        read_config(path)


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FULL_TEXTS = TEXTS.filter(bool)
MIRRORS = st.builds(
    Mirror,
    name=NAMES,
    source=TEXTS,
    vault=TEXTS,
    targets=st.lists(NAMES, max_size=3).map(tuple),
    versions=st.sampled_from(["preserve", "next"]),
    conflict=st.sampled_from(["fail", "skip", "new-version"]),
    include=st.lists(FULL_TEXTS, min_size=1, max_size=3).map(tuple),
    exclude=st.lists(FULL_TEXTS, max_size=3).map(tuple),
    set_aside_after=st.integers(1, 9),
    where=st.builds(
        Where,
        aliases=st.lists(FULL_TEXTS, max_size=2).map(tuple),
        tags=st.dictionaries(TEXTS, FULL_TEXTS, max_size=2),
        newer_than=st.sampled_from(["", "30d"]),
    ),
    rename=st.dictionaries(FULL_TEXTS, FULL_TEXTS, max_size=2),
)
CONFIGS = st.builds(
    Config,
    state=TEXTS,
    registries=st.dictionaries(NAMES, st.builds(Registry, locator=TEXTS), max_size=3),
    mirror=st.lists(MIRRORS, min_size=1, max_size=3).map(tuple),
)


@given(CONFIGS)
def test_what_is_written_is_read_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, config: Config
) -> None:
    path = written(tmp_path_factory.getbasetemp(), to_toml(config))
    assert read_config(path).config == config


@given(CONFIGS)
def test_every_key_that_is_written_has_a_line(config: Config) -> None:
    text = to_toml(config)
    lines = toml_lines.key_lines(text)
    last = len(config.mirror) - 1
    assert text.split("\n")[lines["mirror", last, "conflict"] - 1].startswith("conflict = ")
