"""Keeps a stage or model that fails again and again from filling the log."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable

from mindspore_serving import log

_LINES_IN_WINDOW = 10
_WINDOW_S = 10.0


@dataclasses.dataclass
class _Place:
    """What one stage or model has logged lately."""

    window_start_s: float
    lines: int = 0
    left_out: int = 0


class FailureLog:
    """Logs failures with their tracebacks: of one place, ten in ten seconds. The others are counted, and told of with
    the next one that is logged, or at the end. Thread-safe.

    Example::

        failures = FailureLog()
        failures.note("method 'predict', stage 1", "Call Preprocess Failed, ...", exception)
        failures.close()
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}

    def note(self, place: str, text: str, exception: BaseException | None) -> None:
        """Logs a failure there, unless there were many just now."""
        now_s = self._clock_s()
        with self._lock:
            state = self._places.setdefault(place, _Place(now_s))
            if now_s - state.window_start_s >= _WINDOW_S:
                state.window_start_s, state.lines = now_s, 0
            if state.lines == _LINES_IN_WINDOW:
                state.left_out += 1
                return
            state.lines += 1
            _tell_left_out(place, state)
        log.error("%s", text, exc_info=exception)

    def close(self) -> None:
        """Tells of what was left out since the last line."""
        with self._lock:
            for place, state in self._places.items():
                _tell_left_out(place, state)


def _tell_left_out(place: str, state: _Place) -> None:
    if state.left_out:
        log.error("%d failures of %s were left out of the log", state.left_out, place)
        state.left_out = 0
