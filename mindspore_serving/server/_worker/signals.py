"""Signals, taken by a thread of their own: a stage that runs for long, or C++ code, does not hold them up."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class SignalThread(threading.Thread):
    """Calls `on_signal(number)` for SIGINT and SIGTERM. Made in the main thread."""

    def __init__(self, on_signal: Callable[[int], None]) -> None:
        super().__init__(name="signals", daemon=True)
        self._on_signal = on_signal
        # Python's C handler writes the number of each signal there at once, whatever the interpreter does.
        self._read_end, self._write_end = socket.socketpair()
        self._write_end.setblocking(False)
        signal.set_wakeup_fd(self._write_end.fileno(), warn_on_full_buffer=False)
        self.install()
        # A process that the user's code forks has its signals to itself, and would write them to our socket.
        self._mask = threading.local()
        os.register_at_fork(
            before=self._block, after_in_parent=self._unblock, after_in_child=self._leave_signals_to_child
        )

    def install(self) -> None:
        """Takes the signals (again: an engine may have taken them). Main thread only."""
        for number in STOP_SIGNALS:
            signal.signal(number, lambda _number, _frame: None)

    def _block(self) -> None:
        self._mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)

    def _unblock(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask.before)

    def _leave_signals_to_child(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._unblock()

    def run(self) -> None:
        while numbers := self._read_end.recv(64):
            for number in numbers:
                if number in STOP_SIGNALS:
                    self._on_signal(number)


def end_children() -> None:
    """Asks the processes that the user's code started to end, where this worker leads their process group."""
    if os.getpgrp() == os.getpid():
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        os.killpg(0, signal.SIGTERM)
