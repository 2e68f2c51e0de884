"""The command line's grammar: argparse, with errors as ours, and the arguments verbs share."""

import argparse
import contextlib
import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mlarchive.errors import NotFoundError, UnsupportedError, UsageError

if TYPE_CHECKING:
    from mlarchive.cli.console import Console
    from mlarchive.registries.base import WritePolicy
    from mlarchive.registries.locator import Locator


_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}

_FIELD = re.compile(r"\{[^{}]*\}")
_NEVER_DELETED = {"runs", "experiments", "scorers", "webhooks", "other-objects"}

_PLAIN = "\0"
"""Marks a word that follows a `--`; no argument of a process can hold it."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UsageError` instead of leaving the process.

    Options are written out: what is short today could mean something else tomorrow.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  (as argparse)
        super().__init__(**{**settings, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise UsageError(message, hint=f"see `{self.prog} --help`")


class VerbParser(Parser):
    """A verb's parser, which takes options before, between and after the other words."""

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401  (as argparse)
        """Parse as `parse_known_intermixed_args`, which itself comes back here."""
        if self._mixing:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        words = list(args or ())
        # argparse loses a -- when it takes options anywhere; hidden, what follows is plain.
        cut = words.index("--") if "--" in words else len(words)
        words[cut:] = [f"{_PLAIN}{word}" for word in words[cut + 1 :]]
        try:
            taken, rest = self.parse_known_intermixed_args(words, namespace)
        finally:
            self._mixing = False
        for name, value in vars(taken).items():
            setattr(taken, name, _unhidden(value))
        return taken, [_unhidden(word) for word in rest]


def _unhidden(value: Any) -> Any:  # noqa: ANN401  (anything that argparse makes)
    if isinstance(value, str):
        return value.removeprefix(_PLAIN)
    return [_unhidden(item) for item in value] if isinstance(value, list) else value


def parsed(
    words: Sequence[str], verbs: Sequence[str], build: Callable[[Iterable[str]], Parser]
) -> argparse.Namespace:
    """What a command line says; of the verbs only those are imported that it may mean.

    Args:
        words: The command line.
        verbs: All verbs.
        build: Makes the parser that knows some verbs.

    Raises:
        UsageError: It is wrong.
    """
    named = [verb for verb in verbs if verb in words]
    if named and not {"-h", "--help"} & set(words):
        # Whoever made a mistake is told of all verbs.
        with contextlib.suppress(UsageError):
            return build(named).parse_args(words)
    return build(verbs).parse_args(words)


def spare_threads(environment: MutableMapping[str, str]) -> None:
    """Have numpy, when it is loaded, start no threads for linear algebra, which is not done here.

    OpenBLAS's threads spin before they sleep: a tenth of a second of each processor.
    """
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")


def allow_what_is_set(environment: Mapping[str, str]) -> None:
    """Let packages take what the operator allows in `MLARCHIVE_MAX_*`.

    Raises:
        ConfigError: One of them is no size.
    """
    if any(name.startswith("MLARCHIVE_MAX_") for name in environment):
        from mlarchive.package.limits import allow, limits_from

        allow(limits_from(environment))


def locators(texts: Sequence[str], *, archived: bool = False) -> "list[Locator]":
    """Parse locators.

    Args:
        texts: As they were written.
        archived: Whether they mean archived versions too.

    Raises:
        LocatorError: One does not follow the grammar.
        UnsupportedError: One names a registry that archives nothing.
    """
    from msgspec.structs import replace

    from mlarchive.registries.locator import parse

    parsed = [parse(text) for text in texts]
    if not archived:
        return parsed
    for locator in parsed:
        if locator.scheme != "azureml":
            raise UnsupportedError(
                f"{locator.text} archives no versions, so --archived is not for it",
                hint="leave it out; it is for azureml:// sources",
            )
    return [replace(one, selector=replace(one.selector, archived=True)) for one in parsed]


def add_archived(parser: argparse.ArgumentParser) -> None:
    """Take versions too that a registry hides from lists."""
    parser.add_argument(
        "--archived", action="store_true", help="archived versions too, of azureml:// sources"
    )


