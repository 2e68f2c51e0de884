"""Telling what a thin package lacks."""

from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.console import Console
from mlarchive.errors import MissingChunksError

if TYPE_CHECKING:
    from mlarchive.transfer.wants import Want

_MOST = 20


def tell_want(wanted: "Want", console: Console) -> int:
    """Say what is missing; returns the exit status that reading it would have."""
    console.document(wanted)
    if wanted.complete:
        elsewhere = wording.count(wanted.absent, "chunk")
        rest = f", {elsewhere} of it in the bases" if wanted.absent else ""
        console.say(f"{wanted.path}: nothing is missing{rest}")
        return 0
    missing = wording.count(len(wanted.missing), "chunk")
    console.say(f"{wanted.path}: {missing} missing, {wording.size(wanted.missing_bytes)}")
    console.say(f"  object   {wanted.address}")
    console.say(f"  content  {wanted.content_id}")
    for heading, lines in (
        ("needed by", wanted.files),
        ("chunks", [f"{chunk.hash}  {wording.size(chunk.size)}" for chunk in wanted.missing]),
    ):
        console.say(f"  {heading}")
        for line in lines[:_MOST]:
            console.say(f"    {line}")
        if len(lines) > _MOST:
            console.say(f"    … and {len(lines) - _MOST} more (--json lists all)")
    return MissingChunksError.exit_status
