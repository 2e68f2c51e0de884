"""One look at a drop folder, with all that it takes: the lease, the ledger, the vault."""

import contextlib
from collections.abc import Callable

from mlarchive.errors import Interrupted, MlarchiveError
from mlarchive.vault import Vault
from mlarchived.defects import contained
from mlarchived.drop import names
from mlarchived.drop.candidates import require_there
from mlarchived.drop.intake import Intake, Pass
from mlarchived.drop.means import Means
from mlarchived.drop.stillness import READINGS
from mlarchived.events import Ended
from mlarchived.ledger import LeaseLostError, Ledger, Record
from mlarchived.mirrors import MirrorJob
from mlarchived.once import Circumstances
from mlarchived.room import trust_of
from mlarchived.stores import require_vault
from mlarchived.views import VAULT

_LOOKS = 3 * READINGS
"""So often what may still be written is looked at, however long a look takes."""


def receive(
    job: MirrorJob, intake: Intake, around: Circumstances, arm: Callable[[], object] = bool
) -> Pass:
    """Take in what is complete now; what fails or stays, the ledger says until it goes well.

    Args:
        job: The mirror.
        intake: Remembers what it has seen.
        around: What it needs beside that.
        arm: Called when the folder is there, before it is looked at.

    Raises:
        BusyError: Another process does.
        MlarchiveError: As `Intake.look`.
    """
    with Ledger.open(around.state) as ledger, ledger.record(f"drop:{job.name}") as record:
        try:
            with contained():
                require_vault(job, ledger)
                found = _taken_in(job, intake, around, record, arm)
        except (Interrupted, LeaseLostError):
            raise
        except MlarchiveError as error:
            # The disk that is full may be the ledger's too.
            with contextlib.suppress(MlarchiveError):
                record.fails(VAULT, trouble=names.shown(error.message))
            raise
        if found.stuck:
            more = len(found.stuck) - 1
            others = f" ({more} more likewise)" if more else ""
            record.fails(VAULT, trouble=found.stuck[0] + others)
        else:
            record.fails_no_more(VAULT)
        return found


def _taken_in(
    job: MirrorJob,
    intake: Intake,
    around: Circumstances,
    record: Record,
    arm: Callable[[], object],
) -> Pass:
    assert job.drop  # noqa: S101  (mirrors without one are not asked)
    assert job.vault  # noqa: S101  (a mirror with a drop folder has one)
    require_there(job.drop.folder)
    arm()
    with Vault.open(job.vault) as vault:
        means = Means(
            environment=around.environment,
            vault=vault,
            record=record,
            report=around.report,
            stopping=around.stopping,
            trust=trust_of(job),
            targets=tuple(place.name for place in job.targets),
        )
        return intake.look(means)


def receive_all(job: MirrorJob, around: Circumstances) -> None:
    """Take in everything that is there, waiting until what may still be written stands still.

    What changes all the time is waited for no longer than anything else.

    Raises:
        MlarchiveError: As `receive`.
    """
    assert job.drop  # noqa: S101  (mirrors without one are not asked)
    intake = Intake(job.name, job.drop)
    for look in range(_LOOKS):
        if look:
            around.stopping.wait(pause(job.drop.settle))
            around.stopping.check()
        pending = receive(job, intake, around).pending
        if not pending:
            break
    for name in pending:
        around.report(
            Ended(
                mirror=job.name,
                object=name,
                target=VAULT,
                outcome="unsettled",
                reason="it changes all the time: somebody may still be writing it",
            )
        )


def pause(settle: float) -> float:
    """Seconds between two looks at what may still be written."""
    return settle / READINGS
