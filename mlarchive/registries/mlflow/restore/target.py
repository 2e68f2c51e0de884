"""A tracking database as a target of restores."""

from collections.abc import Callable, Sequence
from pathlib import Path

from mlarchive.errors import LocatorError
from mlarchive.registries.mlflow.restore.database import database_at
from mlarchive.registries.mlflow.restore.places import Artifacts
from mlarchive.registries.mlflow.restore.restoring import restore
from mlarchive.registries.restorable import PackageToRestore, Restored


class TrackingDatabase:
    """A database that is new or empty, or that an earlier restore filled."""

    def __init__(self, uri: str, *, shown: str, options: str = "") -> None:
        """Name it; it is opened when it is needed.

        Args:
            uri: `sqlite:///…`, `postgresql://…` or `mysql://…`, without credentials.
            shown: As a person names it.
            options: A file of MySQL's client's with the user and password; "" for none.
        """
        self._database = database_at(uri, shown=shown, options=options)

    def restore(
        self,
        packages: Sequence[PackageToRestore],
        *,
        artifacts: Path,
        artifact_root: str = "",
        dry_run: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Restored:
        """Fill it with all that packages of one origin hold."""
        if "@" in artifact_root.partition("://")[2].partition("/")[0]:
            raise LocatorError(
                "the artifact root holds a user or password",
                hint="give credentials in the environment, as the store's own client wants them",
            )
        folder = artifacts.absolute()
        return restore(
            packages,
            self._database,
            Artifacts(folder=folder, root=artifact_root or str(folder)),
            dry_run=dry_run,
            progress=progress,
        )
