"""How a mirror sees a server from afar: one `Ref` for each object, without reading any bytes.

A run gives no sign when a tag, a metric or a file is added to it later, so the marks are digests
of what searches return, page by page, and of the artifact listings of what was at work a week ago
or later (clause 6 of `spec/mapping-mlflow.md`).
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from mlflow.entities import Experiment, LoggedModel, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from mlarchive.errors import MlarchiveError
from mlarchive.records import Address
from mlarchive.records.tracking import UNFINISHED
from mlarchive.registries.base import Ref, Selector
from mlarchive.registries.marking import digest
from mlarchive.registries.mlflow import marks
from mlarchive.registries.mlflow.allowing import allowed
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.entirety import entirety
from mlarchive.registries.mlflow.failures import speaking
from mlarchive.registries.mlflow.folders import artifact_folder
from mlarchive.registries.mlflow.labelmarks import run_mark, version_mark
from mlarchive.registries.mlflow.listing import refuse_other_kinds, run_traits, version_traits
from mlarchive.registries.mlflow.loggedmodels import logged_content, logged_models_in
from mlarchive.registries.mlflow.natives import plain
from mlarchive.registries.mlflow.reading_model import Found, outputs_of
from mlarchive.registries.mlflow.reading_run import run_name_and_user
from mlarchive.registries.mlflow.reading_version import logged_model_id
from mlarchive.registries.mlflow.seeing_others import SEEN, see_others
from mlarchive.registries.mlflow.seeing_traces import newest_traces
from mlarchive.registries.mlflow.selecting import (
    all_experiments,
    quoted,
    runs_in,
    selected_models,
    selected_runs,
    selected_versions,
    unfinished,
)

_T = TypeVar("_T")

_IDS_A_SEARCH = 100
_LISTED_FOR = 7 * 86_400_000
"""Ms: files of what has been at its end for longer are listed no more, but when it is read."""


def see_changes(connection: Connection, origin: str, selector: Selector) -> Iterator[Ref]:
    """Every selected object; model versions, prompts and runs newest first.

    Raises:
        NotFoundError: One thing is named exactly and is not there.
        UnsupportedError: A server has no objects of that kind.
    """
    refuse_other_kinds(connection, selector)
    if not selector.kind:
        yield from _see_everything(connection, origin)
    elif selector.kind in SEEN:
        yield from see_others(connection, origin, selector)
    elif selector.kind == "runs":
        view = _View(connection)
        yield from _see_runs(view, origin, selected_runs(connection, selector))
    else:
        view = _View(connection)
        for model in selected_models(connection, selector):
            versions = selected_versions(connection, model, selector, placeholders=True)
            yield from _see_versions(view, origin, model, versions)


def _see_everything(connection: Connection, origin: str) -> Iterator[Ref]:
    whole = entirety(connection)
    view = _View(connection, whole.experiments)
    view.runs.update(whole.found)
    view.look_at([version for _, versions in whole.models for version in versions])
    yield from _see_runs(view, origin, [*whole.parents, *whole.runs])
    for model, versions in whole.models:
        yield from _see_versions(view, origin, model, versions)
    for kind in SEEN:
        seen = partial(see_others, connection, origin, Selector(kind=kind))
        for ref in allowed(connection, kind, seen):
            if kind != "registered-models" or ref.address.name not in whole.bringing:
                yield ref


def _see_runs(view: "_View", origin: str, runs: Iterable[Run]) -> Iterator[Ref]:
    for run in runs:
        view.runs[run.info.run_id] = run
        yield _run_ref(view, origin, run)


def _see_versions(
    view: "_View", origin: str, model: RegisteredModel, versions: Sequence[ModelVersion]
) -> Iterator[Ref]:
    view.look_at(versions)
    for version in versions:
        yield _version_ref(view, origin, model, version)


class _View:
    """What searches have returned, by id; looked up once for many versions."""

    def __init__(
        self, connection: Connection, experiments: Sequence[Experiment] | None = None
    ) -> None:
        self.connection = connection
        if experiments is None:
            experiments = all_experiments(connection)
        self.experiments = {one.experiment_id: one for one in experiments}
        self.runs: dict[str, Run] = {}
        self.logged: dict[str, LoggedModel | None] = {}
        self._listings: dict[str, list[list[object]]] = {}
        self._traced: dict[str, bool] = {}
        self._made: dict[str, list[Found]] = {}
        self._listed_since = time.time_ns() // 1_000_000 - _LISTED_FOR

    def look_at(self, versions: Sequence[ModelVersion]) -> None:
        """Fetch the runs and logged models behind some versions, a hundred at a time, once."""
        ids = {version.run_id for version in versions if version.run_id}
        wanted = sorted(ids - self.runs.keys())
        for start in range(0, len(wanted), _IDS_A_SEARCH):
            named = ", ".join(f"'{run_id}'" for run_id in wanted[start : start + _IDS_A_SEARCH])
            where = f"attributes.run_id IN ({named})"
            for run in runs_in(self.connection, list(self.experiments), where):
                self.runs[run.info.run_id] = run
        ids = {logged_model_id(version) for version in versions}
        models = sorted(ids - self.logged.keys() - {""})
        for start in range(0, len(models), _IDS_A_SEARCH):
            self._look_at_models(models[start : start + _IDS_A_SEARCH])

    def _look_at_models(self, model_ids: Sequence[str]) -> None:
        named = ", ".join(f"'{model_id}'" for model_id in model_ids)
        search = partial(
            self.connection.tracking.search_logged_models,
            list(self.experiments),
            f"model_id IN ({named})",
            max_results=_IDS_A_SEARCH,
        )
        # What is not found, such as deleted ones, is asked for one by one.
        for model in (_unless_failing(search) or ()) if len(model_ids) > 1 else ():
            self.logged[model.model_id] = model

    def files(self, uri: str, ended: int) -> list[list[object]] | None:
        """As `listing`; None where what has them was at its end a week ago.

        Args:
            uri: Of the artifacts.
            ended: When it was, ms since 1970 UTC; 0 if it is not.
        """
        return None if 0 < ended < self._listed_since else self.listing(uri)

    def logged_model(self, model_id: str) -> LoggedModel | None:
        """A logged model; None if the server no longer has it."""
        if model_id not in self.logged:
            self.logged[model_id] = _unless_failing(
                lambda: self.connection.tracking.get_logged_model(model_id, allow_deleted=True)
            )
        return self.logged[model_id]

    def listing(self, uri: str) -> list[list[object]]:
        """Paths and sizes below an artifact URI.

        What cannot be listed is marked by its error; reading the object then says it in full.
        """
        if uri not in self._listings:
            try:
                files = artifact_folder(self.connection, uri).files()
                self._listings[uri] = sorted(
                    ["unlisted", file.path] if file.unlisted else [file.path, file.size]
                    for file in files
                )
            except MlarchiveError as error:
                if error.retryable:
                    raise
                self._listings[uri] = [["unlisted", error.code]]
        return self._listings[uri]

    def made_beside(self, run: Run) -> list[object]:
        """What a search tells of logged models that a run made and does not list."""
        experiment = run.info.experiment_id
        if experiment not in self._made:
            self._made[experiment] = list(logged_models_in(self.connection, [experiment]))
        listed = outputs_of(run)
        made = (found.model for found in self._made[experiment])
        mine = (m for m in made if m.source_run_id == run.info.run_id)
        beside = [model for model in mine if model.model_id not in listed]
        return [
            [*logged_content(model), marks.logged_model_tags(model.tags or {})]
            for model in sorted(beside, key=lambda model: model.model_id)
        ]

    def traces(self, run: Run) -> list[str]:
        """What a search tells of a run's newest traces; asked where its experiment has any."""
        experiment = run.info.experiment_id
        if experiment not in self._traced:
            self._traced[experiment] = bool(newest_traces(self.connection, experiment, most=1))
        where = f"attributes.run_id = {quoted(run.info.run_id)}"
        return newest_traces(self.connection, experiment, where) if self._traced[experiment] else []


