"""What a write will do: steps in order, and what the target cannot hold."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlarchive.records import Loss
from mlarchive.registries.base import Action, WritePolicy
from mlarchive.registries.mlflowexport.placing import Place
from mlarchive.snapshot import Snapshot


@dataclass(slots=True, kw_only=True)
class Work:
    """Filled by planning; done step by step.

    Attributes:
        snapshot: What is written.
        place: Where.
        policy: How.
        steps: What to do, in order.
        losses: What the layout cannot hold.
        transformations: What it holds in another form.
        experiments: What the documents of experiments will state, by record.
        runs: Folders of runs, by record.
        marks: What is added to the documents of runs, by record.
        sent: Bytes of files written so far.
    """

    snapshot: Snapshot
    place: Place
    policy: WritePolicy
    steps: list[tuple[Action, Callable[[], None]]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    transformations: list[Loss] = field(default_factory=list)
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, Path] = field(default_factory=dict)
    marks: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: int = 0

    @property
    def ids(self) -> dict[str, str]:
        """The package's ids, as they are remembered."""
        return {"content_id": self.snapshot.content_id, "state_id": self.snapshot.state_id}

    def add(self, action: Action, do: Callable[[], None]) -> None:
        """Add a step."""
        self.steps.append((action, do))

    def lose(self, record: str, what: str, why: str) -> None:
        """List something that the layout cannot hold."""
        self.losses.append(Loss(record=record, field=what, why=why))

    def change(self, record: str, what: str, why: str) -> None:
        """List something that the layout holds in another form."""
        self.transformations.append(Loss(record=record, field=what, why=why))
