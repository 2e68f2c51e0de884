"""What only the classic client has a place for is known member by member."""

import json
from pathlib import Path
from typing import Any

from mlarchive.records import Environment, ModelVersion
from mlarchive.registries.innereye import environmentdocument, modeldocument
from tests.support.innereye import PROSTATE, copied, read

MODEL, ENVIRONMENT = "MODEL/model.json", "ENVIRONMENT/azureml_environment.json"


def found(folder: Path) -> tuple[list[str], list[str]]:
    records = read(folder).records
    (version,) = (record for record in records if isinstance(record, ModelVersion))
    (environment,) = (record for record in records if isinstance(record, Environment))
    return (
        sorted(modeldocument.evidence_alone(version)),
        sorted(environmentdocument.evidence_alone(environment)),
    )


def changed(folder: Path, name: str, members: dict[str, Any]) -> None:
    path = folder / PROSTATE / name
    said = json.loads(path.read_text(encoding="utf-8"))
    for member, value in members.items():
        *tables, last = member.split(".")
        table = said
        for one in tables:
            table = table[one]
        table[last] = value
    path.write_text(json.dumps(said), encoding="utf-8")


def test_what_the_classic_client_says_by_itself_is_none(tmp_path: Path) -> None:
    assert found(copied(tmp_path, PROSTATE)) == ([], [])


def test_what_somebody_said_is_named(tmp_path: Path) -> None:
    folder = copied(tmp_path, PROSTATE)
    changed(folder, MODEL, {"framework": "PyTorch", "resourceConfiguration": {"cpu": 2}})
    said = {
        "docker.arguments": ["--ipc=host"],
        "docker.shmSize": "8g",
        "docker.sharedVolumes": False,
        "docker.baseImageRegistry.address": "lab.azurecr.io",
        "docker.platform.architecture": "arm64",
        "python.userManagedDependencies": True,
        "spark.packages": [{"group": "g"}],
        "inferencingStackVersion": "latest",
        "later": "1",
    }
    changed(folder, ENVIRONMENT, said)
    assert found(folder) == (["framework", "resourceConfiguration"], sorted(said))
