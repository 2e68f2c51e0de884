"""Laws of identity: ids depend on meaning, on all of it, and on nothing else."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mlarchive.package import Meaning, Packed, decode_documents, encode_documents, localised
from mlarchive.package.paths import check_paths, refusal
from mlarchive.records import (
    Address,
    AnyRecord,
    ArtifactRoot,
    Environment,
    Experiment,
    File,
    LoggedModel,
    MetricSeries,
    ModelVersion,
    Native,
    RegisteredModel,
    Run,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TAGS = st.dictionaries(TEXT, TEXT, max_size=3)
HEX = st.sampled_from([digit * 64 for digit in "0123456789abcdef"])
FILES = st.dictionaries(
    st.text("abcde", min_size=1, max_size=3),
    st.tuples(st.integers(0, 2**40), HEX, st.sampled_from(["artifact", "environment"])),
    max_size=3,
).map(
    lambda files: tuple(
        File(path=path, size=size, sha256=sha256, role=role)  # type: ignore[arg-type]  # one of two
        for path, (size, sha256, role) in sorted(files.items())
    )
)
METRICS = st.dictionaries(TEXT, st.tuples(st.integers(0, 2**40), HEX), max_size=3).map(
    lambda metrics: tuple(
        MetricSeries(key=key, points=points, sha256=sha256)
        for key, (points, sha256) in sorted(metrics.items(), key=lambda item: item[0].encode())
    )
)
NATIVE = st.builds(Native, id=TEXT, created=st.integers(0, 2**50), also=TAGS)


@st.composite
def snapshots(draw: st.DrawFn) -> tuple[AnyRecord, ...]:
    """A few runs, their models and environments; often several that are hard to tell apart."""
    runs = draw(
        st.lists(
            st.builds(
                Run,
                key=st.just(""),
                experiment=st.just("experiment"),
                params=TAGS,
                tags=TAGS,
                lifecycle=st.sampled_from(["active", "deleted"]).map(lambda s: "".join(list(s))),
                start=st.integers(0, 2),
                metrics=METRICS,
                native=NATIVE,
            ),
            min_size=1,
            max_size=4,
        )
    )
    records: list[AnyRecord] = [Experiment(key="experiment", tags=draw(TAGS))]
    for number, run in enumerate(runs):
        records.append(msgspec.structs.replace(run, key=f"run{number}"))
        if draw(st.booleans()):
            records.append(
                LoggedModel(
                    key=f"model{number}",
                    run=f"run{number}",
                    tags=draw(st.sampled_from([{}, {"a": "1"}, {"a": "2"}])),
                    files=draw(FILES),
                )
            )
            records.append(Environment(key=f"environment{number}", record=f"model{number}"))
    records.append(RegisteredModel(key="registered", tags=draw(TAGS)))
    records.append(
        ModelVersion(
            key="version",
            registered_model="registered",
            run="run0",
            root=ArtifactRoot(record="run0", path="m"),
            description=draw(TEXT),
            native=draw(NATIVE),
        )
    )
    return tuple(records)


def meaning(records: tuple[AnyRecord, ...], subject: str = "version") -> Meaning:
    return localised(
        Meaning(
            address=Address(origin="o", kind="models", name="n"),
            subject=subject,
            records=records,
            packed=Packed(tool="t", time=1),
        )
    )


def renamed(records: tuple[AnyRecord, ...]) -> tuple[AnyRecord, ...]:
    from mlarchive.package.fields import rekeyed

    keys = {record.key: f"server-id-{record.key[::-1]}" for record in records}
    return tuple(rekeyed(record, keys) for record in records)


@given(records=snapshots())
def test_documents_say_what_was_put_into_them(records: tuple[AnyRecord, ...]) -> None:
    said = meaning(records)
    documents = encode_documents(said)
    assert decode_documents(documents) == said
    assert encode_documents(decode_documents(documents)) == documents


@given(records=snapshots(), data=st.data())
def test_ids_do_not_depend_on_order_or_on_the_names_that_a_server_gives(
    records: tuple[AnyRecord, ...], data: st.DataObject
) -> None:
    documents = encode_documents(meaning(records))
    shuffled = tuple(data.draw(st.permutations(records)))
    again = encode_documents(meaning(shuffled))
    assert (again.content, again.state) == (documents.content, documents.state)
    subject = "server-id-" + "version"[::-1]
    other = encode_documents(meaning(renamed(shuffled), subject))
    assert (other.content, other.state) == (documents.content, documents.state)


@given(records=snapshots(), data=st.data())
def test_tags_descriptions_and_evidence_never_change_the_content(
    records: tuple[AnyRecord, ...], data: st.DataObject
) -> None:
    changed = []
    for record in records:
        new = msgspec.structs.replace(record, native=data.draw(NATIVE))
        if not isinstance(new, Environment):
            new = msgspec.structs.replace(new, tags=data.draw(TAGS))
        changed.append(new)
    before = encode_documents(meaning(records))
    after = encode_documents(meaning(tuple(changed)))
    assert after.content == before.content


@given(records=snapshots(), native=NATIVE)
def test_evidence_changes_no_id(records: tuple[AnyRecord, ...], native: Native) -> None:
    changed = tuple(
        msgspec.structs.replace(record, native=native) if record.key == "version" else record
        for record in records
    )
    before, after = encode_documents(meaning(records)), encode_documents(meaning(changed))
    assert (after.content_id, after.state_id) == (before.content_id, before.state_id)


@given(records=snapshots(), key=TEXT, value=TEXT)
def test_any_param_changes_the_content(
    records: tuple[AnyRecord, ...], key: str, value: str
) -> None:
    (run,) = (record for record in records if record.key == "run0")
    assert isinstance(run, Run)
    if run.params.get(key) == value:
        value += "x"
    new = msgspec.structs.replace(run, params=run.params | {key: value})
    changed = tuple(new if record is run else record for record in records)
    assert encode_documents(meaning(changed)).content_id != (
        encode_documents(meaning(records)).content_id
    )


@given(records=snapshots(), key=TEXT, value=TEXT)
def test_any_tag_changes_the_state_and_nothing_else(
    records: tuple[AnyRecord, ...], key: str, value: str
) -> None:
    (model,) = (record for record in records if isinstance(record, RegisteredModel))
    if model.tags.get(key) == value:
        value += "x"
    new = msgspec.structs.replace(model, tags=model.tags | {key: value})
    changed = tuple(new if record is model else record for record in records)
    before, after = encode_documents(meaning(records)), encode_documents(meaning(changed))
    assert after.content_id == before.content_id
    assert after.state_id != before.state_id


@given(records=snapshots(), extra=FILES.filter(bool))
def test_any_file_and_any_metric_changes_the_content(
    records: tuple[AnyRecord, ...], extra: tuple[File, ...]
) -> None:
    (run,) = (record for record in records if record.key == "run0")
    with_files = msgspec.structs.replace(run, files=extra)
    series = MetricSeries(key="another", points=1, sha256="f" * 64)
    with_metric = msgspec.structs.replace(run, metrics=(series,))
    other = msgspec.structs.replace(run, metrics=(msgspec.structs.replace(series, points=2),))
    ids = set()
    for new in (with_files, with_metric, other):
        changed = tuple(new if record is run else record for record in records)
        ids.add(encode_documents(meaning(changed)).content_id)
    assert len(ids) == 3


@given(path=st.text(max_size=30))
def test_a_path_that_is_allowed_stays_below_its_folder(path: str) -> None:
    if refusal(path) == "":
        parts = path.split("/")
        assert path
        assert not {"", ".", ".."} & set(parts)
        assert not any(character in path for character in "\\:\0\n")
        check_paths([path])
