"""Writes of what has no run that lose their server: repeated, they end whole, once and idle."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from mlarchive.errors import UnavailableError
from mlarchive.package import Package
from mlarchive.records import (
    Address,
    AnyRecord,
    EvaluationDataset,
    Experiment,
    Native,
    Prompt,
    PromptVersion,
    RegisteredModel,
    Scorer,
    Webhook,
)
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.mlflow import MlflowRegistry
from mlarchive.registries.selecting import parse_object
from mlarchive.snapshot import Snapshot, Stream
from tests.support.cutting_proxy import Cut, cutting_proxy
from tests.support.mlflow_packages import file_stream, packed
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow

POLICY = WritePolicy()
RECORDS = [f'{{"inputs":{{"q":{n}}},"tags":{{"n":"{n}"}}}}\n'.encode() for n in range(3)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kind of object.

    Attributes:
        kind: As addressed.
        made: Its records by name; the first is the subject.
        found: What finds it at the target, by name.
        step: Every so many requests one answer is lost.
        streams: Its files.
    """

    kind: str
    made: Callable[[str], tuple[AnyRecord, ...]]
    found: str
    step: int
    streams: tuple[Stream, ...] = ()


def prompt(name: str) -> tuple[AnyRecord, ...]:
    linked = f"{name} linked"
    return (
        PromptVersion(
            key="subject",
            prompt="prompt",
            name=name,
            version="3",
            template="Hello.",
            template_type="text",
            message="third",
            aliases=("live",),
            tags={"checked": "yes"},
        ),
        Prompt(key="prompt", name=name, tags={"team": "cellar"}, experiments=(linked,)),
    )


def dataset(name: str) -> tuple[AnyRecord, ...]:
    return (EvaluationDataset(key="subject", name=name, records=3, experiments=(f"{name} of",)),)


def scorer(name: str) -> tuple[AnyRecord, ...]:
    versions = {number: json.dumps({"name": "judge", "n": number}) for number in ("1", "3")}
    return (
        Scorer(key="subject", name="judge", experiment="home", versions=versions),
        Experiment(key="home", native=Native(id=name), name=name),
    )


def webhook(name: str) -> tuple[AnyRecord, ...]:
    url = f"https://127.0.0.1:9/{name}"
    events = ("prompt_alias.deleted",)
    return (Webhook(key="subject", name=name, url=url, events=events, status="DISABLED"),)


def model(name: str) -> tuple[AnyRecord, ...]:
    return (RegisteredModel(key="subject", name=name, description="None yet.", tags={"a": "b"}),)


CASES: Mapping[str, Case] = {
    "prompt": Case(kind="prompts", made=prompt, found="prompts/{}", step=5),
    "dataset": Case(
        kind="evaluation-datasets",
        made=dataset,
        found="evaluation-datasets/{}",
        step=2,
        streams=(file_stream("subject", "records.jsonl", b"".join(RECORDS)),),
    ),
    "scorer": Case(kind="scorers", made=scorer, found="scorers/{}%2Fjudge", step=4),
    "webhook": Case(kind="webhooks", made=webhook, found="webhooks/{}", step=2),
    "model": Case(kind="registered-models", made=model, found="registered-models/{}", step=2),
}


def package(case: Case, name: str) -> Package:
    address = Address(
        origin="elsewhere",
        kind=case.kind,
        name=name,
        version="3" if case.kind == "prompts" else "",
    )
    records = case.made(name)
    return packed(
        Snapshot(address=address, subject="subject", records=records, streams=case.streams)
    )


@pytest.mark.parametrize("what", CASES)
def test_wherever_a_write_loses_its_server_repeating_it_finishes_it(
    what: str,
    clinic: MlflowRegistry,
    target_server: MlflowServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    case = CASES[what]
    interrupted = at = 0
    while interrupted * case.step == at:
        at += case.step
        name = f"{what}-cut-{at}"
        made = package(case, name)
        interrupted += _is_interrupted(made, target_server.uri, at)
        clinic.write(made.snapshot(), POLICY)

        (listing,) = clinic.ls(parse_object(case.found.format(name)))
        back = packed(clinic.read(listing.address))
        assert (back.content_id, back.state_id) == (made.content_id, made.state_id), at
        assert clinic.write(made.snapshot(), POLICY).idle, at
    assert interrupted > 1


def _is_interrupted(made: Package, upstream: str, at: int) -> bool:
    """Write through a proxy that loses its server for good at one of the requests."""
    cut = Cut(at=0, for_good=True)
    with cutting_proxy(upstream, cut) as uri, MlflowRegistry.open(uri) as broken:
        cut.seen, cut.at = 0, at
        try:
            broken.write(made.snapshot(), POLICY)
        except UnavailableError:
            return True
    return False
