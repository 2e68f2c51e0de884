"""Jobs of a workspace: training jobs, and runs that somebody logged through MLflow."""

from collections.abc import Mapping
from typing import Any

from tests.support.azureml.world import Json, Place, system_data


def made(place: Place, name: str, who: str, properties: Mapping[str, Any]) -> Json:
    """A finished training job as it is answered.

    Args:
        place: A workspace.
        name: Of the job.
        who: Made it.
        properties: As the REST API has them, in place of what is made up.
    """
    made_up: Json = {
        "description": "trains",
        "tags": {},
        "properties": {"azureml.git.commit": "abc123"},
        "displayName": "brave_lamp_1",
        "status": "Completed",
        "experimentName": "training",
        "jobType": "Command",
        "command": "python train.py",
        "environmentId": place.asset_id("environments", "training", "1"),
        "computeId": f"{place.id}/computes/gpu",
        "codeId": None,
        "services": {},
        "isArchived": False,
        "inputs": {},
        "outputs": {},
        "environmentVariables": {},
        "parameters": {},
        "resources": {"instanceCount": 1, "properties": {}},
    }
    return {
        "id": f"{place.id}/jobs/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/jobs",
        "systemData": system_data(who),
        "properties": {**made_up, **properties},
    }


def logged(place: Place, name: str, who: str) -> Json:
    """The job that a run is which was logged through MLflow: nothing of it was submitted."""
    nothing = ("description", "command", "environmentId", "computeId")
    said: Json = {**dict.fromkeys(nothing), "properties": {}, "status": "Running"}
    return made(place, name, who, said)
