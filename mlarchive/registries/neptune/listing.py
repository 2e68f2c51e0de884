"""Which objects of a registry a selector means, and what a person sees of them."""

from collections.abc import Container, Iterable, Iterator, Mapping

import msgspec

from mlarchive.errors import NotFoundError
from mlarchive.records import Address
from mlarchive.registries.base import Listing, Selector, Traits
from mlarchive.registries.neptune.objects import NeptuneObject
from mlarchive.registries.neptune.snapshots import SYS, address_of, is_trashed, stage_of, time_of
from mlarchive.registries.selecting import selects

KINDS = ("models", "registered-models", "runs")
_FACTS = {"stage": "stage", "creation_time": "created"}


def addressed(found: Iterable[NeptuneObject], origin: str) -> dict[Address, NeptuneObject]:
    """Objects by their addresses, in the order of these.

    Ids are unique in a workspace, and in Neptune 3 in a project only: objects of one name are
    called `PROJECT/ID`, all of them; what is still of one name gets `~2` and so on.
    """
    by_name: dict[Address, list[NeptuneObject]] = {}
    for one in found:
        by_name.setdefault(address_of(one, origin), []).append(one)
    named: dict[Address, NeptuneObject] = {}
    for address, some in by_name.items():
        for one in some:
            own = f"{one.project}/{address.name}" if one.project else address.name
            wanted = address.name if len(some) == 1 else own
            named[_free(named, msgspec.structs.replace(address, name=wanted))] = one
    return {address: named[address] for address in sorted(named, key=_order)}


def _free(taken: Container[Address], address: Address) -> Address:
    """The address, or the next one that nothing has."""
    found, number = address, 2
    while found in taken:
        found = msgspec.structs.replace(address, name=f"{address.name}~{number}")
        number += 1
    return found


def listing_of(address: Address, found: NeptuneObject) -> Listing:
    """One line of `mlarchive ls`."""
    sys = {one.path.removeprefix(SYS): one.value for one in found.attributes}
    facts = {shown: sys[name] for name, shown in _FACTS.items() if sys.get(name)}
    if sys.get("trashed") == "true":
        facts["trashed"] = "true"
    if found.aliases:
        facts["aliases"] = ", ".join(found.aliases)
    if found.losses:
        facts["broken"] = "; ".join(f"{loss.field}: {loss.why}" for loss in found.losses)
    return Listing(address=address, title=sys.get("name", ""), facts=facts, traits=traits_of(found))


def traits_of(found: NeptuneObject) -> Traits:
    """What an object may be chosen by; nothing, where only reading it tells what is in `sys/`."""
    sys = {one.path: one for one in found.attributes}
    if not sys.keys() - {f"{SYS}name"}:
        return Traits()
    is_version = found.kind == "model-version"
    stage = stage_of(found) if is_version else ""
    return Traits(
        aliases=found.aliases if is_version else None,
        stage=stage.removeprefix("none") if stage else None,
        tags={
            f"neptune.{name}": sys[f"{SYS}{name}"].values
            for name in ("tags", "group_tags")
            if f"{SYS}{name}" in sys
        },
        made_at=time_of(sys, "creation_time") or None,
        deleted=is_trashed(sys),
        experiments=(found.project,) if found.project else None,
    )


def meant(
    known: Mapping[Address, NeptuneObject], selector: Selector, origin: str
) -> Iterator[Listing]:
    """The objects that a selector means.

    Args:
        known: All of them, versions with their aliases.
        selector: What stands after `#`.
        origin: The registry's own name.

    Raises:
        NotFoundError: The selector names one thing, and it is not there.
    """
    if selector.kind not in {"", *KINDS}:
        raise NotFoundError(
            f"{origin} holds no {selector.kind}", hint=f"kinds are {', '.join(KINDS)}"
        )
    some = False
    for address, found in known.items():
        if selects(selector, address) and selector.alias in {"", *found.aliases}:
            some = True
            yield listing_of(address, found)
    if not some and selector.name and not selector.pattern:
        version = selector.version and f"/{selector.version}"
        alias = selector.alias and f"@{selector.alias}"
        raise NotFoundError(
            f"{origin} has no {selector.kind}/{selector.name}{version}{alias}",
            hint=f"`mlarchive ls {origin}` lists what there is",
        )


def _order(address: Address) -> tuple[int, str, int, str]:
    number = int(address.version) if address.version.isdecimal() else 0
    return (KINDS.index(address.kind), address.name, number, address.version)
