"""What documents must look like, and each refusal of one that does not."""

import json
from typing import Any

import msgspec
import pytest

from mlarchive.errors import FormatError
from mlarchive.package import (
    Documents,
    Meaning,
    Packed,
    canonical,
    decode_documents,
    encode_documents,
    localised,
)
from mlarchive.package.entries import check_objects, named_objects, size_of
from mlarchive.package.keys import in_part
from mlarchive.records import (
    Address,
    File,
    Folder,
    LoggedModel,
    Loss,
    MetricSeries,
    Native,
    Run,
)
from tests.support.packages import folder_meaning

DIGEST = "a" * 64


def documents(*files: File) -> Documents:
    return encode_documents(folder_meaning(files, tags={"k": "v"}))


def edited(part: str, change: Any) -> Documents:  # noqa: ANN401
    """Documents of which one was changed as JSON and encoded canonically again."""
    whole = documents(File(path="a", size=1, sha256=DIGEST), File(path="b", size=2, sha256=DIGEST))
    document = json.loads(getattr(whole, part))
    change(document)
    return msgspec.structs.replace(whole, **{part: canonical.encode(document)})


def refused(broken: Documents, code: str) -> None:
    with pytest.raises(FormatError) as caught:
        decode_documents(broken)
    assert caught.value.refusal == code, caught.value


@pytest.mark.clause("6.2", "6.3")
def test_documents_are_what_the_spec_shows() -> None:
    made = documents(File(path="a", size=1, sha256=DIGEST))
    assert made.content == (
        b'{"format":"mlpkg-content-1","records":{"folder-1":{"files":[{"path":"a","sha256":"'
        + DIGEST.encode()
        + b'","size":1}],"kind":"folder"}},"subject":"folder-1"}'
    )
    assert made.state == (b'{"format":"mlpkg-state-1","records":{"folder-1":{"tags":{"k":"v"}}}}')
    assert made.evidence == (
        b'{"address":{"kind":"folders","name":"test","origin":"dir:test"},'
        b'"format":"mlpkg-evidence-1","packed":{"time":0,"tool":"tests"},"records":{}}'
    )


@pytest.mark.clause("6.1")
def test_canonical_text_escapes_only_what_it_must() -> None:
    text = 'é"\\/\b\t\n\f\r\x01\x1f\x7f\u2028🦊'
    assert canonical.encode(text) == (
        '"é\\"\\\\/\\b\\t\\n\\f\\r\\u0001\\u001f\x7f\u2028🦊"'.encode()
    )


@pytest.mark.clause("6.1")
def test_members_are_sorted_by_the_bytes_of_their_names() -> None:
    names = ["b", "a", "é", "Z", "\U0001f98a", "\ufb01", ""]
    encoded = canonical.encode(dict.fromkeys(names, 0))
    assert list(json.loads(encoded)) == sorted(names, key=str.encode)


@pytest.mark.clause("6.1")
def test_a_default_is_left_out_whichever_object_it_is() -> None:
    read_from_a_server = json.loads('"active"')
    role = json.loads('"artifact"')
    literal = Run(key="r", lifecycle="active")
    read = Run(
        key="r",
        lifecycle=read_from_a_server,
        native=Native(),
        files=(File(path="a", size=1, sha256=DIGEST, role=role),),
    )
    assert in_part(literal, "state") == in_part(read, "state") == {}
    assert in_part(read, "content") == {"files": ({"path": "a", "size": 1, "sha256": DIGEST},)}
    assert b"active" not in canonical.encode(read)


@pytest.mark.clause("6.1")
def test_a_stated_default_is_not_canonical() -> None:
    def state_default(document: dict[str, Any]) -> None:
        document["records"]["folder-1"]["files"][0]["role"] = "artifact"

    refused(edited("content", state_default), "E031")


