"""Values for hypothesis: tensors of every dtype with any bits, strings, bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .protocol import DTYPES

SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@st.composite
def arrays(
    draw: st.DrawFn,
    dtypes: Sequence[np.dtype[Any]] = tuple(DTYPES.values()),
    shapes: st.SearchStrategy[tuple[int, ...]] = SHAPES,
) -> np.ndarray[Any, Any]:
    """An array of any of the dtypes and shapes; NaNs, denormals and all else that the dtype's bits can mean."""
    dtype = draw(st.sampled_from(dtypes))
    shape = draw(shapes)
    size = math.prod(shape) * dtype.itemsize
    data = draw(st.binary(min_size=size, max_size=size))
    if dtype.kind == "b":
        data = bytes(byte & 1 for byte in data)
    return np.frombuffer(data, dtype).reshape(shape)


TEXTS = st.text(max_size=20)
VALUES = arrays() | TEXTS | st.binary(max_size=40)
"""What a tensor can be: a numpy array, `str` or `bytes`."""
