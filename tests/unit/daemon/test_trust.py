"""A mirror that names a policy takes nothing from its source that the policy does not trust."""

from pathlib import Path

import pytest

from mlarchive.errors import ConfigError
from mlarchive.trust.signing import sign_file
from mlarchive.vault import Vault
from mlarchived.configfile import read_config
from mlarchived.resolving import resolve
from tests.support import snapshots
from tests.support.mirroring import Workbench
from tests.support.signing import LAB, key_table, lab_trust, policy_text

TRUST = 'trust = "policy.toml"\n'


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path)
    bench.configure(mirror=TRUST)
    bench.put("ale", "ale 1")
    policy = policy_text(key_table(LAB, "lab"))
    (tmp_path / "policy.toml").write_text(policy, encoding="utf-8")
    return bench


def sign_all(folder: Path) -> None:
    for path in folder.rglob("*.mlpkg"):
        sign_file(path, [LAB])


def test_what_is_signed_is_mirrored_and_what_is_not_is_refused(bench: Workbench) -> None:
    answer = bench.run("once")
    assert answer.status == 40, answer.out
    assert bench.held() == {}
    assert "ale" in answer.out + answer.err
    assert "it has no signature" in bench.run("check").out
    sign_all(bench.folder / "source")
    assert "it has no signature" not in bench.run("check").out
    answer = bench.run("once")
    assert answer.status == 0, answer.out
    assert len(bench.held()) == 1
    # The target has the very package, with the signature that is good for it.
    with Vault.open(bench.folder / "target", trust=lab_trust(bench.folder)) as target:
        target.require_trusted()
        assert len([*target.counting()]) == 1
    # What comes later, unsigned, is refused too, and what there was stays.
    with Vault.open(bench.folder / "source") as source:
        source.add(snapshots.model_version(origin="lab"), packed_at=0)
    assert bench.run("once").status == 40
    assert len(bench.held()) == 1


def test_a_policy_for_a_source_that_holds_no_packages_is_refused(tmp_path: Path) -> None:
    text = (
        '[registries.a]\nlocator = "dir:a"\n[[mirror]]\nname = "m"\nsource = "a#folders/*"\n'
        f'vault = "v"\n{TRUST}'
    )
    path = tmp_path / "mirror.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="the source holds none") as caught:
        resolve(read_config(path))
    assert "mirror.toml, line 7" in str(caught.value)
