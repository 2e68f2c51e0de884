"""InnerEye's tag that names a version follows the version to another name or number."""

from mlarchive.records import ModelVersion
from mlarchive.registries.modelid import followed

VERSION = ModelVersion(key="v", name="Prostate", version="892")


def test_the_tag_of_this_version_follows() -> None:
    tags = {"model_id": "Prostate:892", "a": "b"}
    new = {"model_id": "Prostate:3", "a": "b"}
    assert followed(tags, VERSION, "Prostate", "3") == (new, True)
    assert followed(tags, VERSION, "Prostate", "892") == (tags, False)


def test_the_tag_of_another_version_stays() -> None:
    for value in ("Prostate:891", "Lung:892", ""):
        tags = {"model_id": value}
        assert followed(tags, VERSION, "Prostate", "3") == (tags, False)
    assert followed({}, VERSION, "Prostate", "3") == ({}, False)
