"""Use cases that keep a vault readable for years: checking, mending, trial restores, risks."""

from mlarchive.scrub.donors import Donor, PackageDonor, RegistryDonor, VaultDonor
from mlarchive.scrub.pace import Pace
from mlarchive.scrub.risks import Risk, risks
from mlarchive.scrub.scrubbing import Care, Scrubbed, scrub

__all__ = [
    "Care",
    "Donor",
    "Pace",
    "PackageDonor",
    "RegistryDonor",
    "Risk",
    "Scrubbed",
    "VaultDonor",
    "risks",
    "scrub",
]
