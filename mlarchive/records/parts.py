"""Which document a field belongs to, and what records are made of: files, series, fields.

Knows no kind of record but the base of all of them.
"""

from typing import Annotated, Literal, TypeAlias, TypeVar

from msgspec import Meta, Struct

T = TypeVar("T")

Part: TypeAlias = Literal["content", "state", "evidence"]

Content = Annotated[T, Meta(extra={"part": "content"})]
State = Annotated[T, Meta(extra={"part": "state"})]
Evidence = Annotated[T, Meta(extra={"part": "evidence"})]

Integer: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""What 64 bits hold."""

Key: TypeAlias = Annotated[str, Meta(extra={"reference": True})]
"""The key of another record of the same snapshot; "" where there is none."""

Tags: TypeAlias = dict[str, str]

Role: TypeAlias = Literal["artifact", "environment", "notebook", "build-context"]
"""Why a file is there. `environment` marks files that say what a model needs to run."""


class File(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A file that hangs on a record.

    Attributes:
        path: Relative, `/`-separated, UTF-8 in NFC, unique within its record (clause 8 of the
            package specification says what is refused).
        size: In bytes.
        sha256: Of the whole file, lower-case hex.
        role: Why it is there.
    """

    path: str
    size: Integer
    sha256: str
    role: Role = "artifact"


class MetricSeries(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The whole history of one metric, as columns.

    The bytes are three little-endian columns one after another, each `points` long: steps
    (int64), timestamps (int64, milliseconds since 1970 UTC), values (float64, bit-exact, so NaN
    payloads and the sign of zero are kept). Points are sorted by (step, timestamp, value bits as
    uint64); exact duplicates are kept.

    Attributes:
        key: The metric's name.
        points: How many.
        sha256: Of the columns, lower-case hex.
        dataset: Name and digest of the dataset it was measured on, "name@digest"; "" if none.
        step_decimals: How many of a step's decimal digits stand after the point, 0 to 18: with 1,
            a step of 15 in the column means 1.5.
    """

    key: str
    points: Integer
    sha256: str
    dataset: str = ""
    step_decimals: Integer = 0


class DatasetInput(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A dataset that went into a run (MLflow: `Dataset` with its `InputTag`s).

    Attributes:
        name: As logged.
        digest: As logged; whatever its source calls a digest.
        source_type: Such as `http`, `local`, `code`.
        source: As the client serialised it, JSON text as a rule.
        schema: JSON text, or "".
        profile: JSON text, or "".
        tags: Such as `mlflow.data.context`.
    """

    name: str
    digest: str
    source_type: str
    source: str
    schema: str = ""
    profile: str = ""
    tags: Tags = {}


class ModelInput(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A logged model that went into a run, by key where the snapshot holds it."""

    model: Key


class ArtifactRoot(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Where a model version's files are: a folder among the files of another record.

    Attributes:
        record: The record that carries the files.
        path: The folder within them; "" for all of them.
    """

    record: Key
    path: str = ""


class FieldFile(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A file that holds a field, or a part of it: a member of a file set, an item of a series.

    Attributes:
        path: The file, among those of the record that carries it.
        name: What the source calls it: a member's path in its set, an item's name.
        step: An item's, as decimal text; "" if unknown.
        time: An item's, ms since 1970 UTC; 0 if unknown.
        description: An item's.
    """

    path: str
    name: str = ""
    step: str = ""
    time: Integer = 0
    description: str = ""


class Field(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A typed value at a path (Neptune: an attribute); `fields.md` defines types and texts.

    Attributes:
        path: Its namespaces and its name, with `/` between them.
        type: Such as `float` or `file-series`.
        value: As text, for what is one value.
        values: What a set holds, sorted.
        files: What holds the bytes, in the order of the steps.
    """

    path: str
    type: str
    value: str = ""
    values: tuple[str, ...] = ()
    files: tuple[FieldFile, ...] = ()


class Native(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the source's server knows a record.

    Attributes:
        id: The server's own id ("" where it has none).
        created: Creation time by the server's clock, ms since 1970 UTC; 0 if unknown.
        updated: Last update by the server's clock, ms since 1970 UTC; 0 if unknown.
        user: Who, as the server recorded it.
        location: Where the server keeps the files, without credentials.
        verbatim: The server's answer, as JSON text, redacted of secrets.
        also: Further native facts by name, such as the id of a parent that is not carried.
    """

    id: str = ""
    created: Integer = 0
    updated: Integer = 0
    user: str = ""
    location: str = ""
    verbatim: str = ""
    also: dict[str, str] = {}


class Record(
    Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="kind",
):
    """What all records have.

    Attributes:
        key: Names the record within its snapshot.
        native: How the source's server knows it.
    """

    key: str
    native: Evidence[Native] = Native()
