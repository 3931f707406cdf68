"""Sample inputs for models, and when two engines' results for them count as the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mindspore_serving.server._worker.backends.base import TensorInfo

Arrays = Sequence[np.ndarray]

_LARGEST_INTEGER = 3
"""Integers may be indices, so samples of them stay small and are not negative."""


def zeros(tensors: Sequence[TensorInfo]) -> list[np.ndarray]:
    """Zeros for inputs whose shapes have no open dimension."""
    return [np.zeros(tensor.shape, np.dtype(tensor.dtype)) for tensor in tensors]


def ones(tensors: Sequence[TensorInfo]) -> list[np.ndarray]:
    """Ones: unlike zeros, graphs can divide by them (ONNX Runtime 1.23 ends the process at an integer divided by 0)."""
    return [np.ones(tensor.shape, np.dtype(tensor.dtype)) for tensor in tensors]


def random(tensors: Sequence[TensorInfo], seed: int) -> list[np.ndarray]:
    """Numbers between -1 and 1, integers from 0 to 3, truth values; the same for the same seed."""
    generator = np.random.default_rng(seed)
    return [_random(generator, tensor) for tensor in tensors]


def _random(generator: np.random.Generator, tensor: TensorInfo) -> np.ndarray:
    dtype = np.dtype(tensor.dtype)
    if dtype.kind == "f":
        return generator.uniform(-1, 1, tensor.shape).astype(dtype)
    return generator.integers(0, 1 if dtype.kind == "b" else _LARGEST_INTEGER, tensor.shape, endpoint=True).astype(
        dtype
    )


def difference(actual: Arrays, expected: Arrays, rtol: float, atol: float) -> str | None:
    """What is wrong with `actual`, or None. `atol` is a part of each output's largest value; integers must be equal."""
    if len(actual) != len(expected):
        return f"{len(actual)} outputs instead of {len(expected)}"
    for number, (a, b) in enumerate(zip(actual, expected, strict=True)):
        if a.dtype != b.dtype or a.shape != b.shape:
            return f"output {number} is {a.dtype}{list(a.shape)} instead of {b.dtype}{list(b.shape)}"
        if not _close(a, b, rtol, atol):
            return f"output {number} differs by up to {_largest(a.astype(np.float64) - b.astype(np.float64)):.3g}"
    return None


def _close(a: np.ndarray, b: np.ndarray, rtol: float, atol: float) -> bool:
    if a.dtype.kind != "f":
        return np.array_equal(a, b)
    a, b = a.astype(np.float64), b.astype(np.float64)
    return np.allclose(a, b, rtol=rtol, atol=atol * _largest(b), equal_nan=True)


def _largest(values: np.ndarray) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0
