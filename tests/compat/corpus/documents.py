"""Packages whose documents break clauses 6 to 8."""

from tests.compat.corpus.changing import Cases
from tests.compat.corpus.parts import Members, documents, entry, folder, run, series, small, whole
from tests.compat.plainwriter import Documents, digest, recipe

PLAIN = documents({"folder-1": {"kind": "folder"}}, "folder-1")


def odd_documents() -> Cases:
    """All of them: name, code, package."""
    for name, (code, which, old, new) in CHANGES.items():
        assert old in PLAIN[which], name
        changed = list(PLAIN)
        changed[which] = changed[which].replace(old, new)
        yield name, code, _package((changed[0], changed[1], changed[2]))
    yield from _records()
    yield from _entries()
    yield from _paths()


def _package(documented: Documents, *objects: bytes) -> bytes:
    return small(recipe(documented, [whole(raw) if raw else [] for raw in objects])).build()


CONTENT, STATE, EVIDENCE = 0, 1, 2


KIND = b'"kind":"folder"}'


def _with_file(role: bytes) -> bytes:
    """The member `files` of a folder with an empty file."""
    sha256 = digest(b"").hex().encode()
    return b'"files":[{"path":"f",%s"sha256":"%s","size":0}],' % (role, sha256)


CHANGES: dict[str, tuple[str, int, bytes, bytes]] = {
    "not-json": ("E030", STATE, b"}", b""),
    "not-utf-8": ("E030", STATE, b"-1", b"\xff"),
    "utf-16": ("E030", STATE, PLAIN[1], PLAIN[1].decode().encode("utf-16")),
    "byte-order-mark": ("E030", STATE, b'{"format', b'\xef\xbb\xbf{"format'),
    "empty-document": ("E030", STATE, PLAIN[1], b""),
    "document-of-an-array": ("E030", STATE, PLAIN[1], b"[" + PLAIN[1] + b"]"),
    "half-a-surrogate-pair": ("E030", EVIDENCE, b'"n"', b'"\\ud800"'),
    "overlong-utf-8": ("E030", EVIDENCE, b'"n"', b'"\xc0\xae"'),
    "deep-nesting": ("E030", STATE, b"{}", b"[" * 3000),
    "unknown-member-of-a-document": ("E030", CONTENT, b'"subject"', b'"more":1,"subject"'),
    "unknown-member-of-a-record": ("E030", CONTENT, KIND, b'"kind":"folder","more":1}'),
    "member-of-state-in-content": ("E030", CONTENT, KIND, b'"description":"d",' + KIND),
    "member-of-evidence-in-state": ("E030", STATE, b"{}", b'{"folder-1":{"name":"n"}}'),
    "kind-in-state": ("E030", STATE, b"{}", b'{"folder-1":{' + KIND + b"}"),
    "record-that-is-a-number": ("E030", CONTENT, b"{" + KIND, b"1"),
    "record-of-state-that-is-a-number": ("E030", STATE, b"{}", b'{"folder-1":1}'),
    "record-of-evidence-that-is-an-array": ("E030", EVIDENCE, b":{}", b':{"folder-1":[]}'),
    "records-that-are-an-array": ("E030", STATE, b"{}", b"[]"),
    "missing-member": ("E030", EVIDENCE, b',"tool":"t"', b""),
    "missing-format": ("E030", STATE, b'"format":"mlpkg-state-1",', b""),
    "missing-subject": ("E030", CONTENT, b',"subject":"folder-1"', b""),
    "missing-records": ("E030", STATE, b',"records":{}', b""),
    "fraction": ("E030", EVIDENCE, b":1,", b":1.5,"),
    "number-with-a-point": ("E030", EVIDENCE, b":1,", b":1.0,"),
    "number-that-is-none": ("E030", EVIDENCE, b":1,", b":NaN,"),
    "number-beyond-64-bits": ("E030", EVIDENCE, b":1,", b":9223372036854775808,"),
    "number-below-64-bits": ("E030", EVIDENCE, b":1,", b":-9223372036854775809,"),
    "number-with-a-leading-zero": ("E030", EVIDENCE, b":1,", b":01,"),
    "truth-for-a-number": ("E030", EVIDENCE, b":1,", b":true,"),
    "number-for-text": ("E030", EVIDENCE, b'"t"', b"7"),
    "text-for-an-object": ("E030", EVIDENCE, b'{"time":1,"tool":"t"}', b'"packed"'),
    "null": ("E030", CONTENT, KIND, KIND[:-1] + b',"files":null}'),
    "unknown-role": ("E030", CONTENT, KIND, _with_file(b'"role":"x",') + KIND),
    "white-space": ("E031", STATE, b",", b", "),
    "byte-after-the-end": ("E031", STATE, b"}}", b"}}\n"),
    "needless-escape": ("E031", EVIDENCE, b'"folders"', b'"folder\\u0073"'),
    "escaped-slash": ("E031", EVIDENCE, b'"n"', b'"a\\/b"'),
    "capitals-in-an-escape": ("E031", EVIDENCE, b'"n"', b'"\\u001F"'),
    "long-spelling-of-an-escape": ("E031", EVIDENCE, b'"n"', b'"\\u000a"'),
    "escape-beyond-ascii": ("E031", EVIDENCE, b'"n"', b'"\\u00e9"'),
    "minus-zero": ("E031", EVIDENCE, b":1,", b":-0,"),
    "repeated-member": ("E031", STATE, b'"format"', b'"format":"mlpkg-state-1","format"'),
    "stated-default": ("E031", EVIDENCE, b'"origin":"o"', b'"origin":"o","version":""'),
    "stated-empty-list": ("E031", EVIDENCE, b'"packed"', b'"losses":[],"packed"'),
    "record-without-members": ("E031", STATE, b"{}", b'{"folder-1":{}}'),
    "members-out-of-order": ("E031", CONTENT, KIND, KIND[:-1] + b"," + _with_file(b"")[:-1] + b"}"),
    "number-beyond-the-others": ("E031", CONTENT, b"folder-1", b"folder-2"),
    "key-with-a-leading-zero": ("E031", CONTENT, b"folder-1", b"folder-01"),
    "key-of-another-kind": ("E031", CONTENT, b"folder-1", b"run-1"),
    "subject-that-is-no-record": ("E032", CONTENT, b':"folder-1"', b':"folder-2"'),
    "subject-that-is-empty": ("E032", CONTENT, b':"folder-1"', b':""'),
    "state-of-no-record": ("E032", STATE, b"{}", b'{"run-1":{"name":"r"}}'),
    "evidence-of-no-record": ("E032", EVIDENCE, b":{}", b':{"run-1":{"native":{"id":"r"}}}'),
    "unknown-kind": ("E033", CONTENT, KIND, b'"kind":"notion"}'),
    "kind-that-is-missing": ("E033", CONTENT, KIND, b"}"),
    "unknown-format-of-content": ("E033", CONTENT, b"content-1", b"content-2"),
    "unknown-format-of-state": ("E033", STATE, b"state-1", b"state-2"),
    "unknown-format-of-evidence": ("E033", EVIDENCE, b"evidence-1", b"evidence-2"),
}
"""Code, document, what is replaced, and by what."""


