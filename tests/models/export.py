"""Exports the small MindIR models of the tests with MindSpore. Run it in a process of its own: it loads MindSpore.

python tests/models/export.py FOLDER [NAME ...]      writes FOLDER/NAME.mindir, all of them without a NAME
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn, ops


class Add(nn.Cell):
    """y = x1 + x2"""

    def construct(self, x1, x2):
        return x1 + x2


class AddSub(nn.Cell):
    """Two inputs, two outputs: x1 + x2 and x1 - x2"""

    def construct(self, x1, x2):
        return x1 + x2, x1 - x2


class Scale(nn.Cell):
    """One input, one output: y = 2 x + 1"""

    def construct(self, x):
        return x * 2 + 1


class RowSum(nn.Cell):
    """y = the sum over the last axis, so the output's shape differs from the input's"""

    def construct(self, x):
        return ops.ReduceSum(keep_dims=True)(x, -1)


class AddTable(nn.Cell):
    """x has a batch dimension, the table (the second input) has none: y = x + table"""

    def construct(self, x, table):
        return x + table


def _parameter(name: str, values: np.ndarray) -> ms.Parameter:
    return ms.Parameter(ms.Tensor(values.astype(np.float32)), name=name)


class Prefill(nn.Cell):
    """Fills a cache of four rows: cache = 2 x; y = 10 * the sum of the cache's rows"""

    def __init__(self):
        super().__init__()
        self.cache = _parameter("cache", np.zeros((4, 2)))
        self.weight = _parameter("weight", np.full(2, 2))
        self.head = _parameter("head", np.full(2, 10))

    def construct(self, x):
        ops.assign(self.cache, x * self.weight)
        return self.cache.sum(axis=0) * self.head


class Step(nn.Cell):
    """Writes one row of the cache: cache[position] = 2 x; y = 100 * the sum of the cache's rows, and the cache"""

    def __init__(self, shape: tuple[int, int] = (4, 2), value: float = 0):
        super().__init__()
        self.cache = _parameter("cache", np.full(shape, value))
        self.weight = _parameter("weight", np.full(2, 2))
        self.head = _parameter("head", np.full(2, 100))
        self.update = ops.ScatterUpdate()

    def construct(self, x, position):
        cache = self.update(self.cache, position, x * self.weight)
        return ops.depend(self.cache, cache).sum(axis=0) * self.head, self.cache


class RowTotals(nn.Cell):
    """Each row has a sum of its own: total += x, if x is positive; y = total"""

    def __init__(self):
        super().__init__()
        self.total = _parameter("total", np.zeros((3, 1)))

    def construct(self, x):
        if x.sum() > 0:
            ops.assign_add(self.total, x)
        return self.total + 0


def _zeros(*shape: int, dtype: type = np.float32) -> ms.Tensor:
    return ms.Tensor(np.zeros(shape, dtype))


def _dynamic(*dims: int | None) -> ms.Tensor:
    return ms.Tensor(shape=list(dims), dtype=ms.float32)


MODELS: dict[str, tuple[Callable[[], nn.Cell], Callable[[], tuple[ms.Tensor, ...]]]] = {
    "tensor_add": (Add, lambda: (_zeros(2, 2), _zeros(2, 2))),
    "tensor_add_int32": (Add, lambda: (_zeros(2, 2, dtype=np.int32), _zeros(2, 2, dtype=np.int32))),
    "add_dynamic": (Add, lambda: (_dynamic(None, 2), _dynamic(None, 2))),
    "add_sub": (AddSub, lambda: (_zeros(2, 2), _zeros(2, 2))),
    "scale": (Scale, lambda: (_zeros(4, 3),)),
    "row_sum": (RowSum, lambda: (_zeros(2, 3),)),
    "add_table": (AddTable, lambda: (_zeros(2, 3), _zeros(3))),
    "prefill": (Prefill, lambda: (_zeros(4, 2),)),
    "step": (Step, lambda: (_zeros(1, 2), _zeros(1, dtype=np.int32))),
    "step_of_three": (lambda: Step((3, 2)), lambda: (_zeros(1, 2), _zeros(1, dtype=np.int32))),
    "step_from_one": (lambda: Step(value=1), lambda: (_zeros(1, 2), _zeros(1, dtype=np.int32))),
    "row_totals": (RowTotals, lambda: (_zeros(3, 1),)),
}


KEY = bytes.fromhex("8e1fa7d05cb364290e77b8c1d24f9a63")
"""Bytes that no process has by chance."""
ENCRYPTED = {"tensor_add_encrypted": {"enc_key": KEY, "enc_mode": "AES-GCM"}}
"""Models that are exported encrypted; they are otherwise what stands in MODELS under the name without the ending."""


def main(folder: str, *names: str) -> None:
    """Writes the models named (all without a name) into `folder`."""
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    for name in names or [*MODELS, *ENCRYPTED]:
        build, inputs = MODELS[name.removesuffix("_encrypted")]
        file = str(Path(folder) / name)
        ms.export(build(), *inputs(), file_name=file, file_format="MINDIR", **ENCRYPTED.get(name, {}))


if __name__ == "__main__":
    main(*sys.argv[1:])
