"""What neptune-exporter wrote, as a source (`neptune-export:DIR`): needs pyarrow, not neptune.

`layout` finds the objects, `rows` reads the parquet parts, `reading` makes attributes of rows;
`clock` undoes the shift of times, `errorlog` says what the exporter failed to write. The mapping
is `spec/mapping-neptune.md`.
"""

from mlarchive.registries.neptune.export.registry import NeptuneExportRegistry

__all__ = ["NeptuneExportRegistry"]
