"""Keeps what fails again and again, such as a stage, a model or a client's handshake, from filling the log."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable

_LINES_IN_WINDOW = 10
_WINDOW_S = 10.0


@dataclasses.dataclass
class _Place:
    """What one of them has logged lately."""

    window_start_s: float
    lines: int = 0
    left_out: int = 0


class FailureLog:
    """Logs failures: of one place, ten in ten seconds. The others are counted, and told of with the next one that is
    logged, or at the end. Thread-safe.

    Args:
        write: `log.error` or `log.warning`.

    Example::

        failures = FailureLog(log.error)
        failures.note("method 'predict', stage 1", "Call Preprocess Failed, ...", exception)
        failures.close()
    """

    def __init__(self, write: Callable[..., None], clock_s: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}

    def note(self, place: str, text: str, exception: BaseException | None = None) -> None:
        """Logs a failure there, with the exception's traceback, unless there were many just now."""
        now_s = self._clock_s()
        with self._lock:
            state = self._places.setdefault(place, _Place(now_s))
            if now_s - state.window_start_s >= _WINDOW_S:
                state.window_start_s, state.lines = now_s, 0
            if state.lines == _LINES_IN_WINDOW:
                state.left_out += 1
                return
            state.lines += 1
            self._tell_left_out(place, state)
        self._write("%s", text, exc_info=exception)

    def close(self) -> None:
        """Tells of what was left out since the last line."""
        with self._lock:
            for place, state in self._places.items():
                self._tell_left_out(place, state)

    def _tell_left_out(self, place: str, state: _Place) -> None:
        if state.left_out:
            self._write("%d failures of %s were left out of the log", state.left_out, place)
            state.left_out = 0
