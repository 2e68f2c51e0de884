"""The keys by which the records of one snapshot know each other: kinds and the server's ids."""


def run_key(run_id: str) -> str:
    """The key of a run's record."""
    return f"run/{run_id}"


def logged_model_key(model_id: str) -> str:
    """The key of a logged model's record."""
    return f"logged-model/{model_id}"


def experiment_key(experiment_id: str) -> str:
    """The key of an experiment's record."""
    return f"experiment/{experiment_id}"
