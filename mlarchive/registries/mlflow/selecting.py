"""Finds what a selector means on a server: models, prompts, their versions, runs, experiments.

With an exact name it says so when nothing is there; with a pattern, nothing is an answer too.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from mlflow.entities import Experiment, Run, ViewType
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY

from mlarchive.errors import NotFoundError
from mlarchive.registries.base import Selector
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.failures import speaking
from mlarchive.registries.selecting import matches

PAGE = 1000
_COPIED = re.compile(r"models:/[^/]+/[0-9]+")
"""The source of a version that was copied from another on the server."""

T = TypeVar("T")


def by_name_or_id(
    connection: Connection, selector: Selector, everything: Sequence[tuple[str, str, T]], what: str
) -> list[T]:
    """Those meant of objects whose names need not be unique: by name, else by id.

    Args:
        connection: To the server.
        selector: What is meant.
        everything: Name, id and the object itself.
        what: What a person calls such an object.

    Raises:
        NotFoundError: One is named exactly and is not there.
    """
    found = [
        one for name, _, one in everything if selector.named != "id" and matches(selector, name)
    ]
    if not found and selector.named != "name":
        found = [one for _, ident, one in everything if matches(selector, ident)]
    if selector.name and not selector.pattern and not found:
        raise NotFoundError(
            f"{connection.uri} has no {what} {selector.name!r}",
            hint=f"see what there is: mlarchive ls 'mlflow+{connection.uri}#{selector.kind}'",
        )
    return found


def selected_models(connection: Connection, selector: Selector) -> Iterator[RegisteredModel]:
    """The registered models meant, without prompts, newest first.

    Raises:
        NotFoundError: One is named exactly and is not there.
    """
    if selector.name and not selector.pattern:
        yield model_named(connection, selector.name)
        return
    found = connection.pages(
        connection.models.search_registered_models,
        filter_string=None,
        max_results=PAGE,
        order_by=["last_updated_timestamp DESC"],
    )
    yield from (model for model in found if matches(selector, model.name) and not is_prompt(model))


def selected_prompts(connection: Connection, selector: Selector) -> Iterator[RegisteredModel]:
    """The prompts meant, as the registered models that they are in MLflow, newest first.

    Raises:
        NotFoundError: One is named exactly and is not there.
    """
    if selector.name and not selector.pattern:
        yield prompt_named(connection, selector.name)
        return
    found = connection.pages(
        connection.models.search_registered_models,
        filter_string=f"tags.`{IS_PROMPT_TAG_KEY}` = 'true'",
        max_results=PAGE,
        order_by=["last_updated_timestamp DESC"],
    )
    yield from (prompt for prompt in found if matches(selector, prompt.name))


def model_named(connection: Connection, name: str) -> RegisteredModel:
    """One registered model that is no prompt.

    Raises:
        NotFoundError: It is not there, or it is a prompt.
    """
    model = registered_model(connection, name)
    if is_prompt(model):
        raise NotFoundError(
            f"{name!r} at {connection.uri} is a prompt, and no registered model",
            hint=f"say so: #prompts/{name}",
        )
    return model


def prompt_named(connection: Connection, name: str) -> RegisteredModel:
    """One prompt.

    Raises:
        NotFoundError: It is not there, or it is a model.
    """
    try:
        found = registered_model(connection, name)
    except NotFoundError:
        found = None
    if found is None or not is_prompt(found):
        raise NotFoundError(
            f"{connection.uri} has no prompt {name!r}",
            hint=f"see what there is: mlarchive ls 'mlflow+{connection.uri}#prompts'",
        )
    return found


def registered_model(connection: Connection, name: str) -> RegisteredModel:
    """One registered model.

    Raises:
        NotFoundError: It is not there.
    """
    try:
        with speaking(connection.uri):
            model: RegisteredModel = connection.models.get_registered_model(name)
            return model
    except NotFoundError as error:
        raise NotFoundError(
            f"{connection.uri} has no registered model {name!r}",
            hint=f"see what there is: mlarchive ls 'mlflow+{connection.uri}#models'",
        ) from error


def selected_versions(
    connection: Connection,
    model: RegisteredModel,
    selector: Selector,
    *,
    placeholders: bool = False,
    among: Mapping[str, Sequence[ModelVersion]] | None = None,
) -> list[ModelVersion]:
    """The versions of a model that are meant, highest number first, with their aliases.

    Args:
        connection: To the server.
        model: Whose versions.
        selector: Which of them.
        placeholders: Whether those too that a write made on its way and nobody meant to keep.
        among: Those of all models by their names, if they are known.

    Raises:
        NotFoundError: One is named exactly and is not there, or is such a placeholder.
    """
    aliases = aliases_of(model)
    if selector.alias and selector.alias not in aliases and not selector.pattern:
        raise NotFoundError(
            f"{model.name!r} at {connection.uri} has no alias {selector.alias!r}",
            hint=f"it has {', '.join(sorted(aliases)) or 'none'}",
        )
    wanted = aliases.get(selector.alias, "none") if selector.alias else selector.version
    if among is None:
        every: Sequence[ModelVersion] = versions_of(connection, model.name, prompt=is_prompt(model))
    else:
        every = among.get(model.name, ())
    versions = [version for version in every if wanted in {"", str(version.version)}]
    if selector.version and not versions and not selector.pattern:
        kind = "prompts" if is_prompt(model) else "models"
        raise NotFoundError(
            f"{model.name!r} at {connection.uri} has no version {selector.version}",
            hint=f"see what there is: mlarchive ls 'mlflow+{connection.uri}#{kind}/{model.name}'",
        )
    if not placeholders:
        if selector.version and versions and is_placeholder(versions[0]):
            raise _unfinished(connection, versions[0])
        versions = [version for version in versions if not is_placeholder(version)]
    for version in versions:
        number = str(version.version)
        version.aliases = sorted(name for name, of in aliases.items() if of == number)
    return versions


def all_versions(connection: Connection) -> Mapping[str, Sequence[ModelVersion]] | None:
    """The versions of all models by name, highest number first; None where only one can be asked.

    Their aliases are not told.
    """
    if connection.folder:
        return None
    found: dict[str, list[ModelVersion]] = {}
    for version in connection.pages(
        connection.models.search_model_versions,
        filter_string=None,
        max_results=PAGE,
        order_by=["name ASC", "version_number DESC"],
    ):
        found.setdefault(version.name, []).append(_with_own_marks(version))
    return {name: sorted(of, key=_newest_first) for name, of in found.items()}


def versions_of(connection: Connection, name: str, *, prompt: bool = False) -> list[ModelVersion]:
    """All versions of a model, or of a prompt, highest number first, without their aliases."""
    only = f" AND tag.`{IS_PROMPT_TAG_KEY}` = 'true'" if prompt else ""
    found = connection.pages(
        connection.models.search_model_versions,
        filter_string=f"name = {quoted(name)}{only}",
        max_results=PAGE,
        order_by=["version_number DESC"],
    )
    return sorted(map(_with_own_marks, found), key=_newest_first)


def _newest_first(version: ModelVersion) -> int:
    return -int(version.version)


def _with_own_marks(version: ModelVersion) -> ModelVersion:
    """A version without the marks that a copy on the server took over from another version."""
    own = version.tags.get(marks.ADOPTED) == numbered(version.name, version.version)
    if _COPIED.fullmatch(version.source or "") and not own:
        for tag in marks.marks_in(version.tags):
            del version.tags[tag]
    return version


def numbered(name: str, number: int | str) -> str:
    """A version as the mark of its adoption names it."""
    return f"{marks.quotable(name)}/{number}"


def unfinished(version: ModelVersion) -> str:
    """Why a version is none; "" if it is one."""
    if not is_placeholder(version):
        return ""
    return "no version: a placeholder of a copy that goes on or was interrupted"


def is_placeholder(version: ModelVersion) -> bool:
    """Whether a version is only there for its number, while a write goes on or since it broke."""
    return marks.PLACEHOLDER in version.tags


def _unfinished(connection: Connection, version: ModelVersion) -> NotFoundError:
    source = version.tags.get(marks.ORIGIN, "its source")
    return NotFoundError(
        f"version {version.version} of {version.name!r} at {connection.uri} is no version: it is a "
        f"placeholder of a copy of {source} that goes on or was interrupted",
        hint="run that copy again; it removes the placeholder, or makes it the version",
    )


def aliases_of(model: RegisteredModel) -> dict[str, str]:
    """A model's aliases, and the version that each points at."""
    return {name: str(version) for name, version in dict(model.aliases or {}).items()}


