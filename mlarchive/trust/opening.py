"""Opening packages that a policy trusts, and no others (spec/trust.md, 3.5)."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from mlarchive.errors import UntrustedError
from mlarchive.package import Package
from mlarchive.package.bytesource import ByteSource
from mlarchive.package.layout import Trailer
from mlarchive.package.signaturearea import read_signatures

if TYPE_CHECKING:
    from mlarchive.trust.judging import Judged
    from mlarchive.trust.policy import Policy


class Trust(Struct, frozen=True, kw_only=True):
    """A policy, and the time at which it judges.

    Attributes:
        policy: The reader's.
        when: ms since 1970 UTC.
    """

    policy: "Policy"
    when: int

    def judged(self, package: Package) -> "tuple[Judged, ...]":
        """The signatures of an open package.

        Raises:
            UntrustedError: It is not trusted.
        """
        storage = package.storage
        return _judged(self, storage.source, storage.trailer, storage.package_id)

    def signers(self, package: Package) -> tuple[str, ...]:
        """The names of the keys whose signatures of an open package count.

        Raises:
            UntrustedError: It is not trusted.
        """
        return tuple(one.name for one in self.judged(package) if not one.verdict)


def open_package(
    file: Path | BinaryIO, trust: Trust | None, *, bases: Sequence[Package] = ()
) -> Package:
    """Open a package, if it is trusted.

    Args:
        file: As `Package.open`.
        trust: The reader's policy; None for a reader that believes everybody.
        bases: Packages that hold chunks which this one lacks, judged when they were opened.

    Raises:
        UntrustedError: It is not trusted; nothing of it was decoded.
        FormatError: A clause is broken.
        MlarchiveError: The file cannot be read.
    """
    if trust is None:
        return Package.open(file, bases=bases)
    package = Package.open(file, bases=bases, judge=partial(_judged, trust))
    if "package" not in trust.policy.require:
        try:
            # Storage is not signed: what it holds must first be what the content says.
            package.verify()
        except BaseException:
            package.close()
            raise
    return package


def opener(trust: Trust | None) -> Callable[..., Package]:
    """What opens packages that are trusted, and takes `bases` as `open_package` does."""
    return partial(open_package, trust=trust)


def _judged(
    trust: Trust, source: ByteSource, trailer: Trailer, package_id: bytes
) -> "tuple[Judged, ...]":
    from mlarchive.trust.judging import judge
    from mlarchive.trust.statement import Ids

    ids = Ids(
        content=trailer.content_id.hex(),
        package=package_id.hex(),
        state=trailer.state_id.hex(),
    )
    try:
        return judge(read_signatures(source, trailer), ids, trust.policy, trust.when)
    except UntrustedError as error:
        raise type(error)(f"{source.name}: {error.message}", hint=error.hint) from error
