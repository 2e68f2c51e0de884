"""What a report says: of each package what it is, whether it is whole, and who signed it."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from mlarchive import __version__
from mlarchive.errors import MlarchiveError
from mlarchive.fsops import explaining
from mlarchive.package import Lenders, Package
from mlarchive.package.warnings import UNCHECKED
from mlarchive.records import File, Loss
from mlarchive.trust import Trust

Progress = Callable[[int], None]


class SignatureLine(Struct, frozen=True, kw_only=True):
    """A signature, judged.

    Attributes:
        key_id: Its key's id.
        name: Of the key in the policy; "" if it is not there, or nobody judged.
        verdict: `counts`, `other`, `bad`, `revoked`, `expired`, `unknown`; `not judged` without a
            policy.
    """

    key_id: str
    name: str
    verdict: str


class FileLine(Struct, frozen=True, kw_only=True):
    """A file of a package.

    Attributes:
        record: Key of the record that it hangs on.
        path: Within that.
        size: In bytes.
        sha256: Of its bytes.
    """

    record: str
    path: str
    size: int
    sha256: str


class Entry(Struct, frozen=True, kw_only=True):
    """A package.

    Attributes:
        path: The file.
        status: Exit status that its verification alone would have: 0 if it is whole, and trusted.
        why: What is wrong, in one sentence; "" if nothing is.
        hint: What can be done about it; "" if nothing is known.
        address: What it holds, and from where.
        content_id: If it could be opened.
        state_id: If it could be opened.
        package_id: If it could be opened.
        size: In bytes; -1 if it could not be opened.
        packed_at: When it was made, by its own word, ms since 1970 UTC; 0 if nobody knows.
        packed_by: What made it.
        signatures: Each that it has.
        files: Each that it holds.
        objects: Files and series that were compared with their digests.
        missing: Chunks that only other packages have; what needs them was not compared.
        losses: What did not make it, as it states itself.
        transformations: What it holds in another form.
        warnings: What does not keep from reading, and should be known.
    """

    path: str
    status: int = 0
    why: str = ""
    hint: str = ""
    address: str = ""
    content_id: str = ""
    state_id: str = ""
    package_id: str = ""
    size: int = -1
    packed_at: int = 0
    packed_by: str = ""
    signatures: tuple[SignatureLine, ...] = ()
    files: tuple[FileLine, ...] = ()
    objects: int = 0
    missing: int = 0
    losses: tuple[Loss, ...] = ()
    transformations: tuple[Loss, ...] = ()
    warnings: tuple[str, ...] = ()


class PolicyLine(Struct, frozen=True, kw_only=True):
    """The policy that judged.

    Attributes:
        path: The file.
        sha256: Of its bytes.
        require: The ids that must be signed.
        threshold: By how many keys.
        judged_at: The time at which it judged, ms since 1970 UTC.
    """

    path: str
    sha256: str
    require: tuple[str, ...]
    threshold: int
    judged_at: int


class Report(Struct, frozen=True, kw_only=True):
    """What arrived, and how that is known.

    Attributes:
        made_at: When everything was read, ms since 1970 UTC.
        tool: What read it.
        policy: Whom the reader believes; None for everybody.
        packages: In the order in which they were named.
    """

    made_at: int
    tool: str
    policy: PolicyLine | None
    packages: tuple[Entry, ...]


def gather(
    paths: Iterable[Path],
    lenders: Lenders,
    trust: Trust | None,
    *,
    made_at: int,
    progress: Progress | None = None,
) -> Report:
    """Verify packages to the last byte, and say all that is known of them.

    Args:
        paths: The packages.
        lenders: Open packages, with others that hold what thin ones lack, as the policy allows.
        trust: Whom the reader believes.
        made_at: The time that the report states, ms since 1970 UTC.
        progress: Told of the bytes that were compared.
    """
    return Report(
        made_at=made_at,
        tool=f"mlarchive {__version__}",
        policy=_policy(trust) if trust else None,
        packages=tuple(_entry(path, lenders, trust, progress) for path in paths),
    )


def _policy(trust: Trust) -> PolicyLine:
    policy = trust.policy
    with explaining(policy.path, "read"):
        raw = policy.path.read_bytes()
    return PolicyLine(
        path=str(policy.path),
        sha256=hashlib.sha256(raw).hexdigest(),
        require=tuple(sorted(policy.require)),
        threshold=policy.threshold,
        judged_at=trust.when,
    )


def _entry(path: Path, lenders: Lenders, trust: Trust | None, progress: Progress | None) -> Entry:
    """What is known of a package; that it is damaged, or not trusted, is an answer."""
    try:
        with lenders.open(path) as package:
            return _sound(path, package, trust, progress)
    except MlarchiveError as error:
        return Entry(path=str(path), status=error.exit_status, why=error.message, hint=error.hint)


def _sound(path: Path, package: Package, trust: Trust | None, progress: Progress | None) -> Entry:
    verified = package.verify(progress=progress)
    meaning = package.meaning
    return Entry(
        path=str(path),
        address=str(meaning.address),
        content_id=package.content_id,
        state_id=package.state_id,
        package_id=package.package_id,
        size=package.size,
        packed_at=meaning.packed.time,
        packed_by=meaning.packed.tool,
        signatures=tuple(_signatures(package, trust)),
        files=tuple(_files(package)),
        objects=verified.objects,
        missing=verified.missing,
        losses=meaning.losses,
        transformations=meaning.transformations,
        warnings=tuple(w for w in package.warnings() if not (trust and w.startswith(UNCHECKED))),
    )


def _signatures(package: Package, trust: Trust | None) -> Iterator[SignatureLine]:
    if trust is not None:
        for one in trust.judged(package):
            verdict = one.verdict.name.lower()
            yield SignatureLine(key_id=one.keyid, name=one.name, verdict=verdict)
    elif text := package.signatures():
        from mlarchive.trust.envelope import key_ids

        for key_id in key_ids(text):
            yield SignatureLine(key_id=key_id, name="", verdict="not judged")


def _files(package: Package) -> Iterator[FileLine]:
    for stream in package.snapshot().streams:
        entry = stream.entry
        if isinstance(entry, File):
            yield FileLine(
                record=stream.owner, path=entry.path, size=entry.size, sha256=entry.sha256
            )
