"""Exports the model of this example, the sum of two float32 matrices of shape (2, 2), as ../add/1/tensor_add.mindir."""

from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn, ops


class Add(nn.Cell):
    """Adds its two inputs element by element."""

    def __init__(self):
        super().__init__()
        self.add = ops.Add()

    def construct(self, x1, x2):
        return self.add(x1, x2)


def export_model(directory: Path) -> Path:
    """Writes tensor_add.mindir into the directory, which is made if need be, and returns its path."""
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    directory.mkdir(parents=True, exist_ok=True)
    model_file = directory / "tensor_add.mindir"
    x = ms.Tensor(np.ones((2, 2), np.float32))
    ms.export(Add(), x, x, file_name=str(model_file), file_format="MINDIR")
    return model_file


if __name__ == "__main__":
    print(f"exported {export_model(Path(__file__).resolve().parent.parent / 'add' / '1')}")
