"""Two that write the same version at once: one is quicker, and the other has to notice.

Whatever fails once the version is there may fail because of that: a registry gives no place for
the bytes any more, the quicker one removes what lies there, something frozen would change.
"""

import contextlib
from collections.abc import Iterator

from mlarchive.errors import ConflictError, NotFoundError, RemoteError
from mlarchive.registries.azureml.assets import Kind
from mlarchive.registries.azureml.work import Work


@contextlib.contextmanager
def noticing_others(work: Work, kind: Kind, name: str, number: str) -> Iterator[None]:
    """Say of a failure to make a version that it is there, if it is.

    Raises:
        ConflictError: It is there by now; what it holds was not looked at.
        MlarchiveError: As the block does.
    """
    try:
        yield
    except (RemoteError, NotFoundError) as error:
        present = work.control.versions(kind, name, archived=True)
        if any(one.name == number and not one.is_failed for one in present):
            raise ConflictError(error.message) from error
        raise
    except ConflictError as error:
        present = work.control.versions(kind, name, archived=True)
        if not error.hint and all(one.name != number for one in present):
            error.hint = (
                f"{work.control.shown} does not show {kind}/{name}/{number} to anybody who asks: "
                "it is behind, or does not give a number again that was deleted; run the same "
                "command again later, or take another number (--version, or --versions next)"
            )
        raise
