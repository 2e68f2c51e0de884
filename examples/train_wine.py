"""Train a small real model twice and register both versions: what `make demo` mirrors.

Run it against any MLflow server: MLFLOW_TRACKING_URI=http://… python examples/train_wine.py
"""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import matplotlib as mpl
import mlflow
import sklearn
from mlflow import MlflowClient
from sklearn.datasets import load_wine
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

mpl.use("Agg")
import matplotlib.pyplot as plt

MODEL = "wine"
EPOCHS = 40


def main() -> None:
    """Train and register two versions, then label the first as champion."""
    mlflow.set_experiment("wine")
    for alpha in (0.01, 0.0001):
        train(alpha)
    client = MlflowClient()
    client.update_registered_model(MODEL, description="Tells three cultivars of wine apart.")
    client.set_registered_model_tag(MODEL, "owner", "cellar team")
    client.update_model_version(MODEL, "1", description="Strong regularisation.")
    client.set_model_version_tag(MODEL, "1", "reviewed-by", "Ada")
    client.set_registered_model_alias(MODEL, "champion", "1")


def train(alpha: float) -> None:
    """Train one version with a metric history, a plot and an environment file."""
    x, y = load_wine(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=7, stratify=y)
    scaler = StandardScaler().fit(x_train)
    classifier = SGDClassifier(loss="log_loss", alpha=alpha, random_state=7)
    with mlflow.start_run(run_name=f"sgd alpha={alpha}"):
        mlflow.log_params({"alpha": alpha, "epochs": EPOCHS, "loss": "log_loss"})
        mlflow.set_tag("purpose", "demonstration")
        losses = []
        for epoch in range(EPOCHS):
            classifier.partial_fit(scaler.transform(x_train), y_train, classes=[0, 1, 2])
            losses.append(log_loss(y_test, classifier.predict_proba(scaler.transform(x_test))))
            score = classifier.score(scaler.transform(x_test), y_test)
            mlflow.log_metrics({"loss": losses[-1], "accuracy": score}, step=epoch)
        log_plot(losses)
        mlflow.sklearn.log_model(
            make_pipeline(scaler, classifier),
            name="model",
            registered_model_name=MODEL,
            input_example=x_test[:2],
            pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
        )


def log_plot(losses: list[float]) -> None:
    """Log the loss curve as a picture."""
    figure, axes = plt.subplots()
    axes.plot(losses)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss on the test set")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "loss curve.png"
        figure.savefig(path)
        mlflow.log_artifact(str(path), "plots")
    plt.close(figure)


if __name__ == "__main__":
    main()
