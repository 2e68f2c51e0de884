"""What a configuration file says: frozen Structs, and nothing that a file could not.

`configfile` reads and writes them, `mirrors` turns them into registries and policies. The JSON
Schema in `spec/config.schema.json` is generated from here. Knows no TOML and opens nothing.
"""

import inspect
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from mlarchived.durations import Duration

Name: TypeAlias = Annotated[
    str,
    Meta(
        # `$` alone would let a final newline pass.
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$(?!\n)",
        max_length=100,
        description="A name: letters, digits, `.`, `_` and `-`.",
    ),
]
"""Such names need no quoting in locators, file names and log lines, and are no locators."""

Pattern: TypeAlias = Annotated[
    str, Meta(min_length=1, description="An object's name; `*` and `?` match any characters.")
]


Template: TypeAlias = Annotated[str, Meta(min_length=1, description="A name at a target.")]

Age: TypeAlias = Annotated[str, Meta(pattern=r"^([1-9][0-9]{0,5}[smhd])?$(?!\n)")]
"""A `Duration`, or "" for no limit."""


class Registry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A registry with a name. The name is the origin that mirrors remember, not the address."""

    locator: Annotated[
        str,
        Meta(description="Where it is, such as `mlflow+http://127.0.0.1:5000`; holds no password."),
    ]
    bytes_per_second: Annotated[
        int,
        Meta(
            ge=0,
            description="At most so many bytes of files are read from it, and so many written to"
            " it, by all mirrors together; 0 for no limit.",
        ),
    ] = 0
    requests_per_second: Annotated[
        int,
        Meta(
            ge=0,
            description="At most so many objects are read, written or asked about there, by all"
            " mirrors together; 0 for no limit.",
        ),
    ] = 0


class Where(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which objects are mirrored, of those whose names are included; all that is said must fit.

    An object that fitted and fits no more is kept where it is, and gets no news.
    """

    aliases: Annotated[
        tuple[Pattern, ...],
        Meta(description="Only versions that an alias like one of these names."),
    ] = ()
    stages: Annotated[
        tuple[Pattern, ...], Meta(description="Only versions in a stage like one of these.")
    ] = ()
    tags: Annotated[
        dict[str, Pattern], Meta(description="Only objects with such tags; `*` is any value.")
    ] = {}
    newer_than: Annotated[
        Age, Meta(description="Only what was made within the last such time.")
    ] = ""
    older_than: Annotated[
        Age, Meta(description="Only what was made before the last such time.")
    ] = ""


