"""Restoring into an empty tracking database, with every id, number and time as it was.

Through MLflow's own database models, not its API, which assigns these itself. What is restored and
what is not is told by "Restoring" in `spec/mapping-mlflow.md`.
"""

from mlarchive.registries.mlflow.restore.target import TrackingDatabase

__all__ = ["TrackingDatabase"]
