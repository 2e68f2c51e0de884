"""An emulator of Azure ML that the real clients take for the service.

`azure-ai-ml`, `azure-identity`, `azure-storage-blob` and MLflow's client reach it with their own
host names, through a CONNECT proxy on loopback: control planes and directories are here, blobs are
in a real Azurite (`make azurite` installs it), MLflow is a real server. No other host is reached.

    def test_something(azureml: Emulator, tmp_path: Path) -> None:
        tenant = azureml.tenant()             # of AzureCloud; (GOVERNMENT), (AIR_GAPPED) of others
        lab = azureml.workspace(tenant, "lab")
        shared = azureml.registry(tenant, "shared")
        azureml.put_model(lab, "prostate", "892", {"MLmodel": b"...", "data/w.bin": b"..."},
                          modelType="mlflow_model", tags={"a": "b"})
        azureml.put_environment(lab, "gpu", "3", image="ubuntu:22.04", condaFile="name: x")
        azureml.put_environment(lab, "ctx", "1", context={"Dockerfile": b"FROM ubuntu"})
        done = mlarchive("copy", f"{lab.locator}#models/prostate/892", shared.locator,
                         cwd=tmp_path, env=azureml.environment(tenant))
        assert azureml.files_of(shared, "prostate", "892") == {...}
        assert shared.version("models", "prostate", "892")["properties"]["tags"] == {...}

What can be set, at any time:

* a place (`lab`, `shared`): `page` (items a page), `polls` (how long an operation of a registry
  takes), `replication` (how often a fresh version of a registry is not there yet), `tracking` (the
  URI of the MLflow server behind a workspace; a job is named by its run's id), `jobs`;
* `lab.datastores["workspaceblobstore"]`: `secrets` (`Sas`, `AccountKey`, or `None`, where the
  client's own token opens it), `lifetime` of a SAS in seconds (less than 0: expired already);
* `tenant.principal.refused.add((lab.id, "write"))`: rights that are lacking (`read`, `write`,
  `secrets`); `azureml.principal(tenant)` is one more principal, for `azureml.environment`;
* `azureml.tokens.lifetime`: of new tokens, in seconds;
* `azureml.faults.plan("reset", at=7)`: what goes wrong at the 7th request from now on
  (`faults.FAULTS`; `counts=` says which requests count, `times=` how many in a row meet it).

What can be asked: `azureml.requests` (every request, with the secrets that it carried),
`azureml.wire.leaks` (those with a secret that was not for their host),
`azureml.wire.refused_hosts`.

To use a client within the test's own process, set `azureml.environment(tenant)` by `monkeypatch`.
It keeps its cloud in a global of the process, so take AzureCloud only.

It is as strict as the service is known to be: versions of models are positive integers, what a
version is made of is frozen, tags are strings, unknown fields and wrong paths are refused, a token
or SAS is good for its own tenant, cloud, account and time only.
"""

from tests.support.azureml.clouds import AIR_GAPPED, CLOUDS, GOVERNMENT, PUBLIC, Cloud
from tests.support.azureml.emulator import Emulator
from tests.support.azureml.faults import FAULTS, Fault
from tests.support.azureml.world import Place, Principal, Tenant

__all__ = [
    "AIR_GAPPED",
    "CLOUDS",
    "FAULTS",
    "GOVERNMENT",
    "PUBLIC",
    "Cloud",
    "Emulator",
    "Fault",
    "Place",
    "Principal",
    "Tenant",
]
