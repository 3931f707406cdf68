"""The client's own argument checks, since it installs without the server: each raises `RuntimeError`."""

from __future__ import annotations

import math
from typing import Any


def check_str(parameter: str, value: Any) -> str:
    """A non-empty `str`."""
    if not isinstance(value, str):
        raise RuntimeError(f"Parameter '{parameter}' should be str, but actually {type(value)}")
    if not value:
        raise RuntimeError(f"Parameter '{parameter}' should not be empty str")
    return value


def check_name(parameter: str, value: Any) -> str:
    """A non-empty `str` that can be sent, so one without half of a surrogate pair."""
    try:
        check_str(parameter, value).encode()
    except UnicodeEncodeError as error:
        raise RuntimeError(f"Parameter '{parameter}' is not valid Unicode: {error}") from error
    return value


def check_version(parameter: str, value: Any) -> int:
    """An `int` from 0 to the largest the protocol carries; no `bool`, no numpy integer."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise RuntimeError(f"Parameter '{parameter}' should be int, but actually {type(value)}")
    if value < 0:
        raise RuntimeError(f"Parameter '{parameter}' should be >= 0, but actually {value}")
    if value >= 2**64:
        raise RuntimeError(f"Parameter '{parameter}' should be <= {2**64 - 1}, but actually {value}")
    return value


def check_timeout(parameter: str, value: Any) -> float | None:
    """`None`, or a finite number of seconds above 0."""
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise RuntimeError(f"Parameter '{parameter}' should be a number of seconds or None, but actually {type(value)}")
    if not (math.isfinite(value) and value > 0):
        raise RuntimeError(f"Parameter '{parameter}' should be finite and > 0, but actually {value}")
    return value
