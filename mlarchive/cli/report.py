"""`mlarchive report`: what arrived, from where, signed by whom, verified when, against what."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli import wording
from mlarchive.cli.bases import add_bases, base_paths
from mlarchive.cli.commandline import locators, new_place, place
from mlarchive.cli.console import Console
from mlarchive.errors import UsageError

if TYPE_CHECKING:
    from mlarchive.package import Lenders
    from mlarchive.report.gathering import Entry, Report

SUMMARY = "write an integrity report for an auditor"
DESCRIPTION = """\
Verify packages to the last byte and say what is known of them: what each holds and from where, its
ids, who signed it and what the policy says to that, its files with their digests, its losses. With
-o the report is one HTML page that loads nothing, with room for a signature of ink.
"""
EXAMPLES = """\
examples:
  mlarchive report wine-3.mlpkg --trust policy.toml
  mlarchive report vault:vault --trust policy.toml --at 2026-03-05 -o report.html
"""

_HOLDERS = {"package", "vault", "name"}
"""Schemes of what may hold packages; a word without a scheme may be a folder of volumes."""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="FILE.mlpkg or vault:DIR")
    parser.add_argument("-o", "--output", type=place, metavar="OUT.html", help="write it there")
    add_bases(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Report."""
    from mlarchive.registries.opening import packing_time
    from mlarchive.report.gathering import gather

    out = new_place(arguments.output) if arguments.output else None
    paths = _paths(arguments.packages)
    with _lenders(paths, arguments, console) as lenders, console.progress("reading") as progress:
        made_at = packing_time(console.environment)
        report = gather(paths, lenders, console.trust, made_at=made_at, progress=progress)
    if out:
        from mlarchive import fsops
        from mlarchive.report.html import page

        with fsops.atomic_file(out, replace=False) as file:
            file.write(page(report, wording.moment).encode())
    console.document(report)
    for line in _lines(report):
        console.say(line)
    return max((entry.status for entry in report.packages), default=0)


def _paths(words: list[str]) -> list[Path]:
    """The packages; those of a vault are judged one by one later."""
    from mlarchive.vault.listing import packages_in

    paths: list[Path] = []
    for word in words:
        if Path(word).is_file():
            paths.append(Path(word))
            continue
        (locator,) = locators([word])
        if locator.scheme not in _HOLDERS or str(locator) != locator.origin:
            raise UsageError(
                f"{word} is no package and no vault, and a report is about these",
                hint="make a package of it first: mlarchive pack SOURCE -o FILE.mlpkg",
            )
        place = Path(locator.registry)
        paths += packages_in(place) if locator.scheme == "vault" else [place]
    return paths


@contextmanager
def _lenders(
    paths: list[Path], arguments: argparse.Namespace, console: Console
) -> "Iterator[Lenders]":
    from mlarchive.package import Lenders
    from mlarchive.trust import opener

    others = base_paths(arguments.base, console.trust) if arguments.base else []
    with Lenders([*others, *paths], opener=opener(console.trust)) as lenders:
        yield lenders


def _lines(report: "Report") -> Iterator[str]:
    yield f"integrity report of {wording.moment(report.made_at)}, by {report.tool}"
    if policy := report.policy:
        yield (
            f"judged by {policy.path} (SHA-256 {policy.sha256}) as of"
            f" {wording.moment(policy.judged_at)}: {', '.join(policy.require)} signed by"
            f" {policy.threshold} or more"
        )
    else:
        yield "no policy: signatures were not judged"
    for entry in report.packages:
        yield ""
        yield from _entry_lines(entry)


def _entry_lines(entry: "Entry") -> Iterator[str]:
    if entry.status:
        yield f"NOT ACCEPTED  {entry.path}: {entry.why}"
        if entry.hint:
            yield f"  hint        {entry.hint}"
        return
    yield f"ok  {entry.path}"
    yield f"  holds       {entry.address}"
    yield f"  content     {entry.content_id}"
    yield f"  state       {entry.state_id}"
    yield f"  package     {entry.package_id}"
    yield f"  packed      {wording.moment(entry.packed_at)} by {entry.packed_by}"
    files = wording.count(len(entry.files), "file")
    thin = wording.count(entry.missing, "chunk")
    elsewhere = f", {thin} in other packages not compared" if entry.missing else ""
    yield f"  verified    {files}, {wording.size(entry.size)}{elsewhere}"
    for signature in entry.signatures:
        name = f" ({signature.name})" if signature.name else ""
        yield f"  signature   {signature.key_id}{name}: {signature.verdict}"
    if not entry.signatures:
        yield "  signature   none"
    for loss in entry.losses:
        yield f"  loss        {loss.record}: {loss.field}: {loss.why}"
    for warning in entry.warnings:
        yield f"  warning     {warning}"