def _records() -> Cases:
    def of(**members: object) -> bytes:
        return _package(documents({"run-1": {"kind": "run", **members}}, "run-1"))

    yield "reference-to-no-record", "E032", of(parent="run-2")
    yield "reference-in-a-list-to-no-record", "E032", of(model_inputs=[{"model": "logged-model-1"}])
    two: dict[str, Members] = {"run-1": {"kind": "run"}, "run-3": {"kind": "run"}}
    yield "number-left-out", "E031", _package(documents(two, "run-1"))


def _entries() -> Cases:
    x, y = entry("x", b"x"), entry("y", b"y")
    one, two = series("k", b"", dataset="d"), series("k", b"")
    yield "files-not-sorted", "E038", _package(folder(y, x), b"y", b"x")
    yield "file-twice", "E038", _package(folder(x, x), b"x")
    yield (
        "files-sorted-by-utf-16",
        "E038",
        _package(folder(entry("\U0001f600", b"x"), entry("\uffe0", b"x")), b"x"),
    )
    yield "series-not-sorted", "E038", _package(run(series("l", b""), two), b"")
    yield "series-not-sorted-by-dataset", "E038", _package(run(one, two), b"")
    yield "series-twice", "E038", _package(run(two, two), b"")
    for name, changes in {
        "digest-in-capitals": {"sha256": x["sha256"].upper()},
        "digest-too-short": {"sha256": x["sha256"][:-1]},
        "digest-too-long": {"sha256": x["sha256"] + "0"},
        "digest-of-other-digits": {"sha256": "g" * 64},
        "digest-with-a-line-end": {"sha256": x["sha256"] + "\n"},
        "digest-that-is-empty": {"sha256": ""},
        "negative-size": {"size": -1},
    }.items():
        yield name, "E039", _package(folder({**x, **changes}), b"x")
    yield "negative-points", "E039", _package(run({**two, "points": -1}), b"")


def _paths() -> Cases:
    for name, path in {
        "empty": "",
        "absolute": "/a",
        "of-a-drive": "C:/a",
        "with-an-empty-component": "a//b",
        "that-ends-in-a-slash": "a/",
        "dot": ".",
        "with-a-dot-component": "a/./b",
        "to-the-folder-above": "../a",
        "with-the-folder-above-within": "a/../b",
        "with-a-backslash": "a\\b",
        "with-a-stream": "a:b",
        "with-nul": "a\0b",
        "with-a-line-end": "a\nb",
        "with-delete": "a\x7f",
        "with-a-control-character": "a\x85",
        "with-a-direction-mark": "a\u202egpj.exe",
        "with-an-arabic-letter-mark": "a\u061c",
        "with-an-isolate": "\u2066a",
        "that-ends-in-a-dot": "a.",
        "with-a-component-that-ends-in-a-space": "a /b",
        "of-a-device": "nul",
        "of-a-device-in-capitals": "a/AUX",
        "of-a-device-with-a-suffix": "com1.txt",
        "of-a-device-before-a-space": "con .txt",
        "of-a-device-with-a-raised-digit": "LPT\u00b2",
        "of-a-device-that-is-newer": "conout$.log",
        "not-in-form-c": "e\u0301",
        "with-a-component-of-256-bytes": "x" * 254 + "\u00e9",
        "of-65-components": "/".join("d" * 65),
        "of-4097-bytes": "/".join(["x" * 240] * 17),
    }.items():
        assert name != "of-4097-bytes" or len(path) == 4096
        longer = path + "y" if name == "of-4097-bytes" else path
        yield f"path-{name}", "E036", _package(folder(entry(longer, b"x")), b"x")
    for name, paths in {
        "that-differ-in-case": ("A", "a"),
        "that-differ-in-a-sharp-s": ("stra\u00dfe", "strasse"),
        "that-differ-in-a-folding-of-several-letters": ("\ufb01x", "FIx"),
        "of-folders-that-differ-in-case": ("A/x", "a/y"),
        "of-a-file-and-a-folder": ("a", "a/b"),
        "of-a-file-and-a-folder-that-differ-in-case": ("A", "a/b"),
    }.items():
        files = (entry(path, b"x") for path in sorted(paths))
        yield f"paths-{name}", "E037", _package(folder(*files), b"x")
