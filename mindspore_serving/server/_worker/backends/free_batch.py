"""Frees the batch dimension of an ONNX graph that was exported for one batch size. Runs in the converting process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mindspore_serving.server._worker.backends.base import TensorInfo
from mindspore_serving.server._worker.backends.samples import Arrays, difference, random

Run = Callable[[Arrays], Arrays]

SIZES = (1, 3, 5)
"""The batch sizes that a freed graph is tried with."""
_ROWS = max(SIZES)
_RTOL, _ATOL = 1e-4, 1e-5
"""Kernels may add up in another order for another size; a graph that mixes rows is off by far more."""
_SEED = 3


def free_batch(content: bytes, batched_inputs: Sequence[bool]) -> bytes:
    """The graph with an open first dimension of these inputs and of all outputs, whatever that makes of it."""
    import onnx

    model = onnx.load_from_string(content)
    initializers = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initializers]
    for value, batched in zip(inputs, batched_inputs, strict=True):
        if batched:
            _open_first_dimension(value)
    for value in model.graph.output:
        _open_first_dimension(value)
    del model.graph.value_info[:]  # shapes in between, as they were
    return model.SerializeToString()


def _open_first_dimension(value: Any) -> None:
    value.type.tensor_type.shape.dim[0].dim_param = "batch"  # takes the place of dim_value


def rows_differ(
    freed: Run, reference: Run, tensors: Sequence[TensorInfo], batched: Sequence[bool], size: int
) -> str | None:
    """Why batches of other sizes do not give the rows that `reference` gives in batches of `size`; None if they do.

    `tensors`: the inputs as one batch of any size has them; `batched`: which of them have rows.
    """
    wide = [
        TensorInfo(tensor.dtype, (_ROWS, *tensor.shape[1:])) if has_rows else tensor
        for tensor, has_rows in zip(tensors, batched, strict=True)
    ]
    inputs = random(wide, _SEED)
    expected = _in_batches(reference, inputs, batched, size)
    for other in SIZES:
        try:
            text = difference(_in_batches(freed, inputs, batched, other), expected, _RTOL, _ATOL)
        except Exception as error:
            text = str(error).partition("\n")[0]
        if text is not None:
            return f"in batches of {other}: {text}"
    return None


def _in_batches(run: Run, inputs: Arrays, batched: Sequence[bool], size: int) -> list[np.ndarray]:
    """The outputs for all rows, `size` at a time; the last batch is filled up from the first rows."""
    parts = []
    for first in range(0, _ROWS, size):
        rows = np.arange(first, first + size) % _ROWS
        outputs = run([x[rows] if has_rows else x for x, has_rows in zip(inputs, batched, strict=True)])
        if any(output.ndim == 0 or len(output) != size for output in outputs):
            raise ValueError(f"outputs have shapes {[list(output.shape) for output in outputs]}")
        parts.append(outputs)
    return [np.concatenate(output)[:_ROWS] for output in zip(*parts, strict=True)]
