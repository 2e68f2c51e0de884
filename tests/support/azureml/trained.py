"""A model that a job made in one workspace, and its journey to another with a server of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.entities import Run as MlflowRun

from mlarchive.copy import Way, copy
from mlarchive.records import Address
from mlarchive.registries.azureml import AzureMlRegistry
from mlarchive.registries.base import Receipt, WritePolicy
from tests.support.azureml.emulator import Emulator
from tests.support.azureml.files import FILES
from tests.support.azureml.world import Json, Place
from tests.support.mlflow_server import MlflowServer

TRAINED = "prostate-of-a-job"
"""The model. Servers are shared by the tests of a session: it has a run of its own in each test."""

_USUAL = WritePolicy()


@pytest.fixture
def trained(azureml: Emulator, source_server: MlflowServer) -> tuple[Place, str]:
    """A workspace with a model that a job made; the job is a run of the server behind it."""
    client = MlflowClient(source_server.uri)
    name = f"segmentation-{source_server.pid}"
    experiment = client.get_experiment_by_name(name)
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(name)
    run = client.create_run(experiment_id, tags={"site": "lab"}, run_name="brave_lamp_1")
    points = [
        Metric("dice", 0.5 + step / 100, 1_700_000_000_000 + step, step) for step in range(40)
    ]
    client.log_batch(run.info.run_id, metrics=points)
    client.log_param(run.info.run_id, "lr", "0.1")
    client.set_terminated(run.info.run_id)
    lab = azureml.workspace(azureml.tenant(), "lab")
    lab.tracking = source_server.uri
    job = run.info.run_id
    azureml.put_job(lab, job, experimentName=name)
    azureml.put_job_files(lab, job, {f"model/{path}": raw for path, raw in FILES.items()})
    azureml.put_model(lab, TRAINED, "1", {"x": b"x"})
    uri = lab.uri_of("workspaceartifactstore", f"ExperimentRun/dcid.{job}/model")
    version = lab.version("models", TRAINED, "1")["properties"]
    version.update({"modelUri": uri, "jobName": job, "modelType": "mlflow_model"})
    return lab, job


@pytest.fixture
def clinic(azureml: Emulator, target_server: MlflowServer) -> Place:
    """An empty workspace of another tenant, with another server behind it."""
    place = azureml.workspace(azureml.tenant(), "clinic")
    place.tracking = target_server.uri
    return place


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """From the workspace that has the model to the one that has not.

    Attributes:
        lab: Where the model is.
        job: That made it.
        clinic: Where it goes.
        source: The lab's registry.
        target: The clinic's.
        what: The model's version at the lab.
        scratch: Where packages lie meanwhile.
    """

    lab: Place
    job: str
    clinic: Place
    source: AzureMlRegistry
    target: AzureMlRegistry
    what: Address
    scratch: Path

    def bring(self, policy: WritePolicy = _USUAL) -> Receipt:
        """Copy it once more, by way of a package."""
        way = Way(scratch=self.scratch, packed_at=0)
        return copy(self.source.read(self.what), self.target, policy, way).receipt

    @property
    def ours(self) -> MlflowClient:
        """The server behind the lab."""
        return MlflowClient(self.lab.tracking)

    @property
    def theirs(self) -> MlflowClient:
        """The server behind the clinic."""
        return MlflowClient(self.clinic.tracking)

    @property
    def arrived(self) -> Json:
        """What the clinic says of its version."""
        said: Json = self.clinic.version("models", TRAINED, "1")["properties"]
        return said

    @property
    def run(self) -> MlflowRun:
        """The run at the clinic that made its version."""
        return self.theirs.get_run(job_of(self.clinic))


@pytest.fixture
def journey(
    trained: tuple[Place, str],
    clinic: Place,
    opened: Callable[..., AzureMlRegistry],
    tmp_path: Path,
) -> Journey:
    """The model's journey; nothing was copied yet."""
    lab, job = trained
    what = Address(origin=lab.locator, kind="models", name=TRAINED, version="1")
    return Journey(
        lab=lab,
        job=job,
        clinic=clinic,
        source=opened(lab),
        target=opened(clinic),
        what=what,
        scratch=tmp_path,
    )


def job_of(place: Place, name: str = TRAINED) -> str:
    """The job that a model's first version names."""
    return str(place.version("models", name, "1")["properties"]["jobName"])


def runs_of(place: Place) -> dict[str, dict[str, str]]:
    """The tags of all runs that the server behind a workspace has, by id."""
    client = MlflowClient(place.tracking)
    experiments = [one.experiment_id for one in client.search_experiments()]
    found = client.search_runs(experiments, max_results=1000)
    return {run.info.run_id: run.data.tags for run in found}
