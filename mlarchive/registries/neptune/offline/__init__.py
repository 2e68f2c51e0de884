"""What clients of Neptune wrote and no server ever got, as a source (`neptune-offline:DIR`).

`layout` finds the folders; of 2.x `operations` reads the logs and `replay` does what they say, of
3.x `store` reads the SQLite files and `wire` their messages; `state` is what both fill. Files are
found by `locating`. The mapping is `spec/mapping-neptune.md`.
"""

from mlarchive.registries.neptune.offline.registry import NeptuneOfflineRegistry

__all__ = ["NeptuneOfflineRegistry"]
