"""Fetches the notebook that a run's tags name, from where it is (`spec/notebooks.md`, 6 to 8).

What cannot be had is a loss, so that a run is read all the same; a place that does not answer now
is an error, so that it is tried again.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from mlflow.entities import Run as MlflowRun
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATABRICKS_GIT_REPO_COMMIT,
    MLFLOW_DATABRICKS_GIT_REPO_RELATIVE_PATH,
    MLFLOW_DATABRICKS_GIT_REPO_STATUS,
    MLFLOW_DATABRICKS_GIT_REPO_URL,
    MLFLOW_DATABRICKS_NOTEBOOK_PATH,
    MLFLOW_DATABRICKS_WORKSPACE_URL,
    MLFLOW_GIT_COMMIT,
    MLFLOW_GIT_DIRTY,
    MLFLOW_GIT_REPO_URL,
    MLFLOW_SOURCE_NAME,
)
from msgspec import Struct

from mlarchive.records import Notebook
from mlarchive.registries.mlflow.connection import Connection
from mlarchive.registries.mlflow.gathering import Gathering
from mlarchive.registries.mlflow.keys import run_key
from mlarchive.registries.notebooks.gitclones import NotThereError, notebook_at
from mlarchive.registries.notebooks.records import SUFFIXES, Found, format_of, notebook
from mlarchive.registries.notebooks.wanted import Workspace, no_workspace
from mlarchive.registries.notebooks.workspace import fetch_notebook
from mlarchive.registries.redaction import without_credentials

_REVISION = "mlflow.databricks.notebookRevisionID"
"""MLflow names it nowhere; a workspace sets it beside the path."""


def gather_named_notebooks(connection: Connection, run: MlflowRun, gathering: Gathering) -> None:
    """Gather the notebook that a run's tags name, unless its server holds that revision.

    Args:
        connection: Says which notebooks are wanted.
        run: As the server gives it; what it holds is gathered already.
        gathering: Gets the notebook, or why it cannot be had.

    Raises:
        ConfigError: Notebooks are wanted, and no workspace is named.
        MlarchiveError: As `fetch_notebook` and `notebook_at`.
    """
    _gather_from_workspace(connection, run, gathering)
    _gather_from_git(connection, run, gathering)


def _gather_from_workspace(connection: Connection, run: MlflowRun, gathering: Gathering) -> None:
    tags = run.data.tags
    path = tags.get(MLFLOW_DATABRICKS_NOTEBOOK_PATH, "")
    revision = tags.get(_REVISION, "")
    in_git = not revision and MLFLOW_DATABRICKS_GIT_REPO_COMMIT in tags
    if not path or in_git or _is_held(run, "databricks", revision, gathering):
        return
    what = f"notebook {path!r}"
    wanted = connection.notebooks
    if not wanted.formats:
        why = "it is in a Databricks workspace, and --notebook-formats does not ask for it"
        gathering.change(what, "all of it", why)
    elif wanted.workspace is None:
        raise no_workspace()
    elif not revision:
        why = f"no tag {_REVISION} of its run says which revision it is"
        gathering.lose(what, "all of it", why)
    elif other := _other_workspace(tags.get(MLFLOW_DATABRICKS_WORKSPACE_URL, ""), wanted.workspace):
        why = f"it is in the workspace {other}, and DATABRICKS_HOST names {wanted.workspace.host}"
        gathering.lose(what, "all of it", why)
    else:
        found = fetch_notebook(
            wanted.workspace,
            path,
            revision,
            wanted.formats,
            lambda form, why: gathering.lose(what, form, why),
        )
        _take(run, found, gathering)


def _gather_from_git(connection: Connection, run: MlflowRun, gathering: Gathering) -> None:
    named = _named_in_git(run.data.tags)
    if named is None or _is_held(run, "git", named.commit, gathering):
        return
    what = f"notebook {named.name!r}"
    if not connection.notebooks.clones:
        if named.exact or format_of(named.name) == "JUPYTER":
            why = f"it is in git at {named.commit}, and --notebook-clone names no clone"
            gathering.change(what, "all of it", why)
        return
    try:
        found = notebook_at(
            connection.notebooks.clones,
            named.commit,
            named.names,
            exact=named.exact,
            location=without_credentials(named.location),
        )
    except NotThereError as error:
        gathering.lose(what, "all of it", str(error))
        return
    if _is_dirty(run.data.tags):
        why = "it is as at the commit; the run's folder had changes that were not committed"
        gathering.change(what, "bytes", why)
    _take(run, found, gathering)


class _Named(Struct, frozen=True, kw_only=True):
    """What a run's tags say of a notebook in git; arguments of `notebook_at`."""

    name: str
    commit: str
    location: str
    exact: bool

    @property
    def names(self) -> tuple[str, ...]:
        ends = ("", *SUFFIXES, ".R") if self.exact else ("",)
        return tuple(f"{self.name}{end}" for end in ends)


def _named_in_git(tags: Mapping[str, str]) -> _Named | None:
    """A workspace's repository first: it says the path from the top."""
    path = tags.get(MLFLOW_DATABRICKS_GIT_REPO_RELATIVE_PATH, "").lstrip("/")
    if path and (commit := tags.get(MLFLOW_DATABRICKS_GIT_REPO_COMMIT, "")):
        location = tags.get(MLFLOW_DATABRICKS_GIT_REPO_URL, "")
        return _Named(name=path, commit=commit, location=location, exact=True)
    name, commit = tags.get(MLFLOW_SOURCE_NAME, ""), tags.get(MLFLOW_GIT_COMMIT, "")
    if not (commit and format_of(name)):
        return None
    location = tags.get(MLFLOW_GIT_REPO_URL, "")
    return _Named(name=name, commit=commit, location=location, exact=False)


def _is_dirty(tags: Mapping[str, str]) -> bool:
    """Whether there were changes that the commit has not."""
    status = tags.get(MLFLOW_DATABRICKS_GIT_REPO_STATUS, "clean").lower()
    return tags.get(MLFLOW_GIT_DIRTY) == "true" or status != "clean"


def _is_held(run: MlflowRun, source: str, revision: str, gathering: Gathering) -> bool:
    """Whether a notebook was gathered already, from the artifacts of its run."""
    owner = run_key(run.info.run_id)
    return any(
        isinstance(record, Notebook)
        and (record.record, record.source, record.revision) == (owner, source, revision)
        for record in gathering.records
    )


def _take(run: MlflowRun, found: Found, gathering: Gathering) -> None:
    if found.contents:
        record, streams = notebook(run_key(run.info.run_id), found)
        gathering.records.append(record)
        gathering.streams.extend(streams)


def _other_workspace(stated: str, workspace: Workspace) -> str:
    """The host that a run's tag names, if it is not the workspace's."""
    parts = urlsplit(stated if "://" in stated else f"https://{stated}")
    ours = urlsplit(workspace.host).netloc
    return "" if not stated or parts.netloc.lower() == ours else parts.netloc
