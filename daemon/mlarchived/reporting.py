"""Saying what happens to the objects of one mirror, as events."""

from msgspec import Struct

from mlarchive.errors import MlarchiveError
from mlarchive.records import Address, Loss
from mlarchived.events import Began, Ended, Outcome, Phase, Report


class Effort(Struct, frozen=True, kw_only=True):
    """What a step took.

    Attributes:
        moved: Bytes read into a package, or sent to a target.
        seconds: How long.
        losses: What could not be carried.
        changes: What the target holds in another form.
    """

    moved: int = 0
    seconds: float = 0.0
    losses: tuple[Loss, ...] = ()
    changes: tuple[Loss, ...] = ()


NONE = Effort()


class Reporter:
    """Makes events of what happens in one mirror, and passes them on."""

    def __init__(self, mirror: str, report: Report) -> None:
        self._mirror = mirror
        self._report = report

    def began(self, address: Address, target: str, phase: Phase) -> None:
        """A step that may take long has begun."""
        self._report(Began(mirror=self._mirror, object=str(address), target=target, phase=phase))

    def ended(  # noqa: PLR0913  (all that is known of it)
        self,
        address: Address,
        target: str,
        outcome: Outcome,
        reason: str,
        effort: Effort = NONE,
        *,
        status: int = 0,
    ) -> None:
        """A step has ended, or was not taken; `status` is that of what keeps it from being told."""
        self._report(
            Ended(
                mirror=self._mirror,
                object=str(address),
                target=target,
                outcome=outcome,
                reason=reason,
                bytes=effort.moved,
                seconds=round(effort.seconds, 3),
                losses=_told(effort.losses) if effort.losses else (),
                changes=_told(effort.changes) if effort.changes else (),
                exit_status=status,
            )
        )

    def all_waits(self, why: str) -> None:
        """Nothing is done now."""
        self._report(Ended(mirror=self._mirror, object="", target="", outcome="wait", reason=why))

    def failed(self, error: MlarchiveError, thing: str, target: str = "") -> None:
        """A step failed.

        Args:
            error: Why.
            thing: The object; "" if the failure concerns them all.
            target: Where it was to go; "" if it could not be read.
        """
        self._report(
            Ended(
                mirror=self._mirror,
                object=thing,
                target=target,
                outcome="failed",
                reason=error.message,
                hint=error.hint,
                code=error.code,
                exit_status=error.exit_status,
                retryable=error.retryable,
            )
        )


def _told(losses: tuple[Loss, ...]) -> tuple[str, ...]:
    return tuple(f"{loss.record}, {loss.field}: {loss.why}" for loss in losses)
