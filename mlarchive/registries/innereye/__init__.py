"""Folders that InnerEye's `move_model.py` downloads and uploads, as source and target.

How their files and records belong together is `spec/mapping-innereye.md`.
"""

from mlarchive.registries.innereye.registry import InnerEyeRegistry

__all__ = ["InnerEyeRegistry"]
