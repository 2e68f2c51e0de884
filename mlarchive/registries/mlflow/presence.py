"""Whether what a list of everything leaves out is there all the same, since a version brings it."""

from mlarchive.errors import AccessError, NotFoundError
from mlarchive.records import Address
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.selecting import registered_model, run_of


def is_there(connection: Connection, address: Address) -> bool:
    """Whether a server has a run, a registered model or a prompt, versions or not.

    Of all else lists show what there is. What may not be seen is not known to be gone.
    """
    if address.version:
        return False
    try:
        if address.kind == "runs":
            run_of(connection, address.name)
        elif address.kind in {"registered-models", "prompts"}:
            registered_model(connection, address.name)
        else:
            return False
    except NotFoundError:
        return False
    except AccessError:
        return True
    return True
