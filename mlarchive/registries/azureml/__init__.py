"""Azure ML: workspaces and registries as source and target (`azureml://`).

Needs the extra `[azureml]`. The mapping between Azure ML's assets and records is
`spec/mapping-azureml.md`. Only the process of a cloud (`worker`) imports azure-ai-ml.
"""

from mlarchive.registries.azureml.registry import AzureMlRegistry

__all__ = ["AzureMlRegistry"]
