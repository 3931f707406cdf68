"""The server's argument checks: each raises `RuntimeError` naming the parameter and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def check_str(parameter: str, value: Any) -> str:
    """A non-empty `str`."""
    if not isinstance(value, str):
        raise RuntimeError(f"Parameter '{parameter}' should be str, but actually {type(value)}")
    if not value:
        raise RuntimeError(f"Parameter '{parameter}' should not be empty str")
    return value


def check_bytes(parameter: str, value: Any) -> bytes:
    """Non-empty `bytes`."""
    if not isinstance(value, bytes):
        raise RuntimeError(f"Parameter '{parameter}' should be bytes, but actually {type(value)}")
    if not value:
        raise RuntimeError(f"Parameter '{parameter}' should not be empty bytes")
    return value


def check_bool(parameter: str, value: Any) -> bool:
    """Exactly `True` or `False`."""
    if not isinstance(value, bool):
        raise RuntimeError(f"Parameter '{parameter}' should be bool, but actually {type(value)}")
    return value


def check_int(parameter: str, value: Any, minimum: int | None = None, maximum: int | None = None) -> int:
    """A Python `int` (no `bool`, no numpy integer) within the bounds, both inclusive."""
    _check_int(f"Parameter '{parameter}'", value, minimum, maximum)
    return value


def check_seconds(parameter: str, value: Any) -> float:
    """A number of seconds above 0 and up to a day."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RuntimeError(f"Parameter '{parameter}' should be int or float, but actually {type(value)}")
    if not 0 < value <= 86_400:
        raise RuntimeError(f"Parameter '{parameter}' should be in range (0,86400], but actually {value}")
    return float(value)


def check_ints(parameter: str, value: Any, minimum: int | None = None, maximum: int | None = None) -> tuple[int, ...]:
    """One `int`, or a tuple or list of different ones; always returned as a tuple, which may be empty."""
    if isinstance(value, int):
        value = (value,)
    elif not isinstance(value, (tuple, list)):
        raise RuntimeError(f"Parameter '{parameter}' should be int or tuple/list of int, but actually {type(value)}")
    return check_int_sequence(parameter, value, minimum, maximum)


def check_int_sequence(
    parameter: str, value: Any, minimum: int | None = None, maximum: int | None = None
) -> tuple[int, ...]:
    """A tuple or list of different ints, not a lone `int`."""
    if not isinstance(value, (tuple, list)):
        raise RuntimeError(f"Parameter '{parameter}' should be tuple/list of int, but actually {type(value)}")
    _check_unique(parameter, value)
    for item in value:
        _check_int(f"The item value '{item}' in parameter '{parameter}'", item, minimum, maximum)
    return tuple(value)


def check_strs(parameter: str, value: Any) -> tuple[str, ...]:
    """One `str`, or a tuple or list of different non-empty ones; always returned as a tuple, which may be empty."""
    if isinstance(value, str):
        value = (value,)
    elif not isinstance(value, (tuple, list)):
        raise RuntimeError(f"Parameter '{parameter}' should be str or tuple/list of str, but actually {type(value)}")
    for item in value:
        if not isinstance(item, str):
            raise RuntimeError(f"The item of parameter '{parameter}' should be str, but actually {type(item)}")
        if not item:
            raise RuntimeError(f"The item of parameter '{parameter}' should not be empty str")
    _check_unique(parameter, value)
    return tuple(value)


def _check_int(subject: str, value: Any, minimum: int | None, maximum: int | None) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise RuntimeError(f"{subject} should be int, but actually {type(value)}")
    below = minimum is not None and value < minimum
    above = maximum is not None and value > maximum
    if not below and not above:
        return
    if minimum is not None and maximum is not None:
        raise RuntimeError(f"{subject} should be in range [{minimum},{maximum}], but actually {value}")
    bound = f">= {minimum}" if minimum is not None else f"<= {maximum}"
    raise RuntimeError(f"{subject} should be {bound}, but actually {value}")


def _check_unique(parameter: str, items: Iterable[Any]) -> None:
    seen: list[Any] = []
    for item in items:
        if any(item is other or (type(item) is type(other) and item == other) for other in seen):
            raise RuntimeError(f"The item value '{item}' in parameter '{parameter}' should not be repeated")
        seen.append(item)
