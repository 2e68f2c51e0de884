"""Takes notebooks at a commit from clones on this machine (`spec/notebooks.md`, 7).

Objects are read as they are stored: no hook, filter or text conversion runs, nothing is fetched,
and no configuration but the clone's own is read, of which these commands use nothing that runs.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from mlarchive.errors import ConfigError, UnavailableError, UnsupportedError
from mlarchive.package.paths import refusal
from mlarchive.registries.notebooks.records import Found, format_of
from mlarchive.registries.redaction import first_words

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LONGEST = 64 << 20
_PATIENCE = 120
_POINTER = b"version https://git-lfs.github.com/spec/"
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_FILES = ("100644", "100755")


class NotThereError(Exception):
    """No clone gives the notebook; why, as the end of a sentence."""


def notebook_at(
    clones: Sequence[Path], commit: str, names: Sequence[str], *, exact: bool, location: str
) -> Found:
    """A notebook as it was at a commit.

    Args:
        clones: Folders of this machine, work trees or bare repositories.
        commit: Its hash, in full.
        names: What the file may be called.
        exact: Whether these are paths from the top of the repository; else they are as the run's
            machine had them, from any folder.
        location: Of the repository, without credentials.

    Raises:
        NotThereError: No clone has it, or several files may be meant.
        ConfigError: What is named is no clone.
        UnavailableError: Its disk does not answer.
        UnsupportedError: There is no git.
    """
    if not _COMMIT.fullmatch(commit):
        raise NotThereError("its tag names no commit")
    clone = next((one for one in clones if _has(one, commit)), None)
    if clone is None:
        raise NotThereError("no clone that --notebook-clone names has the commit")
    files = _tree(clone, commit)
    found = sorted({path for name in names for path in _meant(files, name, clone, exact=exact)})
    if not found:
        raise NotThereError(f"{clone} has no such file at the commit")
    if len(found) > 1:
        raise NotThereError(f"{len(found)} files may be meant, such as {' and '.join(found[:2])}")
    (path,) = found
    name = PurePosixPath(path).name
    if problem := refusal(name):
        raise NotThereError(f"its name {problem}, so no package holds it")
    raw = _blob(clone, files[path])
    if raw.startswith(_POINTER):
        raise NotThereError("the repository has only a pointer to it (Git LFS)")
    return Found(
        source="git",
        path=path,
        revision=commit,
        location=location,
        contents={format_of(path): (name, raw)},
    )


def _meant(files: Mapping[str, str], name: str, clone: Path, *, exact: bool) -> list[str]:
    """The notebooks of a commit that a name may mean."""
    if exact:
        return [name] if name in files and format_of(name) else []
    plain = name.replace("\\", "/")
    if Path(plain).is_relative_to(clone.absolute()):
        inside = Path(plain).relative_to(clone.absolute()).as_posix()
        return [inside] if inside in files else []
    if plain.startswith("/") or re.match("[A-Za-z]:/", plain):
        return [path for path in files if plain.endswith(f"/{path}")]
    inside = plain.removeprefix("./")
    return [path for path in files if path == inside or path.endswith(f"/{inside}")]


def _has(clone: Path, commit: str) -> bool:
    return _git(clone, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0


@lru_cache(maxsize=8)
def _tree(clone: Path, commit: str) -> Mapping[str, str]:
    """The hash of each notebook of a commit, by path."""
    listed = _git(clone, "ls-tree", "-r", "-z", "--full-tree", commit)
    if listed.returncode:
        raise NotThereError(f"{clone} cannot list the commit: {_words(listed)}")
    files = {}
    for line in listed.stdout.split(b"\0"):
        facts, _, path = line.partition(b"\t")
        mode, _, rest = facts.decode().partition(" ")
        if mode in _FILES and format_of(name := path.decode("utf-8", "replace")):
            files[name] = rest.partition(" ")[2]
    return files


def _blob(clone: Path, digest: str) -> bytes:
    size = _git(clone, "cat-file", "-s", digest)
    if size.returncode == 0 and int(size.stdout) > _LONGEST:
        raise NotThereError(f"it is longer than {_LONGEST} bytes")
    read = _git(clone, "cat-file", "blob", digest)
    if read.returncode:
        raise NotThereError(f"{clone} does not hold it: {_words(read)}")
    return read.stdout


def _git(clone: Path, *words: str) -> "subprocess.CompletedProcess[bytes]":
    place = str(clone.absolute())
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    try:
        done = subprocess.run(  # noqa: S603  (plumbing, with words that were checked)
            ["git", "-C", place, "-c", f"safe.directory={place}", *words],  # noqa: S607
            capture_output=True,
            check=False,
            env={**kept, **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE,
        )
    except FileNotFoundError as error:
        raise UnsupportedError(
            "notebooks of clones are read by git, and there is none", hint="install git"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"git takes longer than {_PATIENCE} s over {clone}", hint="see that its disk answers"
        ) from error
    if b"not a git repository" in done.stderr or b"cannot change to" in done.stderr:
        raise ConfigError(
            f"{clone} is no clone of a git repository", hint="see what --notebook-clone names"
        )
    return done


def _words(done: "subprocess.CompletedProcess[bytes]") -> str:
    return first_words(done.stderr.decode("utf-8", "replace"))