@pytest.mark.parametrize(
    ("part", "raw", "code"),
    [
        ("content", b"", "E030"),
        ("content", b"\xff", "E030"),
        ("content", b"[" * 100_000, "E030"),
        ("state", b'{"format":"\xff"}', "E030"),
        ("state", b'{"format":"\\ud800"}', "E030"),
        ("content", b"{}", "E030"),
        ("state", b'{"format":"mlpkg-state-1"}', "E030"),
        ("state", b'{"format":"mlpkg-state-2","records":{}}', "E033"),
        ("evidence", b'{"format":"mlpkg-evidence-1","records":{}}', "E030"),
        ("state", b'{"format":"mlpkg-state-1","records":{},"x":1}', "E030"),
        ("state", b'{"format":"mlpkg-state-1", "records":{}}', "E031"),
        ("state", b'{"records":{},"format":"mlpkg-state-1"}', "E031"),
        ("state", b'{"format":"mlpkg-state-1","records":{}}\n', "E031"),
        ("state", b'{"format":"mlpkg-state-1","records":{"folder-1":{}}}', "E031"),
        ("state", b'{"format":"mlpkg-state-1","records":{"folder-2":{"tags":{}}}}', "E032"),
    ],
)
@pytest.mark.clause("6.1", "6.3")
def test_documents_in_another_form(part: str, raw: bytes, code: str) -> None:
    refused(msgspec.structs.replace(documents(), **{part: raw}), code)


@pytest.mark.clause("6.1")
def test_the_last_of_two_equal_members_does_not_win() -> None:
    made = documents()
    twice = made.state.replace(b'{"k":"v"}', b'{"k":"other","k":"v"}')
    refused(msgspec.structs.replace(made, state=twice), "E031")


def record(document: dict[str, Any]) -> dict[str, Any]:
    inner: dict[str, Any] = document["records"]["folder-1"]
    return inner


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda d: d.update(subject="folder-2"), "E032"),
        (lambda d: record(d).update(kind="of the future"), "E033"),
        (lambda d: record(d).update(kind=3), "E033"),
        (lambda d: record(d).update(description="state in content"), "E030"),
        (lambda d: record(d).update(key="folder-2"), "E030"),
        (lambda d: record(d)["files"][0].update(size="1"), "E030"),
        (lambda d: record(d)["files"][0].update(size=1.5), "E030"),
        (lambda d: record(d)["files"][0].update(mode=0o777), "E030"),
        (lambda d: record(d)["files"][0].update(path="../a"), "E036"),
        (lambda d: record(d)["files"][1].update(path="a/b"), "E037"),
        (lambda d: record(d)["files"].reverse(), "E038"),
        (lambda d: record(d)["files"][1].update(path="a"), "E038"),
        (lambda d: record(d)["files"][0].update(size=-1), "E039"),
        (lambda d: record(d)["files"][0].update(sha256="A" * 64), "E039"),
        (lambda d: record(d)["files"][0].update(sha256="a" * 63), "E039"),
        (lambda d: record(d)["files"][0].update(sha256="a" * 64 + "\n"), "E039"),
    ],
)
@pytest.mark.clause("6.1", "6.4", "7.1", "7.2", "8.1", "8.2", "12.1")
def test_content_that_breaks_a_clause(change: Any, code: str) -> None:  # noqa: ANN401
    refused(edited("content", change), code)


@pytest.mark.parametrize(
    "key",
    ["folder-2", "folder-01", "folder-0", "FOLDER-1", "run-1", "../../evil", "", "a\nb", "\x1b[2J"],
)
@pytest.mark.clause("6.4")
def test_keys_are_numbered_by_kind(key: str) -> None:
    def rename(document: dict[str, Any]) -> None:
        document["records"] = {key: record(document)}
        document["subject"] = key

    whole = encode_documents(folder_meaning([]))
    content = json.loads(whole.content)
    rename(content)
    refused(msgspec.structs.replace(whole, content=canonical.encode(content)), "E031")


@pytest.mark.clause("6.4")
def test_keys_of_two_kinds_do_not_stand_in_for_each_other() -> None:
    whole = encode_documents(folder_meaning([]))
    content = json.loads(whole.content)
    content["records"] = {"folder-1": {"kind": "run"}, "run-1": {"kind": "folder"}}
    refused(msgspec.structs.replace(whole, content=canonical.encode(content)), "E031")


