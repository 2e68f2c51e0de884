"""Traces at real servers: read whole, written with their ids, and the same again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from mlarchive.errors import DamageError, UnavailableError
from mlarchive.package import Package
from mlarchive.records import Address, Experiment, File, LoggedModel, Run, Traces
from mlarchive.registries.base import Receipt, Selector, WritePolicy
from mlarchive.registries.mlflow import (
    MlflowRegistry,
    tracefetching,
    tracefiles,
    tracefolders,
    writing_traces,
)
from mlarchive.snapshot import Snapshot, entry_name
from mlarchive.traces import Assessment, Span, Trace, is_page, page_name, read_traces
from tests.support.cutting_proxy import Cut, cutting_proxy
from tests.support.mlflow_packages import by_hand, file_stream, packed
from tests.support.mlflow_seed import tracking
from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_traces import Traced, seed_traces
from tests.support.snapshots import pages_of, traced_run

pytestmark = pytest.mark.mlflow

POLICY = WritePolicy()
NOON = 1_700_000_000_000


@pytest.fixture(scope="module")
def asked(source_server: MlflowServer) -> Traced:
    """Traces at the source; tests read them and leave them as they are."""
    return seed_traces(source_server.uri, "asked")


@pytest.fixture
def there(target_server: MlflowServer) -> MlflowClient:
    return MlflowClient(target_server.uri, target_server.uri)


def run_address(registry: MlflowRegistry, run_id: str) -> Address:
    return Address(origin=registry.origin, kind="runs", name=run_id)


def experiment_address(registry: MlflowRegistry, name: str) -> Address:
    return Address(origin=registry.origin, kind="experiments", name=name)


def package_at(registry: MlflowRegistry, address: Address) -> Package:
    return packed(registry.read(address))


def traces_in(package: Package) -> dict[str, Trace]:
    """All traces of a package by id."""
    snapshot = package.snapshot()
    records = [record for record in snapshot.records if isinstance(record, Traces)]
    pages = {
        record.key: [
            stream.open()
            for stream in snapshot.streams_of(record.key)
            if isinstance(stream.entry, File) and is_page(stream.entry.path)
        ]
        for record in records
    }
    return {trace.id: trace for key in pages for trace in read_traces(pages[key])}


def ids_at(client: MlflowClient, experiment: str) -> list[str]:
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    traces = client.search_traces(
        locations=[found.experiment_id], max_results=500, include_spans=False
    )
    return sorted(trace.info.trace_id for trace in traces)


def small_trace(digits: str, *, time: int = NOON, **more: object) -> Trace:
    """A trace with two spans; its id ends with some hex digits."""
    spans = (
        Span(id="00000000000000a1", name="all", start=time * 10**6, end=time * 10**6 + 9),
        Span(
            id="00000000000000a2",
            parent="00000000000000a1",
            name="part",
            start=time * 10**6 + 1,
            attributes={"text": "17", "json": '{"a": "b"}', "mlflow.spanInputs": {"q": [1, 2.5]}},
        ),
    )
    plain = Trace(id=f"tr-{digits:0>32}", time=time, duration=7, state="OK", spans=spans)
    return msgspec.structs.replace(plain, **more)


def judged(digits: str, *, time: int = NOON) -> Trace:
    """The same with an assessment that another one replaces."""
    first = Assessment(
        id=f"a-{digits}-1",
        kind="feedback",
        name="good",
        value=False,
        source_kind="HUMAN",
        source="ada",
        created=time,
        updated=time + 5,
        valid=False,
    )
    second = msgspec.structs.replace(
        first, id=f"a-{digits}-2", value=True, created=time + 1, valid=True, overrides=first.id
    )
    return small_trace(digits, time=time, assessments=(first, second))


def of_a_run(traces: Sequence[Trace], name: str, *, lifecycle: str = "active") -> Snapshot:
    """A package's snapshot of a run with these traces, from a registry of that name."""
    made = traced_run(traces, ids=name)
    records = tuple(
        msgspec.structs.replace(record, lifecycle=lifecycle) if isinstance(record, Run) else record
        for record in made.records
    )
    address = Address(origin=name, kind="runs", name=f"run-{name}")
    return replace(made, address=address, records=records)


def written(target: MlflowRegistry, snapshot: Snapshot) -> Receipt:
    return target.write(packed(snapshot).snapshot(), POLICY)


