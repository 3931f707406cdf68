"""The protocol's data types as numpy's, and arrays made of a tensor's parts."""

from __future__ import annotations

import math

import numpy as np

# The numbers are those of DataType in ms_service.proto, which never change.
MS_STRING, MS_BYTES = 13, 14
_INTEGERS = [f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")]
_NUMBERS = ["bool", *_INTEGERS, "float16", "float32", "float64"]
DTYPE_OF_WIRE = {wire: np.dtype(name) for wire, name in enumerate(_NUMBERS, start=1)}
WIRE_OF_DTYPE = {dtype: wire for wire, dtype in DTYPE_OF_WIRE.items()}


def array_of(shape: tuple[int, ...], dtype: np.dtype, content: bytes) -> np.ndarray:
    """A read-only array over `content`. Raises `ValueError` or `OverflowError` where they do not belong together."""
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{len(content)} bytes for the shape {list(shape)}")
    return np.ndarray(shape, dtype, content)
