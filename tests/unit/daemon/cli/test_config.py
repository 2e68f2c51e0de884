"""`mlarchived config` prints what was understood, as a configuration that means the same."""

from pathlib import Path

from tests.support.mirroring import Workbench


def test_its_answer_is_a_configuration_that_gives_the_same_answer(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.configure(mirror='vault = "vault"\n')
    first = bench.run("config").out
    assert f'vault = "{tmp_path / "vault"}"' in first
    assert 'versions = "preserve"' in first
    (tmp_path / "mirror.toml").write_text(first)
    assert bench.run("config").out == first


def test_programs_get_json(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.configure()
    (config,) = bench.run("config", "--json").events
    assert config["mirror"][0]["set_aside_after"] == 5
