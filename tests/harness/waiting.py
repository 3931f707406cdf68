"""Waiting for a condition with a deadline; tests never just sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


def wait_until(condition: Callable[[], _Result], what: str, timeout_s: float = 15.0, pause_s: float = 0.005) -> _Result:
    """Calls `condition` until it returns something true, and returns that; `AssertionError` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:g} s in vain for: {what}")
        time.sleep(pause_s)
