"""What mlflow-export-import writes, as source and target (`mlflow-export:DIR`).

Needs the extra `[mlflow]`: what a run and a version mean is told by `registries.mlflow`. The
mapping is `spec/mapping-mlflow-export.md`.
"""

from mlarchive.registries.mlflowexport.registry import MlflowExportRegistry

__all__ = ["MlflowExportRegistry"]