def test_a_run_brings_all_of_its_traces(lab: MlflowRegistry, asked: Traced) -> None:
    package = package_at(lab, run_address(lab, asked.run_id))

    traces = traces_in(package)
    expected = {asked.made, asked.by_model, asked.linked, asked.unfinished, asked.filed}
    assert traces.keys() == expected
    assert [traces[asked.linked].linked, traces[asked.made].linked] == [True, False]
    assert traces[asked.unfinished] == Trace(
        id=asked.unfinished,
        time=NOON,
        state="IN_PROGRESS",
        request_preview="a request",
        response_preview="a response",
        tags={"mlflow.traceName": "by hand"},
    )
    (old,) = traces[asked.filed].spans
    assert (old.name, old.attributes["mlflow.spanInputs"]) == ("old", {"q": "old"})
    assert package.meaning.losses == ()
    assert package.meaning.transformations == ()


def test_a_trace_is_read_whole(lab: MlflowRegistry, asked: Traced) -> None:
    trace = traces_in(package_at(lab, run_address(lab, asked.run_id)))[asked.made]

    root, step, tool = trace.spans
    assert (trace.state, trace.client_request_id) == ("OK", "request made")
    assert trace.tags == {
        "checked": "yes",
        "mlflow.traceName": "chain",
        "team": "cellar",
        "áé": "ü",
    }
    assert trace.metadata["mlflow.trace.session"] == "s-1"
    assert "mlflow.sourceRun" not in trace.metadata
    assert (root.parent, step.parent, tool.parent) == ("", root.id, root.id)
    numbers = root.attributes["mlflow.spanInputs"]["numbers"]
    assert [repr(number) for number in numbers] == ["1", "1.0", "-0.0", "1e+300", "nan"]
    assert step.attributes["model"] == {"name": "m", "layers": [{"n": 1}, {"n": 2.5}], "on": True}
    assert step.attributes["mlflow.spanOutputs"]["answer"] == 'made\n"yes"\u2028'
    assert [(e.name, e.attributes) for e in step.events] == [
        ("token", {"index": 3, "text": "né", "p": 0.1})
    ]
    assert [(link.trace, link.attributes) for link in step.links] == [(f"tr-{7:032x}", {"k": "v"})]
    assert (tool.status, tool.events[0].name) == ("ERROR", "exception")
    assert tool.message.startswith("ValueError")


def test_assessments_are_read_with_what_they_replace(lab: MlflowRegistry, asked: Traced) -> None:
    trace = traces_in(package_at(lab, run_address(lab, asked.run_id)))[asked.made]

    first, second, score, failed, expected, length = trace.assessments
    assert (first.value, first.valid, first.of_run) == (False, False, True)
    assert first.metadata == {"cost": "0.1"}
    assert (second.value, second.valid, second.overrides) == (True, True, first.id)
    assert (first.source_kind, first.source) == ("LLM_JUDGE", "endpoints:/judge")
    assert score.value == {"a": 0.5, "b": [1.0, "x"]}
    assert failed.error is not None
    assert failed.error.message == "no answer"
    assert [(one.kind, one.value) for one in (expected, length)] == [
        ("expectation", {"facts": ["wine", 3]}),
        ("expectation", 17.0),
    ]


def test_traces_of_a_carried_model_say_so(lab: MlflowRegistry, asked: Traced) -> None:
    package = package_at(lab, run_address(lab, asked.run_id))

    (model,) = (record for record in package.meaning.records if isinstance(record, LoggedModel))
    counts = {r.logged_model: r.count for r in package.meaning.records if isinstance(r, Traces)}
    assert counts == {model.key: 1, "": 4}


def test_an_experiment_brings_the_traces_that_no_run_made(
    lab: MlflowRegistry, asked: Traced
) -> None:
    package = package_at(lab, experiment_address(lab, asked.experiment))

    assert traces_in(package).keys() == {asked.alone, asked.linked}
    assert not any(isinstance(record, Run) for record in package.meaning.records)
    attached = [
        stream.entry.path
        for stream in package.snapshot().streams
        if isinstance(stream.entry, File) and not is_page(stream.entry.path)
    ]
    assert {path.split("/")[1] for path in attached} == {asked.alone, asked.linked}
    assert any("/attachments/" in path for path in attached)


