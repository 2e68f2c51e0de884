"""A vault: a folder of packages with a catalog that can be rebuilt from them at any time."""

from mlarchive.vault.catalog import Kept
from mlarchive.vault.vault import Vault

__all__ = ["Kept", "Vault"]