class Drop(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A folder that is watched: what people and programs put there is mirrored."""

    folder: Annotated[
        str, Meta(min_length=1, description="The drop folder, which must be there: it is not made.")
    ]
    settle: Annotated[
        Duration,
        Meta(description="How long what nothing proves complete must stand still."),
    ] = "10s"
    pattern: Annotated[
        str,
        Meta(
            pattern=r"^(?:[^{}]*\{name\}[^{}]*(?:\{version\}[^{}]*)?)?$(?!\n)",
            description="Paths of model folders that say their name and version, such as"
            ' `{name}/{version}`; "" for none.',
        ),
    ] = ""
    rescan: Annotated[
        Duration,
        Meta(description="How often it is scanned, whether anything hinted at news or not."),
    ] = "5m"
    poll: Annotated[
        bool,
        Meta(description="Rely on scans alone; network file systems are always scanned so."),
    ] = False


class Deletions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes at the targets of objects that are gone from the source; the vault keeps all."""

    policy: Annotated[
        Literal["keep", "tombstone", "delete"],
        Meta(description="Keep them, mark them with a tag as gone (MLflow), or delete them."),
    ] = "keep"
    grace: Annotated[Duration, Meta(description="Only when they have been gone for so long.")] = (
        "30d"
    )
    limit: Annotated[
        int,
        Meta(ge=1, description="At most so many at a time; if more are gone, nothing is deleted."),
    ] = 10


EVERY = "15m"
"""How often a mirror is due that says nothing of it."""


class Mirror(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is mirrored, from where, to where, and how."""

    name: Annotated[Name, Meta(description="Names the mirror in the ledger; keep it.")]
    source: Annotated[
        str,
        Meta(
            description="What is mirrored: `REGISTRY#models/*` with a name of `registries`,"
            " or a whole locator; not with `drop`."
        ),
    ] = ""
    drop: Annotated[
        Drop | None, Meta(description="The folder to which what is mirrored is brought.")
    ] = None
    vault: Annotated[
        str, Meta(description='The folder that keeps every package; "" keeps none.')
    ] = ""
    targets: Annotated[
        tuple[Name, ...], Meta(description="Names of the registries that are written.")
    ] = ()
    versions: Annotated[
        Literal["preserve", "next"],
        Meta(description="Keep the source's version numbers, or take the target's next."),
    ] = "preserve"
    conflict: Annotated[
        Literal["fail", "skip", "new-version"],
        Meta(description="What to do where a target holds other content under a version."),
    ] = "fail"
    labels: Annotated[
        Literal["merge", "source"],
        Meta(
            description="Whose labels count at MLflow targets: what people there changed stays, or"
            " the source's word."
        ),
    ] = "merge"
    logging: Annotated[
        Literal["wait", "snapshot"],
        Meta(
            description="Whether a run that still logs is taken when it ends, or at each round as"
            " it is then. Versions always wait for their runs."
        ),
    ] = "wait"
    reread: Annotated[
        Age,
        Meta(
            description="After how long an object is read in full again though nothing seems to"
            ' have changed, as what a registry does not tell from afar; "" for never.'
        ),
    ] = "30d"
    include: Annotated[
        tuple[Pattern, ...], Meta(min_length=1, description="Only objects named like one of these.")
    ] = ("*",)
    exclude: Annotated[
        tuple[Pattern, ...], Meta(description="No objects named like one of these.")
    ] = ()
    where: Annotated[
        Where, Meta(description="Only objects with such labels, or of such an age.")
    ] = Where()
    archived: Annotated[
        bool,
        Meta(
            description="Whether versions are mirrored too that are archived at the source (Azure"
            " ML): by themselves, or with all of their name."
        ),
    ] = False
    rename: Annotated[
        dict[Pattern, Template],
        Meta(
            description="What models, prompts and environments are called at the targets, by"
            " patterns of their names; the first that fits counts. `{name}` is the name, `{1}` what"
            " the first `*` or `?` stands for."
        ),
    ] = {}
    deletions: Annotated[
        Deletions, Meta(description="What becomes of what is gone from the source.")
    ] = Deletions()
    windows: Annotated[
        tuple[str, ...],
        Meta(
            description="When it may work, in UTC, such as `20:00-06:00` or"
            " `mon-fri 20:00-06:00`; what is begun is finished. Always if there are none."
        ),
    ] = ()
    trust: Annotated[
        str,
        Meta(
            description="The policy file (spec/trust.md) that packages of the source must satisfy;"
            ' "" believes everybody. For a source of packages: `vault:DIR` or `FILE.mlpkg`.'
        ),
    ] = ""
    set_aside_after: Annotated[
        int,
        Meta(
            ge=1,
            description="After so many failures that waiting does not mend, an object is left"
            " alone until it changes or `mlarchived once --retry` is run.",
        ),
    ] = 5
    every: Annotated[
        Duration, Meta(description="How often `mlarchived run` brings it up to date.")
    ] = EVERY
    cron: Annotated[
        str,
        Meta(
            description="When `run` does so instead: minute, hour, day, month, day of the week"
            ' by name, in UTC, such as `30 2 * * mon-fri`; "" for `every`.'
        ),
    ] = ""


class Service(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How `mlarchived run` goes about it."""

    drain: Annotated[
        Duration,
        Meta(description="How long work at hand may take to end when the service is stopped."),
    ] = "90s"
    retry_first: Annotated[
        Duration, Meta(description="How long after a failure that may pass it is tried again.")
    ] = "10s"
    retry_most: Annotated[
        Duration, Meta(description="That time doubles with each failure in a row, up to this.")
    ] = "15m"
    packing: Annotated[
        int, Meta(ge=1, description="How many objects are read and packed at a time, in all.")
    ] = 2


Secret: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        description="An address: `https://…`, or `file:PATH` or `credential:NAME`, which hold it.",
    ),
]


