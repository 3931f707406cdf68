"""Exports the two models of this example, a sum and a difference of float32 matrices of shape (2, 2).

They become ../add_sub/1/tensor_add.mindir and ../add_sub/1/tensor_sub.mindir.
"""

from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn


class Add(nn.Cell):
    """x1 + x2, element by element."""

    def construct(self, x1, x2):
        return x1 + x2


class Sub(nn.Cell):
    """x1 - x2, element by element."""

    def construct(self, x1, x2):
        return x1 - x2


def export_models(directory: Path) -> list[Path]:
    """Writes both models into the directory, which is made if need be, and returns their paths."""
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    directory.mkdir(parents=True, exist_ok=True)
    x = ms.Tensor(np.ones((2, 2), np.float32))
    files = []
    for name, network in {"tensor_add": Add(), "tensor_sub": Sub()}.items():
        files.append(directory / f"{name}.mindir")
        ms.export(network, x, x, file_name=str(files[-1]), file_format="MINDIR")
    return files


if __name__ == "__main__":
    for file in export_models(Path(__file__).resolve().parent.parent / "add_sub" / "1"):
        print(f"exported {file}")
