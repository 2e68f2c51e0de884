"""Names of Azure ML's records: keys, marks, and the tags by which models name environments."""

from mlarchive.records import Tags
from mlarchive.registries import namedenvironment
from mlarchive.registries.mlflow import marks

ENVIRONMENT_NAME = namedenvironment.NAME
ENVIRONMENT_VERSION = namedenvironment.VERSION

JOB = marks.JOB
"""Lineage: the job that made the model where it was first."""

RUN = f"{marks.PREFIX}run"
"""Lineage: the run of this workspace that holds that job's parameters and metrics."""

EXPERIMENT = marks.EXPERIMENT
"""Lineage: that job's experiment."""

SOURCE_VERSION = marks.VERSION
"""Lineage: the version as its first source spells it."""

ENVIRONMENT = f"{marks.PREFIX}environment"
"""The environment that was registered for a model, or found equal: `NAME:VERSION`."""

_MARKS = frozenset(
    {
        *(
            marks.ORIGIN,
            marks.NAMES,
            marks.PATH,
            marks.ADOPTED,
            marks.CONTENT_ID,
            marks.BUT_RUN,
            marks.STATE_ID,
            marks.RECORD,
        ),
        *(
            marks.GIVEN,
            marks.STATED,
            marks.MODEL,
            marks.WRITTEN,
            JOB,
            RUN,
            EXPERIMENT,
            SOURCE_VERSION,
            ENVIRONMENT,
        ),
    }
)

NO_MARK = "its name begins as this program's own marks do; it is kept as evidence alone"

CONDA_FILE = "conda.yaml"
CONTEXT = "context"


def model_key(name: str) -> str:
    """The key of a model's record."""
    return f"registered-model/{name}"


def version_key(name: str, version: str) -> str:
    """The key of a version's record."""
    return f"model-version/{name}/{version}"


def environment_key(name: str, version: str) -> str:
    """The key of the record of an environment that is an object of its own."""
    return f"environment/{name}/{version}"


def marks_of(tags: Tags, properties: Tags) -> Tags:
    """What this program left on an asset: evidence."""
    return {**marks.marks_in(tags), **marks.marks_in(properties)}


def no_marks(tags: Tags, properties: Tags) -> list[str]:
    """Labels of people's own that are named as marks are, which are no part of the state."""
    return [
        f"{label} {name}"
        for label, said in (("tag", tags), ("property", properties))
        for name in sorted(marks.marks_in(said).keys() - _MARKS)
    ]
