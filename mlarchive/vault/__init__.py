"""A vault: a folder of packages with a catalog that can be rebuilt from them at any time."""

from mlarchive.vault.catalog import Held, Kept, Labels
from mlarchive.vault.finding import MetricCondition, Search
from mlarchive.vault.retention import Decision, Rules
from mlarchive.vault.vault import Vault

__all__ = ["Decision", "Held", "Kept", "Labels", "MetricCondition", "Rules", "Search", "Vault"]
