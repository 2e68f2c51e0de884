"""A workspace's own MLflow interface: experiments, runs, metrics, parameters and tags, no more.

It is spoken with by MLflow's client and the token of the control plane. mlflow is imported only
here, when there is a run to read or to write.
"""

from typing import TYPE_CHECKING

from mlarchive.errors import MissingExtraError, NotFoundError
from mlarchive.registries.azureml.assets import ControlPlane
from mlarchive.registries.mlflow.patience import bound_pauses

if TYPE_CHECKING:
    from mlflow.entities import Run

    from mlarchive.registries.mlflow.connection import Connection

_HTTPS = "https"
_RUN = "/api/2.0/mlflow/runs/get"
_ASKED_AGAIN = frozenset({408, 429, 502, 503, 504})
"""What a server says that will answer soon; one that fails (500) does so each time, as a rule."""

OWN_TAGS = ("azureml.", "mlflow.")
"""What tags begin with that the service puts on runs by itself."""

_ASSIGNED = frozenset({"user", "start", "end"})


def tracking_connection(control: ControlPlane) -> "Connection":
    """Connect to it; nothing but where it is was asked yet.

    Raises:
        NotFoundError: The workspace has none.
        MissingExtraError: MLflow's client is not installed.
    """
    try:
        from mlflow.store.model_registry.rest_store import RestStore as ModelRestStore
        from mlflow.store.tracking.rest_store import RestStore
        from mlflow.utils.rest_utils import MlflowHostCreds
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"jobs of {control.shown} are known over MLflow's interface, and MLflow's client is "
            "not installed",
            hint="pip install 'mlarchive[mlflow]'",
        ) from error
    from mlarchive.registries.mlflow.connection import Connection

    bound_pauses()
    uri = tracking_uri(control)

    def creds(host: str = uri) -> MlflowHostCreds:
        return MlflowHostCreds(host, token=control.token().token)

    return Connection(
        uri=uri,
        tracking=RestStore(creds),
        models=ModelRestStore(creds),
        served=True,
        creds=creds,
        assigns=_ASSIGNED,
        own_tags=OWN_TAGS,
        ends_found=False,
    )


def run_at_once(connection: "Connection", job: str) -> "Run":
    """A run, as far as a server tells it without being asked again where it fails.

    Raises:
        Exception: As MLflow's client does.
    """
    from mlflow.entities import Run
    from mlflow.protos.service_pb2 import GetRun
    from mlflow.utils.proto_json_utils import parse_dict
    from mlflow.utils.rest_utils import http_request, verify_rest_response

    creds = connection.creds(connection.uri)
    asked = {"run_id": job, "run_uuid": job}
    response = http_request(creds, _RUN, "GET", params=asked, retry_codes=_ASKED_AGAIN)
    said = GetRun.Response()
    parse_dict(verify_rest_response(response, _RUN).json(), said)
    return Run.from_proto(said.run)


def tracking_uri(control: ControlPlane) -> str:
    """The address of a workspace's MLflow interface."""
    said = str((control.workspace().get("properties") or {}).get("mlFlowTrackingUri") or "")
    if not said:
        raise NotFoundError(f"{control.shown} names no MLflow server of its own")
    return f"{_HTTPS}{said.removeprefix('azureml')}".replace("/mlflow/v1.0/", "/mlflow/v2.0/", 1)
