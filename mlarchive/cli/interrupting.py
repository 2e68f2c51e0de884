"""SIGINT and SIGTERM end a command where its folders are tidied up: by KeyboardInterrupt."""

import signal
import threading
from types import FrameType

_IMPORTING = "<frozen importlib"
"""How the files of the import machinery are called."""

_SOON = 0.01
"""Seconds after which an interrupt that came too early comes again."""


def hear_interrupts() -> None:
    """Have both signals interrupt this process, unless it was started deaf to SIGINT."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def end_undisturbed() -> None:
    """Hear neither from now on: nothing is left to interrupt, only an end to disturb."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, but not in the midst of the import machinery.

    An exception there can leave a lock of it locked for ever; threads that import would hang,
    and the process with them.
    """
    if frame is None or not frame.f_code.co_filename.startswith(_IMPORTING):
        raise KeyboardInterrupt
    again = threading.Timer(_SOON, _send_again, [number])
    again.daemon = True
    again.start()


def _send_again(number: int) -> None:
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, number)
