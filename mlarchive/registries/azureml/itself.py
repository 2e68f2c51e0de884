"""What is to be written to the place that it is from, as a package of it is.

Nothing is written: what it says otherwise by now stays as it is, and is a loss.
"""

from mlarchive.registries.azureml.assets import Asset
from mlarchive.registries.azureml.candidate import Candidate
from mlarchive.registries.azureml.environment_of_model import list_environment_since
from mlarchive.registries.azureml.labels import ITSELF, Labels, lose_since
from mlarchive.registries.azureml.reading_job import job_of
from mlarchive.registries.azureml.work import Work
from mlarchive.registries.azureml.writing_model import plan_model
from mlarchive.registries.azureml.writing_run import plan_run_there


def plan_itself(work: Work, wanted: Candidate, present: Asset, labels: Labels) -> None:
    """Plan that a version is kept, and lose what is said otherwise there since it was read.

    Args:
        work: Gets the steps and losses.
        wanted: The version, as it was read.
        present: The version, as it is.
        labels: As they were read.
    """
    what = f"models/{wanted.name}/{present.name}"
    lose_since(work, what, present, labels)
    list_environment_since(work, wanted, present)
    plan_run_there(work, what, job_of(present))
    work.step("keep", what, ITSELF)
    plan_model(work, wanted.name)
