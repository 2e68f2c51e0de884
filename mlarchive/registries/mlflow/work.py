"""A write in the making: its steps in order, and what they cannot keep.

Planning looks at the target and adds steps; nothing changes until a step is done. Steps share the
ids that the target hands out. The plan that a person sees and the write that follows are made of
the same steps.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec
from mlflow.entities import Experiment as MlflowExperiment

from mlarchive.records import (
    Address,
    AnyRecord,
    Experiment,
    LoggedModel,
    Loss,
    ModelVersion,
    Notebook,
    PromptVersion,
    Run,
    Tags,
)
from mlarchive.registries.base import Action, Verb, WritePolicy
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.given import Given, coming_mark, digest, mark_of, merged
from mlarchive.registries.mlflow.settings import once
from mlarchive.registries.modelid import MODEL_ID, followed
from mlarchive.snapshot import Snapshot

_NOT_HAD = "the source does not have it"
_REMOVED = "removed at the source"


def _nothing() -> None:
    """What keeping takes."""


@dataclass(frozen=True, slots=True)
class Step:
    """One action and how it is done.

    Attributes:
        action: As a person sees it.
        do: Does it.
        once: Whether its requests fail when they are sent again after they took effect.
    """

    action: Action
    do: Callable[[], None]
    once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLabels:
    """Labels of a run that is there, and as its source says them.

    Attributes:
        what: The run, for a person.
        marked: All tags that it has there.
        held: Those that are labels.
        tags: As the source says them.
        held_name: The name that it has there.
        name: As the source says it.
    """

    what: str
    marked: Tags
    held: Tags
    tags: Tags
    held_name: str
    name: str


@dataclass(slots=True)
class Work:
    """Everything that planning and writing one snapshot share.

    Attributes:
        connection: To the target.
        snapshot: What is written.
        policy: How.
        origin: The target's own name.
        target: The object's address at the target, when all is planned.
        steps: In order.
        done: Those that were done so far.
        losses: What the target cannot hold.
        awaiting: Those of them that end when other objects come there.
        transformations: What it holds in another form.
        known: Ids at the target that a version which is held there names, by the record's key; with
            those of their experiment, where another one is asked for.
        ids: The target's id of each record that is there, by the record's key.
        cleared: Names of models and prompts that are to be deleted before they are written.
        revived: Keys of runs and experiments that were deleted there and are restored to be
            written.
        asleep: Experiments that are deleted on both sides: how one is restored, and before which
            step, by the record's key.
        elsewhere: The target's ids of runs and logged models that came with other objects, by those
            of the source; "" for one that is not there.
        grown: Whether the version that is written is there, and its run has got more since.
        left_out: Keys of records that are not written, which losses tell.
        given: What the source says of a version's labels, by the record's key.
        experiments: Those at the target that were looked at, by their ids.
        renamed: Names that experiments at the target are to get, by their ids.
        numbered: The version that is written, with its name and number at the target.
        settle: Says what tags and name of a run that is there are to be, where what people said
            there counts under any policy, as at Azure ML.
        refused: Why the target did not take what the step was to do that is done now; "" if it did.
        sent: Bytes of files sent so far.
    """

    connection: Connection
    snapshot: Snapshot
    policy: WritePolicy
    origin: str = ""
    target: Address = field(init=False)
    steps: list[Step] = field(default_factory=list)
    done: list[Action] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    awaiting: list[Loss] = field(default_factory=list)
    transformations: list[Loss] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)
    revived: set[str] = field(default_factory=set)
    asleep: dict[str, tuple[int, Step]] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)
    grown: bool = False
    left_out: set[str] = field(default_factory=set)
    given: dict[str, Given] = field(default_factory=dict)
    experiments: dict[str, MlflowExperiment] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    numbered: tuple[ModelVersion, str, str] | None = None
    settle: "Callable[[RunLabels], tuple[Tags, str]] | None" = None
    refused: str = ""
    sent: int = 0

    @property
    def extends(self) -> bool:
        """Whether what has changed at the source is added to the run that is there."""
        return self.grown or self.policy.conflict != "new-version"

    @property
    def from_here(self) -> bool:
        """Whether the snapshot is from the very server that it goes to, by its name."""
        return self.snapshot.address.origin == f"mlflow+{self.connection.uri}"

    def experiment(self, experiment_id: str) -> MlflowExperiment:
        """An experiment at the target, which is asked for once."""
        if experiment_id not in self.experiments:
            found = self.connection.tracking.get_experiment(experiment_id)
            self.experiments[experiment_id] = found
        return self.experiments[experiment_id]

    def following(self, what: str, tags: Tags) -> Tags:
        """Tags of a version or its run that name the version as it is called at the target."""
        if self.numbered is None:
            return tags
        found, changed = followed(tags, *self.numbered)
        if changed:
            self.change(what, f"tag {MODEL_ID}", f"it names {found[MODEL_ID]} at the target")
        return found

    def taken(self, what: str, tags: Tags) -> Tags:
        """Tags without those that the target takes from nobody, which are listed."""
        refused = self.connection.refused_tags
        for name in sorted(refused & tags.keys()):
            self.change(what, f"tag {name}", "the target says it itself, and takes it from nobody")
        return {name: value for name, value in tags.items() if name not in refused}

    def do(self) -> None:
        """Do all steps."""
        for step in self.steps:
            with once() if step.once else contextlib.nullcontext():
                step.do()
            self.done.append(self._as_done(step.action))

    def _as_done(self, action: Action) -> Action:
        why, self.refused = self.refused, ""
        return msgspec.structs.replace(action, verb="skip", why=why) if why else action

    def step(self, verb: Verb, what: str, why: str = "", do: Callable[[], None] = _nothing) -> None:
        """Add a step."""
        self.steps.append(Step(Action(verb=verb, what=what, why=why), do))

    def step_once(self, verb: Verb, what: str, why: str, do: Callable[[], None]) -> None:
        """Add a step whose requests fail when they are sent again after they took effect."""
        self.steps.append(Step(Action(verb=verb, what=what, why=why), do, once=True))

    def lose(self, record: str, what: str, why: str) -> None:
        """List something that the target cannot hold, once."""
        loss = Loss(record=record, field=what, why=why)
        if loss not in self.losses:
            self.losses.append(loss)

    def await_other(self, record: str, what: str, why: str) -> None:
        """List something that the target cannot hold as long as it lacks another object."""
        self.lose(record, what, why)
        self.awaiting.append(Loss(record=record, field=what, why=why))

    def change(self, record: str, what: str, why: str) -> None:
        """List something that the target holds in another form, once."""
        change = Loss(record=record, field=what, why=why)
        if change not in self.transformations:
            self.transformations.append(change)


def called(record: AnyRecord) -> str:
    """What a person calls a record of the snapshot."""
    if isinstance(record, Run):
        return f"run {record.name or record.native.id!r}"
    if isinstance(record, LoggedModel):
        return f"logged model {record.name!r}"
    if isinstance(record, Experiment):
        return f"experiment {record.name!r}"
    if isinstance(record, Notebook):
        return f"notebook {record.path!r}"
    return record.key


def begun_why(tags: Mapping[str, str]) -> str:
    """Why something that is at the target is looked through, and marked as whole then.

    Args:
        tags: Those that it has.
    """
    if marks.ORIGIN in tags:
        return "a write of it was interrupted, or goes on"
    return "it was here before the same came from there"


def cut(work: Work, what: str, kind: str, values: Mapping[str, str], limit: int) -> dict[str, str]:
    """Params or tags as the target can hold them; what is cut is listed as a loss.

    Args:
        work: Gets the losses.
        what: The object they belong to.
        kind: `param` or `tag`.
        values: By name.
        limit: In characters.
    """
    for name, value in values.items():
        if len(value) > limit:
            why = f"MLflow holds {limit} characters, and it has {len(value)}"
            work.lose(what, f"{kind} {name}", why)
    return {name: value[:limit] for name, value in values.items()}


def plan_tags(  # noqa: PLR0913  (two sides and two ways to change one)
    work: Work,
    what: str,
    wanted: Tags,
    present: Tags,
    *,
    put: Callable[[str, str], None],
    drop: Callable[[str], None],
    exact: bool = True,
    before: Given | None = None,
) -> None:
    """Add a step for each tag that differs.

    Args:
        work: Gets the steps.
        what: The object they hang on.
        wanted: As the snapshot has them.
        present: As the target has them.
        put: Sets one.
        drop: Removes one.
        exact: Whether the object is a mirror of the source's. If it was there before, its own
            tags stay, and those that contradict are losses.
        before: What the source said before, if what people changed since is to stay.
    """
    for name, value in sorted(wanted.items()):
        held = present.get(name)
        if held == value:
            continue
        verdict = "write" if exact or held is None else "lose"
        if before is not None:
            verdict = merged(held, value, before.of_tag(name))
        if verdict == "write":
            why = "new" if held is None else "changed"
            work.step("update", f"tag {name!r} of {what}", why, _with(put, name, value))
        elif verdict == "lose":
            why = "the target's own object has another value there, which stays"
            if held is None:
                why = "people at the target took it away, and the source has another value now"
            work.lose(what, f"tag {name}", why)
    for name in sorted(present.keys() - wanted.keys()):
        if exact if before is None else digest(present[name]) in before.of_tag(name):
            why = _NOT_HAD if before is None else _REMOVED
            work.step_once("update", f"tag {name!r} of {what}", why, _with(drop, name))


def plan_given(  # noqa: PLR0913, PLR0917  (what is there and what comes)
    work: Work, what: str, held: Tags, given: Given, first: int, say: Callable[[Tags], None]
) -> None:
    """Plan to remember what the source says of labels, before and after they are written.

    Args:
        work: Gets the steps.
        what: The object whose labels they are.
        held: All tags that it has at the target.
        given: What the source says.
        first: Where the steps begin that write labels.
        say: Sets tags.
    """
    mark = mark_of(given)
    if len(work.steps) > first:
        action = Action(verb="update", what=f"marks of {what}", why="what labels are coming")
        coming = coming_mark(held, given)
        work.steps.insert(first, Step(action, lambda: say(coming)))
    elif mark.items() <= held.items():
        return
    work.step("update", f"marks of {what}", "what the source says", lambda: say(mark))


def _with(do: Callable[..., None], *values: str) -> Callable[[], None]:
    return lambda: do(*values)


Numbered: TypeAlias = ModelVersion | PromptVersion
"""What a server numbers; it keeps prompts as it keeps models."""


def target_name(work: Work, record: Numbered) -> str:
    """What the model or the prompt is called at the target."""
    return work.policy.named(record.name)
