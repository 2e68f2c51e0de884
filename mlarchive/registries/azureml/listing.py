"""Lists what a workspace or a registry has, and sees it from afar for mirrors.

There is no feed of changes: a list of models names no versions, so each model is one request more.
"""

from collections.abc import Iterator
from itertools import islice

from mlarchive.errors import NotFoundError, UnavailableError, UnsupportedError
from mlarchive.records import Address, provenance
from mlarchive.registries.azureml.assets import Asset, ControlPlane, Kind
from mlarchive.registries.azureml.behind import why_behind
from mlarchive.registries.azureml.natives import milliseconds
from mlarchive.registries.azureml.ownmarks import with_own_marks
from mlarchive.registries.azureml.reading_environment import (
    all_shown,
    latest,
    meant_of,
    named_environment,
)
from mlarchive.registries.azureml.seeing_runs import SeenRun, SeenRuns
from mlarchive.registries.azureml.soundness import why_coming, why_unmade
from mlarchive.registries.azureml.withholding import plain
from mlarchive.registries.base import Listing, Ref, Selector, Traits, tag_traits
from mlarchive.registries.marking import digest
from mlarchive.registries.mlflow import marks
from mlarchive.registries.redaction import redacted_image, redacted_text
from mlarchive.registries.selecting import is_exact, matches

KINDS: tuple[Kind, ...] = ("models", "environments")
_NEWEST = "latest"
_IN_DOUBT = "?"
_AT_A_TIME = 100


def list_objects(control: ControlPlane, origin: str, selector: Selector) -> Iterator[Listing]:
    """The versions that a selector means.

    Raises:
        NotFoundError: One thing is named exactly, and it is not there.
        UnsupportedError: There are no objects of that kind.
    """
    for kind, container, version in _selected(control, selector):
        yield _listing(origin, kind, container, version)


def see_changes(control: ControlPlane, origin: str, selector: Selector) -> Iterator[Ref]:
    """The versions that a selector means, from afar; those of one name newest first."""
    newest: dict[str, str] = {}
    runs = SeenRuns(control)
    selected = _selected(control, selector)
    while some := list(islice(selected, _AT_A_TIME)):
        runs.look_at(version for kind, _, version in some if kind == "models")
        for kind, container, version in some:
            is_model = kind == "models"
            named = _named_environment(control, version, newest) if is_model else ""
            run = runs.of(version) if is_model else SeenRun()
            own = with_own_marks(container.name, version)
            yield _ref(origin, kind, container, own, named, run)


def _selected(control: ControlPlane, selector: Selector) -> Iterator[tuple[Kind, Asset, Asset]]:
    if selector.kind not in {"", *KINDS}:
        raise UnsupportedError(
            f"{control.shown} has no {selector.kind}", hint=f"it has {' and '.join(KINDS)}"
        )
    for kind in KINDS:
        if selector.kind in {"", kind}:
            for container in _containers(control, kind, selector):
                for version in _versions(control, kind, container, selector):
                    yield kind, container, version


def _containers(control: ControlPlane, kind: Kind, selector: Selector) -> Iterator[Asset]:
    if selector.name and not selector.pattern:
        yield control.container(kind, selector.name)
        return
    for container in control.containers(kind, archived=True):
        if not matches(selector, container.name):
            continue
        if container.is_archived and not selector.archived:
            control.unlisted[f"{kind}/{container.name}"] = None
        else:
            yield container


def _versions(
    control: ControlPlane, kind: Kind, container: Asset, selector: Selector
) -> list[Asset]:
    name = container.name
    if selector.alias == _NEWEST:
        every = control.versions(kind, name, archived=True)
        is_behind = _see_whether_behind(control, kind, container, every)
        return [] if is_behind else [latest(control, kind, container, every)]
    if selector.alias:
        raise NotFoundError(
            f"{control.shown} has no {kind}/{name}@{selector.alias}",
            hint="Azure ML knows one alias only, @latest",
        )
    if selector.version and is_exact(selector):
        return [control.version(kind, name, selector.version)]
    every = control.versions(kind, name, archived=True)
    _see_whether_behind(control, kind, container, every)
    found = [one for one in reversed(every) if selector.version in {"", one.name}]
    if selector.archived:
        return found
    left = (one for one in found if one.is_archived)
    control.unlisted.update({f"{kind}/{name}/{one.name}": None for one in left})
    return [one for one in found if not one.is_archived]


