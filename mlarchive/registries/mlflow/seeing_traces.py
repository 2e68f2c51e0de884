"""Traces as a mirror sees them from afar: what a search tells of the newest (clause 6)."""

import hashlib

from mlarchive.errors import MlarchiveError
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.tracefetching import search_infos

_NEWEST = 500


def newest_traces(
    connection: Connection, experiment_id: str, where: str = "", *, most: int = _NEWEST
) -> list[str]:
    """Digests of what a search tells of the newest traces; its error if it fails each time.

    Args:
        connection: To the server.
        experiment_id: Of the experiment that they are in.
        where: A filter in mlflow's own words.
        most: How many at most.

    Raises:
        MlarchiveError: It may be tried again.
    """
    found = search_infos(connection, [experiment_id], where, most=most)
    try:
        told = (bytes(trace.SerializeToString(deterministic=True)) for trace in found)
        return sorted(hashlib.sha256(one).hexdigest() for one in told)
    except MlarchiveError as error:
        if error.retryable:
            raise
        return ["unlisted", error.code]
