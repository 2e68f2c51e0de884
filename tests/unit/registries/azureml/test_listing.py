"""What lists say of versions."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.listing import list_objects
from mlarchive.registries.base import Selector


@pytest.mark.parametrize(("whole", "one"), [(True, False), (False, True), (False, False)])
def test_a_version_is_archived_where_its_model_is_as_a_whole(*, whole: bool, one: bool) -> None:
    control = SimpleNamespace(
        container=lambda *_: Asset("m", {"properties": {"isArchived": whole}}),
        versions=lambda *_, **__: [Asset("1", {"properties": {"isArchived": one}})],
    )
    selector = Selector(kind="models", name="m", archived=True)
    (listed,) = list_objects(cast("Any", control), "lab", selector)
    assert listed.facts.get("archived", "") == ("yes" if whole or one else "")