def _version_ref(view: _View, origin: str, model: RegisteredModel, version: ModelVersion) -> Ref:
    run = view.runs.get(version.run_id or "")
    model_id = logged_model_id(version)
    logged = view.logged_model(model_id) if model_id else None
    own = _own_location(view, version, run, logged)
    content = [
        version.source,
        version.run_id,
        _run_content(view, run) if run else None,
        _logged_content(view, logged) if logged else None,
        view.listing(own) if own else None,
    ]
    number = str(version.version)
    return Ref(
        address=Address(origin=origin, kind="models", name=version.name, version=number),
        content_mark=digest(content),
        state_mark=version_mark(version, model, run, logged, view.experiments),
        settled=_is_settled(version, run, logged),
        unfinished=unfinished(version),
        origin=version.tags.get(marks.ORIGIN, ""),
        adopted=marks.ADOPTED in version.tags,
        through=marks.came_through(version.tags),
        traits=version_traits(version),
    )


def _run_ref(view: _View, origin: str, run: Run) -> Ref:
    experiment = view.experiments.get(run.info.experiment_id)
    return Ref(
        address=Address(origin=origin, kind="runs", name=run.info.run_id),
        content_mark=digest([*_run_content(view, run), *view.made_beside(run)]),
        state_mark=run_mark(run, view.experiments),
        settled=run.info.status not in UNFINISHED,
        origin=run.data.tags.get(marks.ORIGIN, ""),
        through=marks.came_through(run.data.tags),
        traits=run_traits(run, experiment.name if experiment else ""),
    )


