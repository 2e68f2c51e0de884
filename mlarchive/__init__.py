"""mlarchive: a versioned, checksummed archive format for machine-learning models.

The library behind the `mlarchive` command. `mlarchive.package` writes and reads
`.mlpkg` files, `mlarchive.records` says what is archived, `mlarchive.registries`
reads and writes the places models live in. It knows nothing of the daemon.
"""

__version__ = "0.1.0.dev0"
