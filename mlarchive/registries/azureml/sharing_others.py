"""Which versions at a registry say to be what it is to copy by itself, under whatever number.

Whether they hold the same is looked at elsewhere.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from mlarchive.records import Address
from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.ownmarks import with_own_marks
from mlarchive.registries.azureml.sameness import is_from, is_same
from mlarchive.registries.mlflow import marks


class Named(NamedTuple):
    """A version or a name at a place.

    Attributes:
        address: Of it.
        names: Of the place, by a configuration and by its locator.
    """

    address: Address
    names: Collection[str]


def others_from(
    asked_for: Asset, source: Named, there: Named, listed: Sequence[Asset]
) -> list[Asset]:
    """Those that were written from it, or from what it was written from, or are that.

    The one made under the highest number comes first.

    Args:
        asked_for: The version that is to be copied.
        source: What it is called.
        there: What its name is at the registry.
        listed: The versions of that name there, by number.
    """
    also = with_own_marks(source.address.name, asked_for).texts("properties")
    wanted = marks.origin_mark(source.address)

    def says_so(one: Asset) -> bool:
        held = with_own_marks(there.address.name, one).texts("properties")
        own = marks.origin_mark(replace(there.address, version=one.name))
        return (
            is_from(held, source.names, wanted)
            or is_from(also, there.names, own)
            or (marks.ORIGIN in held and marks.ORIGIN in also and is_same(held, also))
        )

    return [one for one in reversed(listed) if not one.is_failed and says_so(one)]
