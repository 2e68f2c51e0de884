"""A Databricks workspace as an MLflow server: what is asked of it otherwise (clause 14)."""

from mlflow.store.model_registry.rest_store import RestStore as ModelRestStore
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.mlflow_tags import MLFLOW_EXPERIMENT_SOURCE_ID, MLFLOW_EXPERIMENT_SOURCE_TYPE
from mlflow.utils.rest_utils import MlflowHostCreds

from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.failures import speaking
from mlarchive.registries.notebooks.wanted import Workspace

_REFUSED = frozenset(
    {
        marks.MLFLOW_USER,
        "mlflow.log-model.history",
        "mlflow.rootRunId",
        MLFLOW_EXPERIMENT_SOURCE_ID,
        MLFLOW_EXPERIMENT_SOURCE_TYPE,
    }
)
"""What a workspace says by itself, and takes from nobody."""

_FOLDER = "/Shared"
"""Where everybody of a workspace can make experiments."""


def connect_workspace(uri: str, workspace: Workspace) -> Connection:
    """Open a workspace.

    Args:
        uri: `databricks` or `databricks://PROFILE`, as MLflow's client spells it.
        workspace: Where it is.

    Raises:
        MlarchiveError: It does not answer as an MLflow server does.
    """

    def creds(_: str = "") -> MlflowHostCreds:
        return MlflowHostCreds(workspace.host, token=workspace.token)

    connection = Connection(
        uri=uri,
        tracking=RestStore(creds),
        models=ModelRestStore(creds),
        served=True,
        creds=creds,
        assigns=frozenset({"user"}),
        own_tags=("mlflow.",),
        refused_tags=_REFUSED,
        folder=_FOLDER,
        doubted=True,
    )
    with speaking(workspace.host):
        connection.require_mlflow()
    return connection
