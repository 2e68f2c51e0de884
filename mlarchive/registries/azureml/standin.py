"""What stands in for an environment that was not there: the one that a model's own files state.

It is what no tag means, and no other environment's counterpart (section 3 of the mapping).
"""

from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.mlflow import marks

BASE_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
"""What a conda file is installed on that comes without an image, as Azure ML's guides have it."""

_LAYOUT = "innereye:"


def stated_by(version: Asset) -> str:
    """The model whose files state an environment; "" for one that is one of its own.

    Earlier versions of this program left no such mark: it then is on the image that they took, and
    comes from an environment without a number, which those of InnerEye alone may have besides.
    """
    held = version.texts("properties")
    if marks.STATED in held:
        return held[marks.STATED]
    origin = held.get(marks.ORIGIN, "")
    has_no_number = origin.partition("#")[2].count("/") == 1 and not origin.startswith(_LAYOUT)
    is_on_base = version.text("image") == BASE_IMAGE and version.text("condaFile") != ""
    return "a model" if has_no_number and is_on_base else ""
