"""How a mirror stands at the targets that it has now, as the ledger says.

What is known of others, which have left its configuration, is nobody's trouble any more.
"""

from collections.abc import Mapping

from mlarchived.ledger import Ledger, ObjectTrouble, Standing
from mlarchived.mirrors import MirrorJob


def standings_of(job: MirrorJob, ledger: Ledger) -> Mapping[str, Standing]:
    """How it stood at each target when that was last looked at, by name, in their order.

    Raises:
        MlarchiveError: The ledger cannot be read.
    """
    stood = ledger.standings(job.name, intake=job.drop is not None)
    return {target: stood[target] for target in job.rules().targets if target in stood}


def troubles_of(job: MirrorJob, ledger: Ledger) -> list[ObjectTrouble]:
    """What went wrong with which object, and which ones wait for a person.

    Raises:
        MlarchiveError: The ledger cannot be read.
    """
    targets = {"", *job.rules().targets}
    return [trouble for trouble in ledger.troubles(job.name) if trouble.target in targets]
