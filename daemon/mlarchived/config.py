"""What a configuration file says: frozen Structs, and nothing that a file could not.

`configfile` reads and writes them, `mirrors` turns them into registries and policies. The JSON
Schema in `spec/config.schema.json` is generated from here. Knows no TOML and opens nothing.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

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


class Registry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A registry with a name. The name is the origin that mirrors remember, not the address."""

    locator: Annotated[
        str,
        Meta(description="Where it is, such as `mlflow+http://127.0.0.1:5000`; holds no password."),
    ]


class Mirror(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is mirrored, from where, to where, and how."""

    name: Annotated[Name, Meta(description="Names the mirror in the ledger; keep it.")]
    source: Annotated[
        str,
        Meta(
            description="What is mirrored: `REGISTRY#models/*` with a name of `registries`,"
            " or a whole locator."
        ),
    ]
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
    include: Annotated[
        tuple[Pattern, ...], Meta(min_length=1, description="Only objects named like one of these.")
    ] = ("*",)
    exclude: Annotated[
        tuple[Pattern, ...], Meta(description="No objects named like one of these.")
    ] = ()
    set_aside_after: Annotated[
        int,
        Meta(
            ge=1,
            description="After so many failures that waiting does not mend, an object is left"
            " alone until it changes or `mlarchived once --retry` is run.",
        ),
    ] = 5


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole configuration file. Relative paths are relative to the file's folder."""

    state: Annotated[str, Meta(description="The folder for the ledger.")] = "state"
    registries: Annotated[dict[Name, Registry], Meta(description="Registries by name.")] = {}
    mirror: Annotated[tuple[Mirror, ...], Meta(min_length=1, description="At least one mirror.")]


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a configuration file, for editors and other programs."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mlarchived configuration (mirror.toml)",
        **msgspec.json.schema(Config),
    }
