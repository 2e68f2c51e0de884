"""Any error at all as one of ours: a sentence, never a traceback."""

import os

from mlarchive.errors import Interrupted, MlarchiveError, StorageError


def as_ours(error: BaseException) -> MlarchiveError:
    """What to tell a person of any error at all."""
    match error:
        case MlarchiveError():
            return error
        case KeyboardInterrupt():
            return Interrupted("interrupted", hint="the same command, run again, finishes the job")
        case OSError():
            return _explained(error)
        case MemoryError():
            return StorageError(
                "the system gives no more memory", hint="see what else needs it, then run it again"
            )
        case _:
            return _defect(error)


def _explained(error: OSError) -> MlarchiveError:
    from mlarchive.fsops import explain

    if not isinstance(error.filename, str | bytes):
        return StorageError(f"the system failed: {error.strerror or error}")
    return explain(error, os.fsdecode(error.filename), "use")


def _defect(error: BaseException) -> MlarchiveError:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = ""
    if trace is not None:
        where = f" ({trace.tb_frame.f_globals.get('__name__')}, line {trace.tb_lineno})"
    return MlarchiveError(
        f"mlarchive itself failed: {type(error).__name__}: {error}{where}",
        hint="this is a defect; please report it with the command that you ran",
    )