def _see_whether_behind(
    control: ControlPlane, kind: Kind, container: Asset, shown: list[Asset]
) -> bool:
    """Note a name whose list of versions does not show the one that it says to have last."""
    behind = why_behind(control, kind, container, shown)
    _note(control, f"{kind}/{container.name}", behind)
    return behind is not None


def _note(control: ControlPlane, what: str, behind: UnavailableError | None) -> None:
    control.lagging.pop(what, None)
    if behind:
        control.lagging[what] = behind


def _listing(origin: str, kind: Kind, container: Asset, version: Asset) -> Listing:
    if kind == "environments":
        version = _without_secrets(version)
    tags, properties = version.texts("tags"), version.texts("properties")
    traits = _traits(container, version)
    facts = {
        "type": version.text("modelType"),
        "stage": version.stage,
        "job": version.text("jobName"),
        "image": version.text("image"),
        "archived": "yes" if traits.archived else "",
        "origin": properties.get(marks.ORIGIN, ""),
    }
    return Listing(
        address=Address(origin=origin, kind=kind, name=container.name, version=version.name),
        title=why_unmade(version) or why_coming(version) or version.text("description"),
        facts={fact: said for fact, said in facts.items() if said},
        content_id=properties.get(marks.CONTENT_ID, ""),
        state_id=tags.get(marks.STATE_ID, ""),
        traits=traits,
    )


def _without_secrets(version: Asset) -> Asset:
    """An environment as it is shown."""
    said = {
        "description": redacted_text(version.text("description")),
        "image": redacted_image(version.text("image")),
    }
    properties = {**version.properties, **said, "tags": plain(version.texts("tags"))}
    return Asset(version.name, {**version.raw, "properties": properties})


def _named_environment(control: ControlPlane, version: Asset, newest: dict[str, str]) -> str:
    """Which version of which environment a model means now."""
    name, number = named_environment(version)
    if not name or number:
        return f"{name}:{number}" if name else ""
    if name not in newest:
        newest[name] = _newest(control, name)
    return f"{name}:{newest[name]}"


def _newest(control: ControlPlane, name: str) -> str:
    every, behind = all_shown(control, name)
    _note(control, f"environments/{name}", behind)
    if behind:
        # Whoever reads a model that means it is told why it cannot be read now.
        return _IN_DOUBT
    try:
        return meant_of(control, name, every).name
    except NotFoundError:
        return ""


def _ref(  # noqa: PLR0913, PLR0917  (all that its marks are made of)
    origin: str, kind: Kind, container: Asset, version: Asset, environment: str, run: SeenRun
) -> Ref:
    tags, properties = version.texts("tags"), version.texts("properties")
    said = version.properties
    made = version.made_at or None
    frozen = (
        "modelUri",
        "modelType",
        "flavors",
        "jobName",
        "image",
        "condaFile",
        "build",
        "osType",
    )
    content = [
        made,
        [said.get(name) for name in (*frozen, "inferenceConfig")],
        marks.state_tags(properties),
        environment,
        *([run.content_mark] if run.content_mark else []),
    ]
    state = [
        version.text("description"),
        version.stage,
        version.is_archived,
        marks.state_tags(tags),
        [
            container.text("description"),
            marks.state_tags(container.texts("tags")),
            container.is_archived,
        ],
        *([run.state_mark] if run.state_mark else []),
    ]
    return Ref(
        address=Address(origin=origin, kind=kind, name=container.name, version=version.name),
        content_mark=digest(content),
        state_mark=digest(state),
        settled=version.is_settled and run.ended,
        unfinished=why_unmade(version),
        unreadable=run.unreadable,
        unreadable_status=run.status,
        origin=properties.get(marks.ORIGIN, ""),
        adopted=marks.ADOPTED in properties,
        through=provenance.path_of(properties),
        traits=_traits(container, _without_secrets(version) if kind == "environments" else version),
    )


def _traits(container: Asset, version: Asset) -> Traits:
    return Traits(
        stage=version.stage,
        tags=tag_traits(marks.state_tags(version.texts("tags"))),
        made_at=milliseconds(version.made_at) or None,
        archived=version.is_archived or container.is_archived,
    )
