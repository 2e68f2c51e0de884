"""What every test may use: real servers, started once per process when a test first asks."""

pytest_plugins = ["tests.support.mlflow_server"]
