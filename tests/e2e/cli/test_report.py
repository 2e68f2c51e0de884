"""`mlarchive report`: what arrived, from where, signed by whom, verified when, against what."""

import hashlib
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlarchive.pack import pack_file
from tests.support import snapshots
from tests.support.command import within


class Page(HTMLParser):
    """What a page says, and what it would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        loads = {"src", "href", "srcset", "action", "data"}
        if tag in {"script", "iframe", "img", "link", "object"} or loads & {a for a, _ in attrs}:
            self.active.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def lab(desk: Path) -> Path:
    """The desk, with `wine.mlpkg` signed by the lab, a stranger's, an unsigned and a cut one."""
    for name in ("lab", "stranger"):
        within("keygen", name, cwd=desk)
    policy = '[[key]]\nname = "the lab"\npublic = "lab.pub"\n'
    (desk / "policy.toml").write_text(policy, encoding="utf-8")
    for name in ("unsigned", "strange"):
        shutil.copy(desk / "wine.mlpkg", desk / f"{name}.mlpkg")
    within("sign", "strange.mlpkg", "--key", "stranger.key", cwd=desk)
    within("sign", "wine.mlpkg", "--key", "lab.key", cwd=desk)
    (desk / "cut.mlpkg").write_bytes((desk / "wine.mlpkg").read_bytes()[:5000])
    return desk


NAMES = ("wine.mlpkg", "unsigned.mlpkg", "strange.mlpkg", "cut.mlpkg")


def test_each_package_is_accepted_or_refused_for_its_own_reason(lab: Path) -> None:
    words = ("report", *NAMES, "--trust", "policy.toml", "--at", "2026-03-05")
    done = within(*words, "--json", cwd=lab, env={"SOURCE_DATE_EPOCH": "1772700000"})
    assert done.status == 40
    report = done.document
    assert report["made_at"] == 1_772_700_000_000
    policy = (lab / "policy.toml").read_bytes()
    assert report["policy"]["sha256"] == hashlib.sha256(policy).hexdigest()
    assert report["policy"]["judged_at"] == 1_772_668_800_000
    assert [entry["status"] for entry in report["packages"]] == [0, 40, 39, 4]
    good, *_ = report["packages"]
    assert good["address"] == "prod#models/wine/3"
    (signature,) = good["signatures"]
    assert (signature["name"], signature["verdict"]) == ("the lab", "counts")
    assert {file["path"].rpartition("/")[2] for file in good["files"]} >= {"MLmodel", "model.pkl"}
    text = within(*words, cwd=lab).out
    assert text.count("NOT ACCEPTED") == 3
    assert "(the lab): counts" in text


def test_the_page_loads_and_runs_nothing_and_says_the_same(lab: Path) -> None:
    evil = "<script>alert(1)</script>"
    snapshot = snapshots.model_version(name=evil, files={"a<b>&'\".txt": b"x"})
    pack_file(snapshot, lab / "evil.mlpkg", packed_at=1)
    words = ("report", "wine.mlpkg", "evil.mlpkg", "cut.mlpkg", "-o", "report.html")
    assert within(*words, cwd=lab).status == 4
    raw = (lab / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(raw)
    assert page.active == []
    assert evil not in raw
    assert "<script" not in raw
    assert "a<b>&'\".txt" in page.text
    shown = within("show", "wine.mlpkg", "--json", cwd=lab).document["package"]
    assert shown["package_id"] in page.text
    assert page.text.count("Not accepted") == 1
    assert within(*words, cwd=lab).status == 14


@pytest.mark.parametrize("word", ["azureml://registries/r#models/m/1", "dir:d", "vault:v#models/m"])
def test_what_is_no_package_and_no_vault_is_not_reported(desk: Path, word: str) -> None:
    done = within("report", word, "-o", "report.html", cwd=desk)
    assert (done.status, "is no package and no vault" in done.err) == (2, True)
    assert not (desk / "report.html").exists()


def test_a_vault_is_reported_package_by_package(lab: Path) -> None:
    within("pack", "dir:resnet", "wine.mlpkg", "-o", "v", cwd=lab)
    changed = snapshots.model_version(aliases=("other",))
    pack_file(changed, lab / "changed.mlpkg", packed_at=1_700_000_000_001)
    within("pack", "changed.mlpkg", "-o", "v", cwd=lab)
    report = within("report", "vault:v", "--json", cwd=lab)
    assert report.status == 0
    entries = report.document["packages"]
    assert len(entries) == 3
    assert [entry["missing"] for entry in entries] == [0, 0, 0], "a thin one has what it leans on"