def selected_runs(connection: Connection, selector: Selector) -> Iterator[Run]:
    """The runs meant, by id, or by name if the locator says `name:`, newest first.

    Raises:
        NotFoundError: One is named exactly and is not there.
    """
    if selector.name and not selector.pattern and selector.named != "name":
        yield run_of(connection, selector.name)
        return
    experiments = [e.experiment_id for e in all_experiments(connection)]
    found = False
    for run in runs_in(connection, experiments):
        called = run.info.run_name if selector.named == "name" else run.info.run_id
        if matches(selector, called or ""):
            found = True
            yield run
    if selector.name and not selector.pattern and not found:
        raise NotFoundError(f"{connection.uri} has no run named {selector.name!r}")


def run_of(connection: Connection, run_id: str) -> Run:
    """One run.

    Raises:
        NotFoundError: It is not there.
    """
    try:
        with speaking(connection.uri):
            run: Run = connection.tracking.get_run(run_id)
            return run
    except NotFoundError as error:
        raise NotFoundError(
            f"{connection.uri} has no run {run_id}", hint="a run is named by its id, or name:NAME"
        ) from error


def runs_in(connection: Connection, experiments: list[str], where: str = "") -> Iterator[Run]:
    """The runs of some experiments, deleted ones too.

    Args:
        connection: To the server.
        experiments: Their ids.
        where: A filter in mlflow's own words.
    """
    if experiments:
        yield from connection.pages(
            connection.tracking.search_runs,
            experiment_ids=experiments,
            filter_string=where,
            run_view_type=ViewType.ALL,
            max_results=PAGE,
            order_by=["attributes.start_time DESC"],
        )


def all_experiments(connection: Connection, where: str | None = None) -> list[Experiment]:
    """Every experiment, deleted ones too."""
    return list(
        connection.pages(
            connection.tracking.search_experiments,
            view_type=ViewType.ALL,
            max_results=PAGE,
            filter_string=where,
        )
    )


def selected_experiments(connection: Connection, selector: Selector) -> list[Experiment]:
    """The experiments meant, by name or id.

    Raises:
        NotFoundError: One is named exactly and is not there.
    """
    everything = all_experiments(connection)
    found = [e for e in everything if selector.named != "id" and matches(selector, e.name)]
    if not found and selector.named != "name":
        found = [e for e in everything if matches(selector, e.experiment_id)]
    if selector.name and not selector.pattern and not found:
        raise NotFoundError(f"{connection.uri} has no experiment {selector.name!r}")
    return found


def is_prompt(model: RegisteredModel) -> bool:
    """Whether a registered model is one of mlflow's prompts."""
    return bool(model._is_prompt())  # noqa: SLF001  (mlflow's one test for it)


def quoted(text: str) -> str:
    """A text between quotes, as mlflow's filters want it."""
    return f"'{text}'" if "'" not in text else f'"{text}"'
