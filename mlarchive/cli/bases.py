"""`--base`: packages that hold what a thin one leaves to others."""

import argparse
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlarchive.cli.commandline import locators
from mlarchive.cli.console import Console
from mlarchive.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlarchive.package import Elsewhere, Lenders
    from mlarchive.trust import Trust


BASES_MOST = 64
"""Packages that what is packed is compared with; of a vault, those of the same name first."""

_LENDS = "FILE.mlpkg or vault:DIR with what a thin package leaves to others; may be repeated"


def add_bases(parser: argparse.ArgumentParser, does: str = _LENDS) -> None:
    """Other packages that a package leans on."""
    parser.add_argument(
        "--base",
        action="append",
        default=[],
        metavar="BASE",
        help=does,
    )


@contextmanager
def lenders(texts: "Sequence[str]", console: Console) -> "Iterator[Lenders]":
    """The packages that were named, to be asked for chunks, and judged before.

    Raises:
        UsageError: What is named is no package and no vault.
        MlarchiveError: A package that is named cannot be opened.
    """
    from mlarchive.package import Lenders
    from mlarchive.trust import opener

    with Lenders(base_paths(texts, console.trust), opener=opener(console.trust)) as found:
        yield found


@contextmanager
def leaving_out(
    arguments: argparse.Namespace, name: str, console: Console
) -> "Iterator[Elsewhere | None]":
    """What need not be packed, by `--base` and `--have`; None if neither was given.

    Args:
        arguments: Of the command.
        name: Of the object that is packed.
        console: Says whom the command believes.

    Raises:
        HaveListError: What `--have` names is none.
        MlarchiveError: As `lenders`.
    """
    from mlarchive.package import Elsewhere, Lenders

    if not (arguments.base or arguments.have):
        yield None
        return
    from mlarchive.transfer.havelist import read_have

    held = read_have(Path(arguments.have), console.trust).chunks if arguments.have else None
    from mlarchive.trust import opener

    paths = base_paths(arguments.base, console.trust, like=name)
    with Lenders(paths, opener=opener(console.trust)) as others:
        yield Elsewhere(others.lending(BASES_MOST), held=held)


def base_paths(texts: "Sequence[str]", trust: "Trust | None", *, like: str = "") -> list[Path]:
    """The files of the packages that were named; of a vault all, the latest first.

    Args:
        texts: Package files and vaults.
        trust: Whom the reader believes.
        like: The name of an object; of a vault, packages of that name come before others.

    Raises:
        UsageError: What is named is no package and no vault.
        MlarchiveError: A package that is named cannot be opened.
    """
    from mlarchive.trust import open_package

    paths: list[Path] = []
    for locator in locators(texts):
        path = Path(locator.registry)
        if locator.scheme == "vault":
            if not path.is_dir():
                raise NotFoundError(f"{path} is not a folder", hint="check the path after vault:")
            from mlarchive.vault import Vault

            with Vault.open(path, trust=trust) as vault:
                vault.require_trusted()
                found = sorted(vault.find(), key=lambda kept: kept.address.name != like)
            paths += [kept.path for kept in found]
        elif locator.scheme == "package":
            # What a person names is to be sound; of a vault, what is damaged lends nothing.
            with open_package(path, trust):
                paths.append(path)
        else:
            raise UsageError(
                f"{locator.text} is no package and no vault, and lends nothing",
                hint="name FILE.mlpkg or vault:DIR with --base",
            )
    return paths
