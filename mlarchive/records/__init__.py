"""What is archived: frozen records whose every field is content, state or evidence.

`spec/records.md` is the normative table; it is generated from the annotations here, and a test
fails when it is stale. A record's *key* names it inside one snapshot. An adapter uses any key it
likes (the server's own id is natural); packing replaces keys by package-local ones that depend
on meaning alone, so a server's ids never reach `content_id` or `state_id`.

* `Content` fields say what a thing is. `content_id` is over these.
* `State` fields say how it is labelled today. `state_id` is over these.
* `Evidence` fields say how we know: names and numbers that are an address, native ids, server
  timestamps. They are kept, and no id covers them.

Times are integers: milliseconds since 1970-01-01T00:00:00Z. No field holds a float: bits that
matter (metrics) travel as columns, see `MetricSeries`.
"""

from typing import TypeAlias

from mlarchive.records.naming import (
    Address,
    Loss,
)
from mlarchive.records.others import (
    Folder,
    OtherObjects,
    Webhook,
)
from mlarchive.records.parts import (
    ArtifactRoot,
    Content,
    DatasetInput,
    Evidence,
    Field,
    FieldFile,
    File,
    Integer,
    Key,
    MetricSeries,
    ModelInput,
    Native,
    Part,
    Record,
    Role,
    State,
    Tags,
)
from mlarchive.records.registry import (
    Environment,
    LoggedModel,
    ModelVersion,
    Prompt,
    PromptVersion,
    RegisteredModel,
)
from mlarchive.records.tracking import (
    EvaluationDataset,
    Experiment,
    Fields,
    Notebook,
    Run,
    Scorer,
    Traces,
)

AnyRecord: TypeAlias = (
    RegisteredModel
    | ModelVersion
    | LoggedModel
    | Run
    | Experiment
    | Notebook
    | Traces
    | Fields
    | Environment
    | Folder
    | Prompt
    | PromptVersion
    | EvaluationDataset
    | Scorer
    | Webhook
    | OtherObjects
)

__all__ = [
    "Address",
    "AnyRecord",
    "ArtifactRoot",
    "Content",
    "DatasetInput",
    "Environment",
    "EvaluationDataset",
    "Evidence",
    "Experiment",
    "Field",
    "FieldFile",
    "Fields",
    "File",
    "Folder",
    "Integer",
    "Key",
    "LoggedModel",
    "Loss",
    "MetricSeries",
    "ModelInput",
    "ModelVersion",
    "Native",
    "Notebook",
    "OtherObjects",
    "Part",
    "Prompt",
    "PromptVersion",
    "Record",
    "RegisteredModel",
    "Role",
    "Run",
    "Scorer",
    "State",
    "Tags",
    "Traces",
    "Webhook",
]