def vault_folder(text: str) -> Path:
    """The folder of a vault that is named whole.

    Raises:
        UsageError: It is something else.
        NotFoundError: It is not there.
    """
    (locator,) = locators([text])
    if locator.scheme != "vault" or str(locator) != locator.origin:
        raise UsageError(f"{text} is no whole vault", hint="name vault:DIR")
    folder = Path(locator.registry)
    if not folder.is_dir():
        raise NotFoundError(f"{folder} is not a folder", hint="check the path after vault:")
    return folder


def add_policy(parser: argparse.ArgumentParser) -> None:
    """How a target is written to."""
    parser.add_argument(
        "--versions",
        choices=("preserve", "next"),
        default="preserve",
        help="keep the version's number (default), or take the target's next one",
    )
    parser.add_argument(
        "--conflict",
        choices=("fail", "skip", "new-version"),
        default="fail",
        help="if the name and version are taken by other content: fail (default), leave it, or "
        "write a new version",
    )
    parser.add_argument(
        "--rename",
        metavar="NAME",
        type=_pattern,
        help="write under another name; {name} in it stands for the one at the source",
    )
    parser.add_argument(
        "--to-experiment",
        metavar="NAME",
        type=_pattern,
        help="MLflow: the experiment that experiments, and runs with all of theirs, go into; "
        "{name} in it stands for the one at the source",
    )
    parser.add_argument(
        "--delete-first",
        action="store_true",
        help="MLflow: delete the model, prompt or evaluation dataset of that name before, with all "
        "of its versions",
    )
    parser.add_argument(
        "--keep-mlmodel",
        action="store_true",
        help="MLflow: leave the ids of run and model in MLmodel files as they are; else they "
        "become the target's, and are the source's again when they are read",
    )
    parser.add_argument(
        "--source-tags",
        action="store_true",
        help="MLflow: tell in tags what each object was at the source: mlflow_exim.… and "
        "mlflow_export_import.metadata.…",
    )
    parser.add_argument(
        "--await-creation-for",
        type=_seconds,
        metavar="SECONDS",
        help="MLflow: how long to wait for a version to be ready (300); 0 not to",
    )
    parser.add_argument(
        "--stage-as",
        choices=("field", "tag"),
        default="field",
        help="Neptune: keep a version's stage in the field old_sys/stage (default), or as a tag",
    )
    parser.add_argument(
        "--type",
        choices=("custom_model", "mlflow_model", "triton_model"),
        default="",
        help="what a folder is registered as in an azureml:// target; mlflow_model by default if "
        "an MLmodel file lies in it, else custom_model",
    )


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Say what would be done."""
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and change nothing"
    )


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Whom a reader of packages believes."""
    group = parser.add_argument_group("signatures")
    group.add_argument(
        "--trust",
        type=place,
        metavar="POLICY",
        help="read only packages that this policy trusts (spec/trust.md)",
    )
    group.add_argument(
        "--at", metavar="TIME", help="judge signatures as of then, such as 2026-03-05; now if none"
    )


def judge_as_told(arguments: argparse.Namespace, console: "Console") -> None:
    """Take in what `add_trust` took, if the verb has it.

    Raises:
        UsageError: There is a time and no policy.
    """
    console.policy = getattr(arguments, "trust", None) or console.policy
    console.judged_at = getattr(arguments, "at", None) or ""
    if console.judged_at and not console.policy:
        raise UsageError("--at goes with --trust POLICY")


def policy(arguments: argparse.Namespace) -> "WritePolicy":
    """What `add_policy` took in."""
    from mlarchive.registries.base import AWAIT_SECONDS, WritePolicy

    seconds = arguments.await_creation_for
    return WritePolicy(
        versions=arguments.versions,
        conflict=arguments.conflict,
        rename=arguments.rename or "",
        experiment=arguments.to_experiment or "",
        delete_first=arguments.delete_first,
        await_seconds=AWAIT_SECONDS if seconds is None else seconds,
        source_tags=arguments.source_tags,
        mlmodel="keep" if arguments.keep_mlmodel else "follow",
        stage=arguments.stage_as,
        model_type=arguments.type,
        # Who leaves an option out says nothing.
        unsaid="stays",
    )


