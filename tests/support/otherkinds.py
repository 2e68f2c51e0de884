"""A snapshot made by hand of the kinds of record that have no run behind them."""

from mlarchive.records import (
    Address,
    EvaluationDataset,
    Experiment,
    Field,
    FieldFile,
    Fields,
    Native,
    Notebook,
    OtherObjects,
    Prompt,
    PromptVersion,
    Scorer,
    Webhook,
)
from mlarchive.snapshot import Snapshot
from tests.support.snapshots import file


def without_a_run() -> Snapshot:
    """A version of a prompt, and beside it one record of each other kind, every field in use."""
    tags, linked = {"team": "cellar"}, ("wine", "wine 2")
    return Snapshot(
        address=Address(origin="prod", kind="prompts", name="greeting", version="2"),
        subject="prompt-version",
        records=(
            PromptVersion(
                key="prompt-version",
                prompt="prompt",
                name="greeting",
                version="2",
                template="Hello {{name}}.",
                template_type="text",
                response_format="{}",
                model_settings='{"temperature": 0.5}',
                message="second",
                aliases=("live",),
                tags=tags,
            ),
            Prompt(
                key="prompt", name="greeting", description="Greets.", tags=tags, experiments=linked
            ),
            EvaluationDataset(
                key="dataset",
                native=Native(id="d-1"),
                name="golden",
                records=1,
                tags=tags,
                experiments=linked,
            ),
            Experiment(key="home", native=Native(id="1"), name="wine"),
            Scorer(
                key="scorer",
                name="judge",
                experiment="home",
                versions={"1": "{}"},
                online=('{"filter":"","sample_rate":0.5}',),
            ),
            Webhook(
                key="webhook",
                name="hook",
                url="https://example.org",
                events=("prompt.created",),
                description="Tells.",
                status="DISABLED",
            ),
            Fields(
                key="fields",
                record="prompt-version",
                carrier="dataset",
                values=(
                    Field(
                        path="images",
                        type="file_series",
                        files=(
                            FieldFile(
                                path="records.jsonl",
                                name="a",
                                step="0.5",
                                time=1,
                                description="first",
                            ),
                        ),
                    ),
                    Field(path="lr", type="float", value="0.1"),
                ),
                labels=(Field(path="sys/tags", type="string_set", values=("a", "b")),),
                facts=(Field(path="sys/size", type="float", value="1.0"),),
            ),
            Notebook(
                key="notebook",
                native=Native(location="https://adb-1.azuredatabricks.net"),
                record="prompt-version",
                formats={"SOURCE": "train.py"},
                source="databricks",
                path="/Users/ada/train",
                revision="1700000000000",
            ),
            OtherObjects(key="others", native=Native(verbatim='{"objects":[]}'), name="issues"),
        ),
        streams=(
            file("dataset", "records.jsonl", b'{"inputs":{"q":1}}\n'),
            file("notebook", "train.py", b"print(1)\n"),
        ),
    )