def test_a_link_to_a_trace_of_another_experiment_is_a_listed_loss(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    trace = small_trace("ad")
    written(clinic, of_a_run([trace], "elsewhere"))
    experiment_id = there.create_experiment("linking from afar")
    run = there.create_run(experiment_id)
    there.link_traces_to_run([trace.id], run.info.run_id)

    snapshot = clinic.read(run_address(clinic, run.info.run_id))

    assert [(loss.field, trace.id in loss.why) for loss in snapshot.losses] == [("links", True)]
    assert not any(isinstance(record, Traces) for record in snapshot.records)


def test_a_database_and_its_server_give_the_same(
    lab: MlflowRegistry, source_server: MlflowServer, asked: Traced
) -> None:
    address = experiment_address(lab, asked.experiment)
    with MlflowRegistry.open(source_server.database, origin="lab") as database:
        snapshots = [registry.read(address) for registry in (lab, database)]
        first, second = (pages_read(snapshot) for snapshot in snapshots)

    assert first == second
    assert first.count(b"\n") == 2
    # Only the server can reach what was attached.
    assert [loss.field for loss in snapshots[1].losses] == ["attached"]


def pages_read(snapshot: Snapshot) -> bytes:
    pages = b""
    for stream in snapshot.streams:
        if isinstance(stream.entry, File) and is_page(stream.entry.path):
            with stream.open() as page:
                pages += page.read()
    return pages


def test_sizes_of_answers_do_not_change_what_is_read(
    lab: MlflowRegistry, asked: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = package_at(lab, run_address(lab, asked.run_id))
    monkeypatch.setattr(tracefetching, "_SEARCHED", 2)
    monkeypatch.setattr(tracefetching, "_FETCHED", 2)

    assert package_at(lab, run_address(lab, asked.run_id)).content_id == whole.content_id


def test_a_page_is_fetched_while_it_is_read(
    source_server: MlflowServer, asked: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracefetching, "_FETCHED", 1)
    cut = Cut()
    with (
        cutting_proxy(source_server.uri, cut) as uri,
        MlflowRegistry.open(uri, origin="lab") as registry,
    ):
        snapshot = registry.read(experiment_address(registry, asked.experiment))
        listed = cut.seen
        page = next(s for s in snapshot.streams if getattr(s.entry, "path", "") == page_name(1))
        with page.open() as file:
            file.read(1)
            first = cut.seen
            file.read()
            assert listed < first < cut.seen


def test_a_round_trip_over_two_servers_keeps_every_trace(
    lab: MlflowRegistry, clinic: MlflowRegistry, there: MlflowClient, asked: Traced
) -> None:
    sources = (
        run_address(lab, asked.run_id),
        experiment_address(lab, asked.experiment),
    )
    for address in sources:
        package = package_at(lab, address)
        receipt = clinic.write(package.snapshot(), POLICY)
        back = package_at(clinic, receipt.target)

        assert receipt.losses == ()
        assert (back.content_id, back.state_id) == (package.content_id, package.state_id)
        again = clinic.write(package.snapshot(), POLICY)
        assert again.idle
        assert again.bytes == 0
    assert len(ids_at(there, asked.experiment)) == 6
    with tracking(str(there.tracking_uri)):
        opened = there.get_trace(asked.made)
    assert opened.info.trace_metadata["mlflow.sourceRun"] != asked.run_id
    assert {span.name for span in opened.data.spans} == {"chain", "model", "tool"}


def test_what_changed_at_the_source_is_put_right(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    name = "relabelled"
    before = judged("c1", time=NOON)
    kept = small_trace("c2", time=NOON + 1)
    first, second = before.assessments
    third = msgspec.structs.replace(first, id=f"{first.id}0", created=NOON + 2, valid=True)
    after = [
        msgspec.structs.replace(
            before,
            tags={"b": "new"},
            state="ERROR",
            assessments=(
                msgspec.structs.replace(first, rationale="Better so."),
                second,
                third,
            ),
        ),
        kept,
        small_trace("c3", time=NOON + 2),
    ]
    before = msgspec.structs.replace(before, tags={"a": "old", "b": "old"})
    written(clinic, of_a_run([before, kept], name))

    receipt = written(clinic, of_a_run(after, name))

    back = package_at(clinic, receipt.target)
    assert traces_in(back) == {trace.id: trace for trace in after}
    assert receipt.losses == ()
    assert there.get_trace(kept.id).info.tags["mlarchive.origin"].startswith(f"{name}#")


def test_an_assessment_that_was_taken_back_is_removed(clinic: MlflowRegistry) -> None:
    before = judged("f1")
    (first, _) = before.assessments
    after = msgspec.structs.replace(
        before, assessments=(msgspec.structs.replace(first, valid=True),)
    )
    written(clinic, of_a_run([before], "taken-back"))
    receipt = written(clinic, of_a_run([after], "taken-back"))

    assert traces_in(package_at(clinic, receipt.target)) == {after.id: after}


def test_a_trace_that_the_source_has_no_more_stays_and_is_listed(clinic: MlflowRegistry) -> None:
    traces = [small_trace(f"f2{n}", time=NOON + n) for n in range(2)]
    written(clinic, of_a_run(traces, "fewer"))
    receipt = written(clinic, of_a_run(traces[:1], "fewer"))

    assert [(c.field, c.why) for c in receipt.transformations if c.field == "trace"] == [
        ("trace", f"of 1 ({traces[1].id}): the source has it no more; it stays")
    ]


def test_somebody_elses_trace_of_that_id_stays(clinic: MlflowRegistry, there: MlflowClient) -> None:
    mine, equal = small_trace("f3"), small_trace("f4")
    written(clinic, of_a_run([mine], "first-come"))
    there.delete_trace_tag(mine.id, "mlarchive.origin")
    other = msgspec.structs.replace(mine, tags={"whose": "theirs"})

    receipt = written(clinic, of_a_run([other, equal], "second-come"))

    assert [(loss.field, mine.id in loss.why) for loss in receipt.losses] == [("all of it", True)]
    assert "whose" not in there.get_trace(mine.id).info.tags
    assert there.get_trace(equal.id).info.trace_id == equal.id


def test_a_copy_into_another_experiment_leaves_traces_where_they_are(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    trace = small_trace("f5", linked=True)
    made = of_a_run([trace], "stays")
    records = [
        msgspec.structs.replace(record, experiment="home") if isinstance(record, Run) else record
        for record in made.records
    ]
    home = Experiment(key="home", name="stays at home")
    snapshot = replace(made, records=(*records, home))
    written(clinic, snapshot)
    policy = WritePolicy(experiment="stays elsewhere")

    for _ in range(2):
        receipt = clinic.write(packed(snapshot).snapshot(), policy)
        assert [(loss.field, trace.id in loss.why) for loss in receipt.losses] == [
            ("all of it", True)
        ]

    assert (ids_at(there, home.name), ids_at(there, "stays elsewhere")) == ([trace.id], [])
    assert written(clinic, snapshot).idle


def test_what_a_server_cannot_hold_is_a_listed_loss(clinic: MlflowRegistry) -> None:
    odd = msgspec.structs.replace(small_trace("f5"), id="request-17")
    first = Assessment(
        id="a-f6-1", kind="expectation", value=1.0, valid=False, created=1, updated=1
    )
    second = msgspec.structs.replace(
        first, id="a-f6-2", overrides=first.id, valid=True, created=2, updated=2
    )
    expected = small_trace("f6", time=NOON + 1, assessments=(first, second))
    receipt = written(clinic, of_a_run([odd, expected], "odd-ids"))

    assert sorted(loss.field for loss in receipt.losses) == ["assessments", "spans"]
    assert traces_in(package_at(clinic, receipt.target)).keys() == {odd.id, expected.id}
    assert written(clinic, of_a_run([odd, expected], "odd-ids")).idle


def test_what_no_server_can_have_said_is_refused(clinic: MlflowRegistry) -> None:
    beyond = msgspec.structs.replace(small_trace("ae"), time=2**62)

    with pytest.raises(DamageError, match="no server can hold"):
        written(clinic, of_a_run([beyond], "beyond-time"))


def test_a_database_takes_traces_as_a_server_does(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    SqlAlchemyStore(uri, str(tmp_path / "artifacts"))
    first = Assessment(id="a-1", kind="expectation", value=1.0, valid=False, created=1, updated=1)
    second = msgspec.structs.replace(
        first, id="a-2", overrides=first.id, valid=True, created=2, updated=2
    )
    traces = [judged("aa"), small_trace("ab", time=NOON + 1, assessments=(first, second))]
    package = packed(of_a_run(traces, "into-a-database"))
    with MlflowRegistry.open(uri, origin="database") as database:
        receipt = database.write(package.snapshot(), POLICY)
        back = package_at(database, receipt.target)

        assert receipt.losses == ()
        assert (back.content_id, back.state_id) == (package.content_id, package.state_id)
        assert database.write(package.snapshot(), POLICY).idle


def test_a_deleted_run_gets_its_traces_and_stays_deleted(
    clinic: MlflowRegistry, there: MlflowClient
) -> None:
    traces = [small_trace("f7"), small_trace("f8", time=NOON + 1)]
    for some in (traces[:1], traces):
        receipt = written(clinic, of_a_run(some, "deleted-run", lifecycle="deleted"))

        assert there.get_run(receipt.target.name).info.lifecycle_stage == "deleted"
        assert len(traces_in(package_at(clinic, receipt.target))) == len(some)


def test_traces_are_seen_from_afar(clinic: MlflowRegistry, there: MlflowClient) -> None:
    trace = small_trace("ac")
    run_id = written(clinic, of_a_run([trace], "seen")).target.name

    def mark() -> str:
        (ref,) = clinic.changes(Selector(kind="runs", name=run_id))
        return ref.content_mark

    before = mark()
    assert mark() == before
    there.set_trace_tag(trace.id, "checked", "yes")
    assert mark() != before


def test_a_version_stays_the_same_when_its_run_gets_traces(clinic: MlflowRegistry) -> None:
    plain = by_hand("questioned", streams=[file_stream("run", "model/weights.txt", b"weights")])
    all_traces = [small_trace(f"f9{n}", time=NOON + n) for n in range(2)]
    clinic.write(packed(plain).snapshot(), POLICY)
    for count in (1, 2):
        traces = all_traces[:count]
        snapshot = replace(
            plain,
            records=(*plain.records, Traces(key="traces", run="run", count=count)),
            streams=(*plain.streams, *pages_of("traces", traces)),
        )
        package = packed(snapshot)
        receipt = clinic.write(package.snapshot(), POLICY)
        back = package_at(clinic, receipt.target)

        assert receipt.target.version == "1"
        assert traces_in(back) == {trace.id: trace for trace in traces}
        assert (back.content_id, back.state_id) == (package.content_id, package.state_id)
        assert clinic.write(package.snapshot(), POLICY).idle


def test_what_traces_keep_in_folders_of_the_server_is_asked_of_it(
    lab: MlflowRegistry, asked: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = (run_address(lab, asked.run_id), experiment_address(lab, asked.experiment))

    def read() -> list[bytes]:
        """All but the second copy of spans that MLflow keeps beside what is attached."""
        streams = [stream for address in addresses for stream in lab.read(address).streams]
        named = [one for one in streams if not entry_name(one.entry).endswith("/traces.json")]
        return [one.open().read() for one in named]

    from_folders = read()
    for module in (tracefiles, tracefetching):
        monkeypatch.setattr(module, "is_elsewhere", lambda *_: True)
    assert read() == from_folders

    monkeypatch.setattr(tracefolders, "_GIVEN", "/ajax-api/2.0/mlflow/no-such-request")
    lost = {loss.field.partition("/")[0] for loss in package_at(lab, addresses[1]).meaning.losses}
    assert lost == {"attached"}


@pytest.mark.parametrize(
    ("at", "for_good"), [(16, False)] + [(at, True) for at in (14, 15, 16, 23, 29)]
)
def test_a_write_that_lost_its_server_is_finished_by_repeating_it(
    *,
    at: int,
    for_good: bool,
    clinic: MlflowRegistry,
    target_server: MlflowServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0" if for_good else "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setattr(writing_traces, "_BATCH", 2)
    name = f"cut-traces-{at}-{for_good}"
    digits = f"{at:x}{int(for_good)}0"
    traces = [judged(f"{digits}{n}", time=NOON + n) for n in range(3)]
    package = packed(of_a_run(traces, name))
    cut = Cut(at=at, for_good=for_good)

    with cutting_proxy(target_server.uri, cut) as uri, MlflowRegistry.open(uri) as broken:
        cut.seen = 0
        try:
            broken.write(package.snapshot(), POLICY)
            interrupted = False
        except UnavailableError:
            interrupted = True
    assert cut.seen >= at
    assert interrupted or not for_good
    receipt = clinic.write(package.snapshot(), POLICY)

    back = package_at(clinic, receipt.target)
    assert (back.content_id, back.state_id) == (package.content_id, package.state_id)
    assert clinic.write(package.snapshot(), POLICY).idle
