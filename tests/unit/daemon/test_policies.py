"""What a mirror may be told: which objects, under which names, when, and how fast."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from mlarchive.errors import ConfigError
from mlarchive.vault import Vault
from mlarchived import windows
from mlarchived.renaming import Rule
from tests.support import snapshots
from tests.support.mirroring import Workbench

TOMORROW = f"{datetime.now(UTC) + timedelta(days=2):%a}".lower()


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path)
    bench.configure()
    return bench


def names(bench: Workbench) -> list[str]:
    return sorted(address.name for address in bench.held())


def reasons(bench: Workbench) -> dict[str, str]:
    return {e["object"]: e["reason"] for e in bench.run("plan", "--json").events}


def test_only_what_has_the_tags_is_mirrored_and_the_rest_says_why(bench: Workbench) -> None:
    bench.put("ale", "1", tags={"audience": "clinic-a"})
    bench.put("beer", "1", tags={"audience": "lab"})
    bench.put("cider", "1")
    bench.configure(mirror='[mirror.where]\ntags = { audience = "clinic-*" }\n')
    assert bench.run("once").status == 0
    assert names(bench) == ["ale"]
    found = reasons(bench)
    assert found["lab#folders/ale/1"] == "up to date"
    assert found["lab#folders/beer/1"] == "not chosen: it has no tag audience like 'clinic-*'"
    bench.put("beer", "1", tags={"audience": "clinic-b"})
    assert bench.run("once").status == 0
    assert names(bench) == ["ale", "beer"]


def test_packages_say_what_is_chosen_now_when_the_choice_moves_on_and_back(
    bench: Workbench,
) -> None:
    bench.configure(mirror='vault = "vault"\n[mirror.where]\ntags = { champion = "*" }\n')
    for champion in ("1", "2", "1"):
        for version in ("1", "2"):
            tags = {"champion": "yes"} if version == champion else {}
            bench.put("wine", f"wine {version}", version=version, tags=tags)
        assert bench.run("once").status == 0
        for folder in ("vault", "target"):
            held, source = bench.held(folder), bench.held("source")
            assert held == {address: source[address] for address in held}
    assert len(bench.held()) == 2
    bench.put("wine", "other wine 2", version="2")
    assert "nothing to do" in bench.run("once").out


def test_what_would_have_one_name_at_a_server_is_refused_and_the_rest_arrives(
    bench: Workbench,
) -> None:
    """Else each would take the name from the other, round after round."""
    wine = partial(snapshots.model_version, origin="lab")
    with Vault.open(bench.folder / "source") as source:
        for name in ("team-a/wine", "team-b/wine", "beer"):
            source.add(wine(name=name, ids=name), packed_at=1)
        source.add(snapshots.model_version(origin="field", name="beer", version="3"), packed_at=1)
        source.add(wine(name="beer", version="4", ids="beer 4"), packed_at=1)
    bench.configure(
        ("src#folders/*", "src#models/*"),
        ("mlflow+http://127.0.0.1:9", "mlflow-export:export"),
        ('targets = ["dr"]', 'targets = ["down"]'),
        mirror='[mirror.rename]\n"team-*/*" = "{2}"\n',
    )
    found = {e["object"]: (e["verb"], e["reason"]) for e in bench.run("plan", "--json").events}
    said = "team-a/wine, team-b/wine would all be called wine there: see `rename`"
    assert found["lab#models/team-a%2Fwine/3"] == ("set-aside", said)
    assert found["lab#models/team-b%2Fwine/3"] == ("set-aside", said)
    assert found["field#models/beer/3"][0] == "set-aside"
    assert "the same name and version" in found["lab#models/beer/3"][1]
    assert found["lab#models/beer/4"][0] != "set-aside"


def test_age_is_that_of_the_object(bench: Workbench) -> None:
    bench.put("ale", "1")  # Packed in 2023.
    bench.configure(mirror='[mirror.where]\nnewer_than = "30d"\n')
    assert bench.run("once").status == 0
    assert names(bench) == []
    bench.configure(mirror='[mirror.where]\nolder_than = "30d"\n')
    assert bench.run("once").status == 0
    assert names(bench) == ["ale"]


def test_a_source_that_tells_nothing_of_what_is_asked_is_no_empty_one(bench: Workbench) -> None:
    bench.put("ale", "1")
    bench.configure(mirror='[mirror.where]\nstages = ["Production"]\n')
    answer = bench.run("once")
    assert answer.status == 19
    assert "the source does not tell the stage of any object" in answer.err
    assert names(bench) == []


@pytest.mark.parametrize(
    ("pattern", "template", "name", "becomes"),
    [
        ("*", "clinic-{name}", "wine", "clinic-wine"),
        ("team-?/*", "{2} of {1}", "team-a/wine", "wine of a"),
        ("wine", "vin", "wine", "vin"),
        ("wine", "vin", "wines", ""),
        ("a.*", "{1}", "abc", ""),
    ],
)
def test_a_name_is_made_of_what_the_pattern_found(
    pattern: str, template: str, name: str, becomes: str
) -> None:
    rule = Rule(pattern=pattern, template=template)
    assert not rule.wrong()
    assert rule.named(name) == becomes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[mirror.rename]\n"*" = "{2}"\n', "mirror[1].rename.*: {2} stands for nothing"),
        ('[mirror.rename]\n"*" = "{x"\n', "mirror[1].rename.*: a brace stands alone"),
        ('[mirror.rename]\n"*" = "x"\n', "the target 'dr' keeps names and version numbers"),
        ('windows = ["8-17"]\n', "mirror[1].windows[1]: '8-17' is no window of time"),
        ('windows = ["24:00-06:00"]\n', "'24:00-06:00' is no window of time"),
        ('[mirror.where]\nalias = ["x"]\n', "mirror[1].where.alias: unknown key `alias`;"),
        ('[mirror.where]\nalias = ["x"]\n', "the nearest known key is `aliases`"),
        ('[mirror.where]\nnewer_than = "1w"\n', "write a number above 0 and a unit"),
        ('versions = "next"\n', "the target 'dr' keeps names and version numbers"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(bench: Workbench, text: str, said: str) -> None:
    bench.configure(mirror=text)
    answer = bench.run("config")
    assert answer.status == 10
    assert said in answer.err
    assert "mirror.toml, line 1" in answer.err


@pytest.mark.parametrize(
    ("text", "when", "is_open"),
    [
        ("20:00-06:00", "2026-03-02T19:59", False),
        ("20:00-06:00", "2026-03-02T20:00", True),
        ("20:00-06:00", "2026-03-03T05:59", True),
        ("20:00-06:00", "2026-03-03T06:00", False),
        ("mon-fri 20:00-06:00", "2026-03-07T05:00", True),  # Begun on Friday.
        ("mon-fri 20:00-06:00", "2026-03-07T21:00", False),
        ("sat,sun 00:00-24:00", "2026-03-08T23:59", True),
        ("sat-mon 00:00-24:00", "2026-03-03T00:00", False),
        ("fri-mon 12:00-13:00", "2026-03-01T12:30", True),
    ],
)
def test_a_window_is_open_from_its_first_minute_to_its_last(
    text: str,
    when: str,
    is_open: bool,  # noqa: FBT001  (a parameter of a test)
) -> None:
    now = datetime.fromisoformat(when).replace(tzinfo=UTC)
    assert (not windows.closed((windows.parse(text),), now)) == is_open


def test_who_is_told_to_wait_is_told_until_when() -> None:
    found = (windows.parse("mon 20:00-06:00"), windows.parse("wed 01:00-02:00"))
    now = datetime(2026, 3, 3, 6, tzinfo=UTC)
    assert windows.closed(found, now).endswith("the next one opens at 2026-03-04 01:00Z")
    with pytest.raises(ConfigError):
        windows.parse("sometimes")


def test_outside_its_windows_a_mirror_does_nothing_and_says_when_it_will(bench: Workbench) -> None:
    bench.put("ale", "1")
    bench.configure(mirror=f'windows = ["{TOMORROW} 00:00-24:00"]\n')
    answer = bench.run("once")
    assert answer.status == 0
    assert "waiting" in answer.out
    assert "the next one opens at" in answer.out
    assert names(bench) == []
    bench.configure(mirror='windows = ["00:00-24:00"]\n')
    assert bench.run("once").status == 0
    assert names(bench) == ["ale"]
