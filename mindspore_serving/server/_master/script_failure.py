"""Ends the server with the script that started it, when that fails: whoever restarts processes sees it only then."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType


class ScriptFailure:
    """Watches for an exception that ends the main thread, by `sys.excepthook`, which hears of all but SystemExit; not
    in an interactive session, where the next line follows.

    Nothing hears of a SystemExit: the interpreter reads its code and forgets it before it waits for the threads, which
    is the first moment at which others run (Python 3.10 to 3.12). A `sys.exit` of our own could not tell one that the
    script catches from one that ends it.

    Args:
        on_failure: called in the main thread, once the exception has been printed.
    """

    def __init__(self, on_failure: Callable[[], None]) -> None:
        self._on_failure = on_failure
        self._previous = sys.excepthook
        self._hook = self._handle
        sys.excepthook = self._hook

    def _handle(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        self._previous(kind, error, traceback)
        interactive = hasattr(sys, "ps1") or sys.flags.interactive
        if threading.current_thread() is threading.main_thread() and not interactive:
            self._on_failure()

    def restore(self) -> None:
        """Gives the hook back, unless somebody else has set one on top."""
        if sys.excepthook is self._hook:
            sys.excepthook = self._previous
