"""Objects that would be one and the same at a target: neither can be true there for long.

Two names that become one by `rename`; and, in a vault with packages of several registries, one
version of one name from two of them.
"""

from collections.abc import Iterable, Mapping

from mlarchive.records import Address
from mlarchive.registries.base import Ref
from mlarchived.choosing import exclusion, unfit
from mlarchived.mirrors import PACKAGES, MirrorJob
from mlarchived.renaming import renamed

Clashes = Mapping[Address, str]
"""Why objects cannot be written at targets that give them names of their own."""


def clashes(job: MirrorJob, refs: Iterable[Ref], now: int) -> Clashes:
    """The objects of a source that clash; `refs` come in their turn.

    Args:
        job: The mirror.
        refs: What the source shows.
        now: Of which ages are told, ms since 1970 UTC.
    """
    naming = [target for target in job.targets if target.name not in job.keeping]
    if not naming or not (job.renaming or job.source.locator.scheme in PACKAGES):
        return {}
    found: dict[Address, str] = {}
    owners: dict[tuple[str, str], set[str]] = {}
    twin: Address | None = None
    for ref in refs:
        address = ref.address
        if exclusion(job.choice, address) or unfit(job.choice, ref, now):
            continue
        name = renamed(job.renaming, address) or address.name
        owners.setdefault((address.kind, name), set()).add(address.name)
        if twin and _place(twin) == _place(address):
            found |= {twin: _said(twin, address), address: _said(address, twin)}
        twin = address
    shared = {place: names for place, names in owners.items() if len(names) > 1}
    if shared:
        found |= _of_names(job, refs, shared)
    return found


def _of_names(
    job: MirrorJob, refs: Iterable[Ref], shared: Mapping[tuple[str, str], set[str]]
) -> Clashes:
    found = {}
    for ref in refs:
        name = renamed(job.renaming, ref.address) or ref.address.name
        if names := shared.get((ref.address.kind, name)):
            listed = ", ".join(sorted(names))
            found[ref.address] = f"{listed} would all be called {name} there: see `rename`"
    return found


def _place(address: Address) -> tuple[str, str, str]:
    return address.kind, address.name, address.version


def _said(address: Address, other: Address) -> str:
    return f"{other} would have the same name and version there as {address}"