def target_policy(arguments: argparse.Namespace, target: "Locator") -> "WritePolicy":
    """The policy for a target.

    Raises:
        UnsupportedError: The target keeps names and numbers as they are at the source.
    """
    from mlarchive.registries.base import KEEPING_NAMES

    wanted = policy(arguments)
    if target.scheme in KEEPING_NAMES and (wanted.rename or wanted.versions == "next"):
        option = "--rename" if wanted.rename else "--versions next"
        raise UnsupportedError(
            f"{target.text} keeps names and version numbers as they are, so {option} is not for it",
            hint="leave it out; it is for servers",
        )
    options = {
        "--to-experiment": wanted.experiment,
        "--delete-first": wanted.delete_first,
        "--source-tags": wanted.source_tags,
        "--await-creation-for": arguments.await_creation_for is not None,
        "--keep-mlmodel": wanted.mlmodel == "keep",
    }
    alien = next((option for option, given in options.items() if given), "")
    if alien and not target.scheme.startswith("mlflow+"):
        raise UnsupportedError(
            f"{target.text} is no MLflow server, so {alien} is not for it",
            hint="leave it out; it is for mlflow+…:// targets",
        )
    if wanted.model_type and target.scheme != "azureml":
        raise UnsupportedError(
            f"models of {target.text} have no types, so --type is not for it",
            hint="leave it out; it is for azureml:// targets",
        )
    return wanted


def refuse_renaming(kind: str, arguments: argparse.Namespace) -> None:
    """Refuse another name for what keeps its own, and a deletion of what is never deleted first.

    Args:
        kind: Of the objects; "" if they are of any.
        arguments: What `add_policy` took in.

    Raises:
        UsageError: It was asked for.
    """
    if arguments.rename and kind in {"runs", "experiments"}:
        raise UsageError(
            f"--rename is not for {kind}",
            hint="--to-experiment NAME says which experiment they go into",
        )
    if arguments.delete_first and kind in _NEVER_DELETED:
        raise UsageError(
            f"--delete-first is not for {kind}",
            hint="leave it out; it is for models, prompts and evaluation-datasets",
        )


class Stated(argparse.Action):
    """Takes a text that says something: an empty one is a variable that was not set."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002  (argparse calls it so)
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,  # noqa: ARG002  (likewise)
    ) -> None:
        """Take it."""
        if not values:
            raise argparse.ArgumentError(self, "a text is wanted, and it is empty")
        setattr(namespace, self.dest, values)


def place(text: str) -> str:
    """An argument that names a file or folder; an empty one is a variable that was not set."""
    if not text:
        raise argparse.ArgumentTypeError("a name is wanted, and it is empty")
    return text


def _pattern(text: str) -> str:
    """A name in which `{name}` may stand for another, and nothing else in such brackets."""
    strange = [field for field in _FIELD.findall(place(text)) if field != "{name}"]
    if strange:
        raise argparse.ArgumentTypeError(f"{strange[0]} stands for nothing; {{name}} does")
    return text


def new_place(text: str) -> Path:
    """Where something is to be written.

    Raises:
        NotFoundError: The folder that it goes into is not there: a disk that is not mounted looks
            like an empty place on another one.
    """
    path = Path(text)
    if not path.parent.exists():
        raise NotFoundError(
            f"cannot write {path}: there is no folder {path.parent}",
            hint="make it first; if it is to be on another disk, see that this is mounted",
        )
    return path


def _seconds(text: str) -> int:
    """A whole number of seconds."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return int(text)


def tag(text: str) -> tuple[str, str]:
    """A `KEY=VALUE` argument."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def moment(text: str) -> int:
    """A time, as ISO 8601 writes it, in ms since 1970 UTC; UTC where it names no zone."""
    from datetime import UTC, datetime

    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time such as 2026-03-05 or 2026-03-05T14:00"
        ) from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def size(text: str) -> int:
    """A number of bytes, such as `50MB`."""
    from mlarchive.package.limits import parse_size

    found = parse_size(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write bytes, or such as 50MB")
    return found


def duration(text: str) -> float:
    """A span of time in seconds, such as `30d`, `12h`, `90min`, `45s`."""
    found = re.fullmatch(r"([0-9]{1,9}) ?(s|min|h|d|w)", text)
    if not found or not int(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time; write such as 30d or 12h")
    return float(int(found[1]) * _SECONDS[found[2]])
