"""Notebooks of a Databricks workspace: each format at its revision, and why one cannot be had."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlarchive.errors import AccessError, ConfigError, RemoteError, UnavailableError
from mlarchive.registries.notebooks.records import FORMATS, Found
from mlarchive.registries.notebooks.wanted import Workspace, wanted_from
from mlarchive.registries.notebooks.workspace import fetch_notebook
from tests.support import databricks

PATH = "/Users/ada@example.org/train"
RAW = {
    "SOURCE": b"# Databricks notebook source\nprint(1)\n",
    "HTML": b"<html>train</html>",
    "JUPYTER": b'{"cells": []}',
    "DBC": b"PK\x03\x04 an archive",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[databricks.Workspace]:
    with databricks.workspace(tmp_path_factory.mktemp("workspace")) as held:
        yield held


@pytest.fixture
def there(running: databricks.Workspace, monkeypatch: pytest.MonkeyPatch) -> databricks.Workspace:
    """The workspace with one notebook of two revisions, in every format."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.bundle))
    running.notebooks.clear()
    running.forbidden.clear()
    running.asked.clear()
    running.failing, running.elsewhere, running.strangers = 0, "", 0
    for form, raw in RAW.items():
        running.put(PATH, "1700", form, raw)
        running.put(PATH, "1800", form, raw + b" later")
    return running


Fetch = Callable[..., Found]


@pytest.fixture
def losses() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def fetch(there: databricks.Workspace, losses: list[tuple[str, str]]) -> Fetch:
    def fetched(path: str = PATH, revision: str = "1700", token: str = databricks.TOKEN) -> Found:
        workspace = Workspace(host=there.host, token=token)
        return fetch_notebook(
            workspace, path, revision, FORMATS, lambda form, why: losses.append((form, why))
        )

    return fetched


def test_every_format_is_had_at_the_revision_that_is_asked_for(
    fetch: Fetch, there: databricks.Workspace, losses: list[tuple[str, str]]
) -> None:
    found = fetch()
    names = {"SOURCE": "py", "HTML": "html", "JUPYTER": "ipynb", "DBC": "dbc"}
    assert found.contents == {form: (f"train.{end}", RAW[form]) for form, end in names.items()}
    assert there.asked == [(PATH, "1700", form) for form in FORMATS]
    assert fetch(revision="1800").contents["DBC"][1] == RAW["DBC"] + b" later"
    assert losses == []


def test_what_cannot_be_had_is_told_of_each_format(
    fetch: Fetch, there: databricks.Workspace, losses: list[tuple[str, str]]
) -> None:
    assert fetch(revision="1").contents == {}
    assert [form for form, why in losses if "Revision 1 doesn't exist" in why] == list(FORMATS)
    losses.clear()
    assert fetch(path="/Shared/gone").contents == {}
    assert [form for form, why in losses if "404" in why] == list(FORMATS)
    losses.clear()
    there.forbidden.add(PATH)
    assert fetch().contents == {}
    assert [form for form, why in losses if "PERMISSION_DENIED" in why] == list(FORMATS)
    losses.clear()
    there.forbidden.clear()
    there.put(PATH, "1700", "HTML", bytes(databricks.LARGEST + 1))
    assert set(fetch().contents) == set(FORMATS) - {"HTML"}
    ((form, why),) = losses
    assert (form, "MAX_NOTEBOOK_SIZE_EXCEEDED" in why) == ("HTML", True)


def test_a_wrong_token_is_an_error_and_is_not_told(fetch: Fetch) -> None:
    with pytest.raises(AccessError, match="Invalid access token") as caught:
        fetch(token="dapi-other")  # noqa: S106  (of no workspace)
    assert "dapi" not in caught.value.message + caught.value.hint


def test_a_workspace_that_is_overloaded_is_asked_again(
    fetch: Fetch, there: databricks.Workspace, losses: list[tuple[str, str]]
) -> None:
    there.failing = 1
    assert set(fetch().contents) == set(FORMATS)
    there.failing = 100
    with pytest.raises(UnavailableError, match="TEMPORARILY_UNAVAILABLE"):
        fetch()
    assert losses == []


def test_no_answer_leads_the_token_elsewhere(
    fetch: Fetch, there: databricks.Workspace, tmp_path: Path, losses: list[tuple[str, str]]
) -> None:
    with databricks.workspace(tmp_path) as other:
        there.elsewhere = other.host + databricks.PATH
        assert fetch().contents == {}
        assert (other.asked, other.strangers) == ([], 0)
    assert [form for form, why in losses if "302" in why] == list(FORMATS)


def test_a_certificate_of_nobody_we_trust_ends_it(
    fetch: Fetch, there: databricks.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(RemoteError, match="not trusted"):
        fetch()
    assert there.asked == []


def test_the_workspace_is_named_as_its_users_name_it(tmp_path: Path) -> None:
    formats = {"MLARCHIVE_NOTEBOOK_FORMATS": "html, SOURCE"}
    named = {"DATABRICKS_HOST": "ADB-1.example.org/", "DATABRICKS_TOKEN": "t"}
    wanted = wanted_from(formats | named)
    assert wanted.formats == ("SOURCE", "HTML")
    assert wanted.workspace == Workspace(host="https://adb-1.example.org", token="t")  # noqa: S106
    profiles = tmp_path / ".databrickscfg"
    profiles.write_text("[lab]\nhost = https://lab.example.org\ntoken = of-lab\n")
    profile = {"HOME": str(tmp_path), "DATABRICKS_CONFIG_PROFILE": "lab"}
    lab = Workspace(host="https://lab.example.org", token="of-lab")  # noqa: S106
    assert wanted_from(formats | profile).workspace == lab
    assert wanted_from(named).workspace is None


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"MLARCHIVE_NOTEBOOK_FORMATS": "PDF"}, "no notebook format 'PDF'"),
        (
            {"MLARCHIVE_NOTEBOOK_FORMATS": "HTML", "DATABRICKS_TOKEN": "s3cret"},
            "no Databricks workspace is known",
        ),
        (
            {
                "MLARCHIVE_NOTEBOOK_FORMATS": "HTML",
                "DATABRICKS_HOST": "http://lab.example.org",
                "DATABRICKS_TOKEN": "s3cret",
            },
            "not the address of a workspace",
        ),
        (
            {
                "MLARCHIVE_NOTEBOOK_FORMATS": "HTML",
                "DATABRICKS_HOST": "https://me:s3cret@lab.example.org",
                "DATABRICKS_TOKEN": "s3cret",
            },
            "not the address of a workspace",
        ),
    ],
)
def test_what_is_set_wrong_is_said_at_once(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        wanted_from(environment)
    assert "s3cret" not in caught.value.message + caught.value.hint