def _is_settled(version: ModelVersion, run: Run | None, logged: LoggedModel | None) -> bool:
    return (
        version.status == "READY"
        and (run is None or run.info.status not in UNFINISHED)
        and (logged is None or str(logged.status) != "PENDING")
    )


def run_content(run: Run) -> list[object]:
    """What a search tells of a run's content: all but its files and traces."""
    info = run.info
    _, user = run_name_and_user(run)
    latest = [[m.key, repr(m.value), m.timestamp, m.step] for m in run.data._metric_objs]  # noqa: SLF001  (the only place with steps)
    return [
        [info.run_id, info.experiment_id, info.status, info.start_time, info.end_time, user],
        run.data.params,
        sorted(latest),
        plain(run.inputs),
        plain(run.outputs),
    ]


def _run_content(view: _View, run: Run) -> list[object]:
    seen = [*run_content(run), view.files(run.info.artifact_uri, _ended(run))]
    # Without traces a mark is what it was before traces were carried.
    traces = view.traces(run)
    return [*seen, traces] if traces else seen


def _ended(run: Run) -> int:
    return 0 if run.info.status in UNFINISHED else int(run.info.end_time or 0)


def _logged_content(view: _View, logged: LoggedModel) -> list[object]:
    pending = str(logged.status) == "PENDING"
    ended = 0 if pending else int(logged.last_updated_timestamp or 0)
    return [*logged_content(logged), view.files(logged.artifact_location, ended)]


def _own_location(
    view: _View, version: ModelVersion, run: Run | None, logged: LoggedModel | None
) -> str:
    """Where a version's files are if neither its run nor its logged model has them; "" if one has.

    The server is asked only where the source does not say it.
    """
    source = version.source or ""
    places = [run.info.artifact_uri] if run else []
    places += [logged.artifact_location] if logged else []
    known = [f"runs:/{run.info.run_id}/"] if run else []
    known += [f"models:/{logged.model_id}/"] if logged else []
    if _is_below(source, [*known, *places]):
        return ""
    connection = view.connection
    location = _unless_failing(
        lambda: connection.models.get_model_version_download_uri(version.name, version.version)
    )
    return "" if not location or _is_below(location, places) else location


def _is_below(place: str, tops: Sequence[str]) -> bool:
    return any(f"{place.rstrip('/')}/".startswith(f"{top.rstrip('/')}/") for top in tops)


def _unless_failing(look: Callable[[], _T]) -> _T | None:
    """A look-up whose failure the full read will explain; failures that pass are raised."""
    try:
        with speaking("the server"):
            return look()
    except MlarchiveError as error:
        if error.retryable:
            raise
        return None