@pytest.mark.clause("6.4")
def test_a_reference_to_no_record_is_refused() -> None:
    def dangle(document: dict[str, Any]) -> None:
        document["records"]["run-1"] = {"kind": "run", "experiment": "experiment-1"}

    refused(edited("content", dangle), "E032")


@pytest.mark.parametrize(
    "series",
    [
        (("b", ""), ("a", "")),
        (("a", ""), ("a", "")),
        (("a", "y"), ("a", "x")),
    ],
)
@pytest.mark.clause("7.2")
def test_series_are_sorted_and_unique(series: tuple[tuple[str, str], ...]) -> None:
    metrics = tuple(
        MetricSeries(key=key, dataset=dataset, points=0, sha256=DIGEST) for key, dataset in series
    )
    made = localised(
        Meaning(
            address=Address(origin="o", kind="runs", name="r"),
            subject="r",
            records=(Run(key="r", metrics=metrics),),
            packed=Packed(tool="t", time=0),
        )
    )
    refused(encode_documents(made), "E038")


@pytest.mark.clause("6.3")
def test_losses_are_evidence_and_come_back() -> None:
    loss = Loss(record="run r", field="tags", why="it was too long")
    meaning = msgspec.structs.replace(folder_meaning([]), losses=(loss,))
    made = encode_documents(meaning)
    assert decode_documents(made).losses == (loss,)
    assert made.content_id == documents().content_id


def test_records_that_share_a_key_or_refer_to_nothing_are_a_mistake_of_the_source() -> None:
    def local(*records: Folder | Run) -> Meaning:
        return localised(
            Meaning(
                address=Address(origin="o", kind="runs", name="r"),
                subject="r",
                records=records,
                packed=Packed(tool="t", time=0),
            )
        )

    with pytest.raises(ValueError, match="share the key 'r'"):
        local(Run(key="r"), Folder(key="r"))
    with pytest.raises(ValueError, match="not in the snapshot"):
        local(Run(key="r", experiment="e"))


@pytest.mark.clause("6.4", "6.5")
def test_which_of_two_equal_models_is_labelled_never_changes_the_content() -> None:
    ids = set()
    for first, second in (("x", "y"), ("y", "x"), ("", "z"), ("z", "")):
        records = (
            Run(key="r1"),
            Run(key="r2"),
            LoggedModel(key="m1", run="r1", tags={"t": first} if first else {}),
            LoggedModel(key="m2", run="r2", tags={"t": second} if second else {}),
        )
        for order in (records, records[::-1]):
            meaning = Meaning(
                address=Address(origin="o", kind="runs", name="r"),
                subject="r1",
                records=order,
                packed=Packed(tool="t", time=0),
            )
            content = encode_documents(localised(meaning)).content.replace(b"run-1", b"run-2")
            ids.add(content)
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("sizes", "code"), [([], "E034"), ([1, 1], "E034"), ([2], "E035"), ([0], "E035")]
)
@pytest.mark.clause("7.4")
def test_objects_and_entries_must_agree(sizes: list[int], code: str) -> None:
    named = named_objects(folder_meaning([File(path="a", size=1, sha256=DIGEST)]).records)
    check_objects(named, [1])
    with pytest.raises(FormatError, match=code):
        check_objects(named, sizes)


@pytest.mark.clause("9.3")
def test_objects_are_in_the_order_in_which_the_documents_name_them() -> None:
    files = [File(path=path, size=1, sha256=path * 64) for path in "cab"]
    again = File(path="d", size=1, sha256="b" * 64)
    assert list(named_objects(folder_meaning([*files, again]).records)) == [
        path * 64 for path in "abc"
    ]


def test_one_object_has_one_size() -> None:
    files = [File(path="a", size=1, sha256=DIGEST), File(path="b", size=2, sha256=DIGEST)]
    with pytest.raises(FormatError, match="E035"):
        named_objects(folder_meaning(files).records)


@pytest.mark.clause("7.4")
def test_a_series_has_24_bytes_a_point() -> None:
    assert size_of(MetricSeries(key="k", points=3, sha256=DIGEST)) == 72
    assert size_of(MetricSeries(key="k", points=-1, sha256="")) == -1
