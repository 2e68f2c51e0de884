"""What is attached to traces arrives, also where a server keeps it in folders of its own."""

import shutil
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
from tests.support.command import within
from tests.support.mlflow_packages import file_stream, packed
from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_traces import seed_traces

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


def test_what_traces_have_lost_at_the_source_is_a_loss_each_time(
    source_server: MlflowServer, target_server: MlflowServer, tmp_path: Path
) -> None:
    lost = seed_traces(source_server.uri, "lost")
    kept = source_server.folder / "artifacts" / lost.experiment_id / "traces"
    for trace_id in (lost.filed, lost.alone):
        shutil.rmtree(kept / trace_id)
    for _ in range(2):
        (run_done, experiment_done) = (
            within("copy", f"{source_server.locator}#{one}", target_server.locator, cwd=tmp_path)
            for one in (f"runs/{lost.run_id}", f"experiments/id:{lost.experiment_id}")
        )
        assert (run_done.status, experiment_done.status) == (3, 3), run_done.err
        assert f"spans: of 1 ({lost.filed}): the source no longer has their spans" in run_done.err
        # One that never ended had none yet.
        assert lost.unfinished not in run_done.err
        told = f"attachments that spans name: of 1 ({lost.alone}/attachments/"
        assert told in experiment_done.err
        assert lost.linked not in experiment_done.err


def test_a_vault_keeps_what_traces_have_lost_and_a_copy_has_lost_nothing_more(
    source_server: MlflowServer, target_server: MlflowServer, tmp_path: Path
) -> None:
    lost = seed_traces(source_server.uri, "lost and kept")
    kept = source_server.folder / "artifacts" / lost.experiment_id / "traces"
    shutil.rmtree(kept / lost.alone)
    (kept / lost.filed / "artifacts" / "traces.json").unlink()
    run, experiment = f"#runs/{lost.run_id}", f"#experiments/id:{lost.experiment_id}"
    here = MlflowClient(source_server.uri, source_server.uri)
    for said in ("first", "later"):
        here.set_experiment_tag(lost.experiment_id, "said", said)
        here.set_tag(lost.run_id, "said", said)
        for one in (run, experiment):
            packing = within("pack", source_server.locator + one, "-o", "v", cwd=tmp_path)
            assert packing.status == 3, packing.err
    for one in (f"runs/{lost.run_id}", "experiments/*"):
        done = within("copy", f"vault:v#{one}", target_server.locator, "--json", cwd=tmp_path)
        assert done.status == 3, done.err
        assert "spans" in done.err
        assert "the source no longer has" in done.err
    there = MlflowClient(target_server.uri, target_server.uri)
    found = there.get_experiment_by_name(lost.experiment)
    assert found is not None
    (copied,) = there.search_runs([found.experiment_id])
    on = within(
        "pack", f"{target_server.locator}#runs/{copied.info.run_id}", "-o", "on.mlpkg", cwd=tmp_path
    )
    assert on.status == 0, on.err
