"""What every test may use: real servers, started once per process when a test first asks.

Laws are searched the same way every time, and a slow machine fails none of them.
"""

from hypothesis import settings

pytest_plugins = [
    "tests.support.mlflow_server",
    "tests.support.mlflow_filled",
    "tests.support.postgres",
    "tests.support.mysql",
    "tests.support.azureml.fixture",
    "tests.support.neptune.running",
]

settings.register_profile("mlarchive", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("mlarchive")
