"""What the source says of a version's labels and what people said in its folder, in one (5.2)."""

from msgspec import Struct

from mlarchive.records import ModelVersion, Tags
from mlarchive.registries.base import WritePolicy
from mlarchive.registries.innereye.layout import MODEL_DOCUMENT
from mlarchive.registries.innereye.modeldocument import relabelled
from mlarchive.registries.innereye.placing import Present
from mlarchive.registries.jsondocuments import read_document
from mlarchive.registries.labelmerging import LabelMerging, Whose
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.given import Given, given_in, said


class Labelled(Struct, frozen=True, kw_only=True):
    """How a version that is there is to be labelled.

    Attributes:
        raw: Its document with these labels.
        changed: Which of them are others than those that are there.
        lost: Which are not to be as the source says, and why.
        told: Which are as they were said in the folder, or are so no longer, and why.
    """

    raw: bytes
    changed: tuple[str, ...]
    lost: tuple[tuple[str, str], ...]
    told: tuple[tuple[str, str], ...]


def labelled(
    version: ModelVersion, tags: Tags, mark: Tags, there: Present, policy: WritePolicy
) -> Labelled:
    """Merge labels with those of a folder that this program wrote.

    Args:
        version: What is to be written.
        tags: Its tags, as they are to be there.
        mark: What is to be remembered of it.
        there: The folder, with the same content.
        policy: Of the write.

    Raises:
        MlarchiveError: The document there is damaged, or may not be read.
    """
    document = read_document(there.place / MODEL_DOCUMENT)
    before, whose = _said_before(version, tags, mark, there)
    merging = LabelMerging(before, insists=policy.labels == "source", whose=whose)
    description = merging.text("description", document.text("description"), version.description)
    merged = merging.tags(document.tags("tags"), tags)
    return Labelled(
        raw=relabelled(document, description, merged),
        changed=tuple(merging.changed),
        lost=tuple(merging.lost),
        told=tuple(merging.told),
    )


def _said_before(
    version: ModelVersion, tags: Tags, mark: Tags, there: Present
) -> tuple[Given, Whose]:
    """What the source said last, and who said what it did not say."""
    known = given_in(there.marks)
    if there.marks.get(marks.STATE_ID) == mark[marks.STATE_ID]:
        return known or said(tags, version.description), "theirs"
    if there.marks.get(marks.ORIGIN) != mark[marks.ORIGIN]:
        return Given(), "there"
    return known or Given(), "theirs" if known else "nobody's"