class Monitoring(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How `mlarchived run` is seen from outside (`spec/monitoring.md`)."""

    listen: Annotated[
        str,
        Meta(
            pattern=r"^(\S+:[0-9]{1,5})?$(?!\n)",
            description='HOST:PORT for /metrics, /health, /ready and a page; "" for none.',
        ),
    ] = ""
    webhooks: Annotated[
        tuple[Secret, ...], Meta(description="Are told when a worker fails, and is well again.")
    ] = ()
    heartbeat: Annotated[
        str, Meta(description="Is asked for while all is well, as `webhooks` name it.")
    ] = ""
    heartbeat_every: Annotated[Duration, Meta(description="How often.")] = "1m"


Count: TypeAlias = Annotated[int, Meta(ge=0, description="How many; 0 for no such rule.")]


class VaultCare(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a vault is kept, beside what mirrors put there (`spec/vault.md`)."""

    keep_last: Annotated[Count, Meta(description="Keep the last so many versions of a model.")] = 0
    keep_hourly: Annotated[Count, Meta(description="Keep a version for each of so many hours.")] = 0
    keep_daily: Annotated[Count, Meta(description="Keep a version for each of so many days.")] = 0
    keep_weekly: Annotated[Count, Meta(description="Keep a version for each of so many weeks.")] = 0
    keep_monthly: Annotated[
        Count, Meta(description="Keep a version for each of so many months.")
    ] = 0
    keep_yearly: Annotated[Count, Meta(description="Keep a version for each of so many years.")] = 0
    keep_aliases: Annotated[
        tuple[Pattern, ...], Meta(description="Keep versions that such an alias names.")
    ] = ()
    keep_states: Annotated[
        Count, Meta(description="Keep so many packages of each version; 0 keeps all.")
    ] = 0
    prune_every: Annotated[
        Duration, Meta(description="How often what no rule keeps is removed; no rule, no pruning.")
    ] = "1d"
    scrub_every: Annotated[
        Duration, Meta(description="Every package is read again after so long.")
    ] = "30d"
    scrub_rate: Annotated[
        int, Meta(ge=1, description="Reading again takes at most so many bytes a second.")
    ] = 20_000_000
    trials: Annotated[
        Count, Meta(description="Each time so many packages are unpacked on trial.")
    ] = 1


STATE = "state"
"""The state folder where a configuration names none."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole configuration file. Relative paths are relative to the file's folder."""

    state: Annotated[str, Meta(description="The folder for the ledger.")] = STATE
    service: Annotated[Service, Meta(description="For `mlarchived run`.")] = Service()
    registries: Annotated[dict[Name, Registry], Meta(description="Registries by name.")] = {}
    monitoring: Annotated[Monitoring, Meta(description="How `run` is seen from outside.")] = (
        Monitoring()
    )
    vaults: Annotated[
        dict[str, VaultCare], Meta(description="Care of vaults, by their folders.")
    ] = {}
    mirror: Annotated[tuple[Mirror, ...], Meta(min_length=1, description="At least one mirror.")]


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a configuration file, for editors and other programs."""
    schema = msgspec.json.schema(Config)
    for definition in schema["$defs"].values():
        # Older msgspec keeps a docstring's indentation; what is published is the same with any.
        definition["description"] = inspect.cleandoc(definition["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mlarchived configuration (mirror.toml)",
        **schema,
    }
