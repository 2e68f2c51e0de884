"""What is attached to traces arrives, also where a server keeps it in folders of its own."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from mlflow import MlflowClient

from mlarchive.errors import NotFoundError
from mlarchive.records import Experiment, Run
from mlarchive.registries.mlflow import MlflowRegistry, tracefolders
from tests.integration.mlflow.test_traces import POLICY, of_a_run, package_at, small_trace
from tests.support.mlflow_packages import file_stream, packed
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.mlflow


def test_what_was_attached_to_traces_arrives(clinic: MlflowRegistry) -> None:
    snapshot = of_a_run([small_trace("fa")], "attached")
    trace_id = small_trace("fa").id
    path = f"attached/{trace_id}/attachments/picture"
    snapshot = replace(
        snapshot, streams=(*snapshot.streams, file_stream("traces-attached", path, b"a picture"))
    )
    package = packed(snapshot)
    receipt = clinic.write(package.snapshot(), POLICY)
    back = package_at(clinic, receipt.target)

    (stream,) = (s for s in back.snapshot().streams if getattr(s.entry, "path", "") == path)
    with stream.open() as file:
        assert file.read() == b"a picture"
    assert back.content_id == package.content_id


@pytest.mark.parametrize("seen", [True, False])
def test_what_was_attached_arrives_at_a_server_without_a_proxy_or_its_folder(
    clinic: MlflowRegistry,
    target_server: MlflowServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    seen: bool,
) -> None:
    name = f"fresh {'seen' if seen else 'unseen'}"
    root = tmp_path / "no" / "such" / "folder"
    there = MlflowClient(target_server.uri, target_server.uri)
    there.create_experiment(name, artifact_location=str(root / "experiment"))
    bare = msgspec.structs.replace(small_trace(f"fb{seen:d}"), spans=())
    full = small_trace(f"fc{seen:d}")
    path = f"attached/{full.id}/attachments/{UUID(int=7)}"
    made = of_a_run([bare, full], name)
    run, traces = made.records
    assert isinstance(run, Run)
    placed = msgspec.structs.replace(run, experiment="experiment")
    records = (Experiment(key="experiment", name=name), placed, traces)
    streams = (*made.streams, file_stream(traces.key, path, b"a picture"))
    package = packed(replace(made, records=records, streams=streams))
    if not seen:
        # As where it has that path on another disk.
        given = "/ajax-api/2.0/mlflow/no-such-request"
        monkeypatch.setattr(tracefolders, "_GIVEN", given)
        with pytest.raises(NotFoundError, match="on its own machine"):
            clinic.write(package.snapshot(), POLICY)
        assert not [one for one in root.rglob("*") if one.is_file()]
        return
    receipt = clinic.write(package.snapshot(), POLICY)
    back = package_at(clinic, receipt.target)
    (stream,) = (s for s in back.snapshot().streams if getattr(s.entry, "path", "") == path)
    with stream.open() as file:
        assert file.read() == b"a picture"
    assert clinic.write(package.snapshot(), POLICY).idle
