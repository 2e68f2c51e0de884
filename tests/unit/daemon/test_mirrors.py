"""Names become registries, paths become absolute, contradictions are refused with their line."""

from pathlib import Path

import pytest

from mlarchive.errors import ConfigError
from mlarchived.configfile import read_config, to_toml
from mlarchived.mirrors import Setting
from mlarchived.resolving import resolve
from mlarchived.views import VAULT

GOOD = """\
[registries.prod]
locator = "mlflow+http://127.0.0.1:5000"
[registries.files]
locator = "dir:models"
[registries.base]
locator = "mlflow+sqlite:///mlflow.db"
[[mirror]]
name = "wine"
source = "prod#models/wine*"
vault = "vault"
targets = ["files", "base"]
"""


def resolved(folder: Path, text: str) -> Setting:
    path = folder / "mirror.toml"
    path.write_text(text, encoding="utf-8")
    return resolve(read_config(path))


def test_paths_are_relative_to_the_file_and_not_to_the_process(tmp_path: Path) -> None:
    setting = resolved(tmp_path, GOOD)
    assert setting.state == tmp_path / "state"
    assert setting.jobs[0].vault == tmp_path / "vault"
    files, base = setting.jobs[0].targets
    assert files.locator.registry == str(tmp_path / "models")
    assert base.locator.registry == f"sqlite:///{tmp_path / 'mlflow.db'}"


def test_a_source_is_a_name_with_a_selector(tmp_path: Path) -> None:
    source = resolved(tmp_path, GOOD).jobs[0].source
    assert source.name == "prod"
    assert source.locator.registry == "http://127.0.0.1:5000"
    assert (source.locator.selector.kind, source.locator.selector.name) == ("models", "wine*")


def test_a_source_may_be_a_whole_locator_which_then_is_its_origin(tmp_path: Path) -> None:
    text = GOOD.replace("prod#models/wine*", "mlflow+http://127.0.0.1:7000#models/wine/3")
    source = resolved(tmp_path, text).jobs[0].source
    assert source.name == "mlflow+http://127.0.0.1:7000"
    assert source.locator.selector.version == "3"


def test_the_vault_comes_first_because_targets_are_written_from_it(tmp_path: Path) -> None:
    assert resolved(tmp_path, GOOD).jobs[0].rules().targets == (VAULT, "files", "base")


def test_a_vault_and_azure_ml_take_a_number_late(tmp_path: Path) -> None:
    (tmp_path / "keep").mkdir()
    more = '[registries.keep]\nlocator = "vault:keep"\n[registries.lab]\nlocator = "azureml://registries/R"\n'
    text = GOOD.replace('targets = ["files", "base"]', 'targets = ["base", "keep", "lab"]')
    assert resolved(tmp_path, more + text).jobs[0].rules().patient == {"keep", "lab"}


def test_the_effective_configuration_means_the_same(tmp_path: Path) -> None:
    setting = resolved(tmp_path, GOOD)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = resolved(elsewhere, to_toml(setting.config))
    assert again.config == setting.config
    assert again.jobs[0].vault == setting.jobs[0].vault


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        (
            '"prod#models/wine*"',
            '"pord#models/*"',
            "line 9: mirror[1].source: no registry is called",
        ),
        ('["files",', '["flies",', "line 11: mirror[1].targets[1]: no registry is called 'flies'"),
        ('"base"]', '"files"]', "line 11: mirror[1].targets[2]: 'files' is named twice"),
        ('"base"]', '"prod"]', "line 11: mirror[1].targets[2]: a registry cannot be mirrored"),
        ('"dir:models"', '"models"', "line 4: registries.files.locator: 'models' is a name"),
        ('"dir:models"', '"dir:"', "line 4: registries.files.locator: "),
        (
            '"dir:models"',
            '"mlflow+http://me:secret@127.0.0.1"',
            "line 4: registries.files.locator: the locator",
        ),
        (
            '"dir:models"',
            '"mlflow+http://127.0.0.1:5000/"',
            "line 4: registries.files.locator: 'prod' is the same registry",
        ),
        (
            '"dir:models"',
            '"dir:models#folders/x"',
            "line 4: registries.files.locator: a registry is named without an object",
        ),
        (
            'vault = "vault"',
            'vault = "vault"\nevery = "15m"\ncron = "30 1 * * mon"',
            "line 12: mirror[1].cron: `every` is given as well",
        ),
        ("models/wine*", "models/wine//MLmodel", "line 9: mirror[1].source: a mirror takes whole"),
        (
            'vault = "vault"',
            'vault = "vault"\narchived = true',
            "line 11: mirror[1].archived: the source archives no versions",
        ),
        (
            'vault = "vault"\ntargets = ["files", "base"]',
            "",
            "line 7: mirror[1]: the mirror 'wine' goes nowhere",
        ),
    ],
)
def test_a_contradiction_is_refused_with_its_line(
    tmp_path: Path, good: str, bad: str, said: str
) -> None:
    assert good in GOOD
    with pytest.raises(ConfigError) as caught:
        resolved(tmp_path, GOOD.replace(good, bad))
    assert said in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("name", ["vault", "link"])
def test_a_mirrors_vault_is_no_target_of_it_by_whatever_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "link").symlink_to("vault")
    more = f'[registries.keep]\nlocator = "vault:{name}"\n'
    with pytest.raises(ConfigError, match="'keep' is the mirror's own vault"):
        resolved(tmp_path, more + GOOD.replace('targets = ["files",', 'targets = ["keep",'))
    with pytest.raises(ConfigError, match="'one' is the same registry"):
        resolved(tmp_path, '[registries.one]\nlocator = "vault:vault"\n' + more + GOOD)


def test_a_mirror_that_goes_by_cron_is_written_without_every(tmp_path: Path) -> None:
    setting = resolved(tmp_path, GOOD.replace("[[mirror]]", "[[mirror]]\ncron = '30 1 * * mon'"))
    assert resolved(tmp_path, to_toml(setting.config)).config == setting.config


def test_two_mirrors_cannot_share_a_name(tmp_path: Path) -> None:
    mirror = GOOD[GOOD.index("[[mirror]]") :]
    with pytest.raises(ConfigError, match=r"line 13: mirror\[2\]\.name: another mirror is called"):
        resolved(tmp_path, GOOD + mirror)
