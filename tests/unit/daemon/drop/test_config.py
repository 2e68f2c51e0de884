"""What a configuration may say of a drop folder, and what contradicts itself."""

from pathlib import Path

import pytest

from mlarchived.configfile import read_config, to_toml
from mlarchived.resolving import resolve
from tests.support.dropping import DropBench


def test_the_effective_configuration_says_the_same(tmp_path: Path) -> None:
    bench = DropBench(tmp_path, 'pattern = "{name}/{version}"\npoll = true\n')
    first = resolve(read_config(tmp_path / "mirror.toml"))
    (tmp_path / "mirror.toml").write_text(to_toml(first.config))
    again = resolve(read_config(tmp_path / "mirror.toml"))
    assert again.config == first.config
    assert [job.drop for job in again.jobs] == [job.drop for job in first.jobs]
    assert bench.run("config").status == 0
    assert bench.run("check").out.count("  drop     ") == 1
    assert bench.run("plan").status == 0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('vault = "vault"', "", "line 4: mirror[1]: a mirror with a drop folder needs a `vault`"),
        ('"vault"', '"inbox/v"', "line 10: mirror[1].drop.folder: the drop folder and the vault"),
        ('name = "m"', 'name = "m"\nsource = "dr"', "mirror[1].source: a mirror has a source or"),
        ("settle", "setle", "mirror[1].drop.setle: unknown key `setle`; the nearest known key is"),
        ('"1s"', '"soon"', "settle: write a number above 0 and a unit, such as 90s, 15m, 6h or 1d"),
        ('"1s"', '"1s"\npattern = "{version}"', "pattern: write a path with {name}, and {version}"),
        ('[mirror.drop]\nfolder = "inbox"\nsettle = "1s"', "", "the key `source` is missing"),
    ],
)
def test_what_makes_no_sense_is_one_sentence_with_its_place(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    bench = DropBench(tmp_path)
    text = (tmp_path / "mirror.toml").read_text()
    assert old in text
    (tmp_path / "mirror.toml").write_text(text.replace(old, new, 1))
    answer = bench.run("check")
    assert answer.status == 10
    assert says in answer.err


def test_two_mirrors_do_not_share_a_drop_folder_or_its_vault(tmp_path: Path) -> None:
    bench = DropBench(tmp_path)
    text = (tmp_path / "mirror.toml").read_text()
    second = '[[mirror]]\nname = "n"\nvault = "other"\n[mirror.drop]\nfolder = "inbox"\n'
    (tmp_path / "mirror.toml").write_text(text + second)
    assert "it is the drop folder of 'n' too" in bench.run("check").err
    second = '[[mirror]]\nname = "n"\nvault = "vault"\nsource = "vault:else"\n'
    (tmp_path / "mirror.toml").write_text(text + second)
    assert "'n' has this vault too" in bench.run("check").err


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[registries.dr]", 'state = "inbox/s"\n[registries.dr]', "the state folder lies in the"),
        ('"vault:target"', '"vault:inbox/far"', "it and the drop folder of 'm' lie in one another"),
        ('"vault:target"', '"vault:."', "it and the drop folder of 'm' lie in one another"),
        ("[registries.dr]", 'state = "link/s"\n[registries.dr]', "the state folder lies in the"),
        ('"vault:target"', '"vault:link/far"', "it and the drop folder of 'm' lie in one another"),
        ('vault = "vault"', 'vault = "link/v"', "the drop folder and the vault lie in one another"),
    ],
)
def test_nothing_of_the_service_lies_in_a_drop_folder(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    bench = DropBench(tmp_path)
    (tmp_path / "link").symlink_to("inbox")
    text = (tmp_path / "mirror.toml").read_text()
    (tmp_path / "mirror.toml").write_text(text.replace(old, new, 1))
    answer = bench.run("check")
    assert answer.status == 10
    assert says in answer.err
