"""How a command over many objects ends: one that fails does not stop the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlarchive.cli.console import Console
from mlarchive.cli.documents import error_document
from mlarchive.cli.explaining import as_ours
from mlarchive.errors import (
    AccessError,
    DamageError,
    Interrupted,
    MixedFailuresError,
    MlarchiveError,
    StorageError,
    UnavailableError,
)

if TYPE_CHECKING:
    from mlarchive.registries.base import Source
    from mlarchive.registries.locator import Locator

WITH_LOSSES = 3
DAMAGE = 4
DIFFERENT = 5


class Ending:
    """The exit status so far: 4 for damage, else the failures', else 3 for losses, else 0.

    Failures that do not share one are mixed ones (22).
    """

    def __init__(self) -> None:
        self.status = 0
        self._failed = False

    def take(self, status: int) -> None:
        """An object is done, with or without losses; damage counts for more than any failure."""
        if not self._failed or status == DAMAGE:
            self.status = DAMAGE if DAMAGE in {status, self.status} else max(self.status, status)

    @contextmanager
    def outlasting(self, name: object, console: Console) -> Iterator[None]:
        """Report an object's failure and go on, unless the next would fail of the same.

        A defect, of ours or of a client library, costs the object at hand and no more.

        Args:
            name: Of the object.
            console: Where the failure is told.

        Raises:
            MlarchiveError: What would make all others fail too: a full disk, a silent server.
        """
        try:
            yield
        except BrokenPipeError:
            raise
        except Exception as error:
            failure = as_ours(error)
            if isinstance(failure, (StorageError, UnavailableError, AccessError, Interrupted)):
                raise
            self.fail(name, failure, console)

    def owe(self, source: "Source", locator: "Locator", console: Console) -> bool:
        """Say what a source should have told of and could not, if it knows; it was no success.

        Whoever names one object asks for no other.

        Returns:
            Whether there is anything that the source does not show and may hold.
        """
        from mlarchive.registries.base import owed, unread
        from mlarchive.registries.selecting import is_exact

        if is_exact(locator.selector):
            return False
        hint = "see whether `mlarchive scrub` mends it, or what `mlarchive repair` saves"
        found = [
            *(
                DamageError(f"{one.what} cannot be opened: {one.why}", hint=hint)
                for one in unread(source, locator.selector)
            ),
            *owed(source),
        ]
        for error in found:
            if isinstance(error, DamageError):
                self.take(DAMAGE)
            self.fail(locator.origin, error, console)
        return bool(found)

    def lag(self, source: "Source", console: Console) -> bool:
        """Say of which names a source's lists did not show all; the others go on.

        Returns:
            Whether there are any.
        """
        from mlarchive.registries.base import lagging

        found = lagging(source)
        for name, error in found.items():
            self.fail(name, error, console)
        return bool(found)

    def fail(self, name: object, error: MlarchiveError, console: Console) -> None:
        """Tell a failure; the others go on."""
        console.note(f"error: {error.about(str(name))}")
        if error.hint:
            console.note(f"hint: {error.hint}")
        console.document({"address": str(name), "error": error_document(error)})
        if self.status != DAMAGE:
            alike = not self._failed or error.exit_status in {self.status, DAMAGE}
            self.status = error.exit_status if alike else MixedFailuresError.exit_status
        self._failed = True
