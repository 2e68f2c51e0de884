"""What a person is told when something goes wrong that no error class was made for."""

import contextlib
from collections.abc import Iterator

from mlarchive.errors import MlarchiveError


def unexpected(error: Exception) -> MlarchiveError:
    """A defect, ours or a client library's, as one sentence."""
    return MlarchiveError(
        f"unexpected {type(error).__name__}: {error}",
        hint="this is a defect of mlarchived or of a library it uses; please report it",
    )


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """Let a defect cost the object or mirror at hand, and no more.

    Raises:
        MlarchiveError: As raised inside, or `unexpected` for anything else.
    """
    try:
        yield
    except MlarchiveError:
        raise
    except Exception as error:
        raise unexpected(error) from error
