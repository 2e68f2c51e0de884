"""What Azure ML says and MLflow has no field for is listed, field by field, and nothing else is."""

from mlarchive.records import AnyRecord, Environment, ModelVersion, RegisteredModel, Run
from mlarchive.registries.unplaced import unplaced


def fields(record: AnyRecord) -> list[str]:
    return [loss.field for loss in unplaced(record, "models/wine/3")]


def test_properties_flavor_data_type_and_lifecycle_of_a_version_are_listed() -> None:
    version = ModelVersion(
        key="version",
        properties={"b": "1", "a": "2"},
        flavor_data={"python_function": '{"loader_module":"x"}'},
        model_type="triton_model",
        lifecycle="archived",
    )
    assert fields(version) == [
        *("property a", "property b", "lifecycle", "data of flavor python_function", "type"),
    ]


def test_a_type_that_the_files_say_is_no_loss() -> None:
    assert fields(ModelVersion(key="v", model_type="custom_model")) == []
    mlflow_model = ModelVersion(key="v", model_type="mlflow_model", flavors=("sklearn",))
    assert fields(mlflow_model) == []


def test_properties_of_runs_and_models_are_listed() -> None:
    assert fields(Run(key="r", properties={"commit": "abc"})) == ["property commit"]
    model = RegisteredModel(key="m", properties={"owner": "x"}, lifecycle="archived")
    assert fields(model) == ["property owner", "lifecycle"]


def test_an_environment_that_is_an_object_of_its_own_is_listed_by_its_name() -> None:
    own = Environment(key="e", name="gpu", version="2", image="ubuntu:22.04")
    (loss,) = unplaced(own, "models/wine/3")
    assert (loss.record, loss.field) == ("environments/gpu/2", "all of it")


def test_an_environment_that_the_files_of_a_model_say_is_no_loss() -> None:
    assert fields(Environment(key="e", record="model", conda="conda.yaml")) == []
