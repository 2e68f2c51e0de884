"""What is gone under its name only: its copy at a target is that of what the source still shows.

A target knows such things by more than one name: an experiment that was renamed, by all that it had
and by what its source calls it for good. Of two that had one name one after the other only the
latter tells them apart.
"""

from collections.abc import Mapping

from msgspec import Struct

from mlarchive.registries.base import Holding, Ref
from mlarchived.sighting import Sighting


class Succession:
    """Finds what the source calls now what a target has of something that is gone."""

    def __init__(self, sighting: Sighting) -> None:
        """Look at nothing yet: few rounds see anything go."""
        self._sighting = sighting
        self._shown: dict[str, _Shown] = {}

    def of(self, held: Holding) -> str:
        """The address of an object that the source shows and whose copy this is; "" for none."""
        if not (held.lasting or held.also):
            return ""
        shown = self._of_kind(held.address.kind)
        for good in held.lasting:
            if good in shown.lasting:
                return str(shown.lasting[good].address)
        named = (shown.addresses[one] for one in held.also if one in shown.addresses)
        found = next((ref for ref in named if not _tells_apart(held, ref)), None)
        return str(found.address) if found else ""

    def _of_kind(self, kind: str) -> "_Shown":
        if kind not in self._shown:
            refs = list(self._sighting.of_kind(kind))
            self._shown[kind] = _Shown(
                addresses={str(ref.address): ref for ref in refs},
                lasting={ref.lasting: ref for ref in refs if ref.lasting},
            )
        return self._shown[kind]


class _Shown(Struct, frozen=True, kw_only=True):
    """What the source shows of one kind, by what it calls it now, and for good."""

    addresses: Mapping[str, Ref]
    lasting: Mapping[str, Ref]


def _tells_apart(held: Holding, ref: Ref) -> bool:
    """Whether both are known for good, of one source: then the name that both had says nothing."""
    source = ref.lasting.partition("#")[0]
    return bool(source) and source in {one.partition("#")[0] for one in held.lasting}
