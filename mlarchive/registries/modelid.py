"""InnerEye's tag `model_id`: a run, and a model, name the version that was made of the run.

Its value is `NAME:VERSION`, such as `Prostate:892` (InnerEye-DeepLearning, docs/deploy_on_aml.md).
Where a version gets another name or number, the tag follows it.
"""

from mlarchive.records import ModelVersion, Tags

MODEL_ID = "model_id"


def followed(tags: Tags, version: ModelVersion, name: str, number: str) -> tuple[Tags, bool]:
    """Tags that name a version as it is called at a target, and whether that changed them.

    Args:
        tags: Of the version, or of its run.
        version: As it is called at its source.
        name: Of the model at the target.
        number: Of the version at the target.
    """
    new = f"{name}:{number}"
    if tags.get(MODEL_ID) != f"{version.name}:{version.version}" or tags[MODEL_ID] == new:
        return tags, False
    return {**tags, MODEL_ID: new}, True
