"""Exports the two graphs of this example's model, each a product with a matrix of its own.

../matmul/1/matmul_0.mindir takes float32 (2, 3) and gives (2, 4), ../matmul/1/matmul_1.mindir takes that and gives
(2, 2).
"""

from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn, ops


class MatMul(nn.Cell):
    """x @ weight + bias"""

    def __init__(self, weight: np.ndarray, bias: float):
        super().__init__()
        self.weight = ms.Parameter(ms.Tensor(weight), name="weight")
        self.bias = bias
        self.product = ops.MatMul()

    def construct(self, x):
        return self.product(x, self.weight) + self.bias


def export_graphs(directory: Path) -> list[Path]:
    """Writes both graphs into the directory, which is made if need be, and returns their paths."""
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    directory.mkdir(parents=True, exist_ok=True)
    networks = [
        MatMul(np.arange(12, dtype=np.float32).reshape(3, 4), bias=0.0),
        MatMul(np.arange(8, dtype=np.float32).reshape(4, 2), bias=1.0),
    ]
    files = []
    for number, network in enumerate(networks):
        files.append(directory / f"matmul_{number}.mindir")
        x = ms.Tensor(np.ones((2, network.weight.shape[0]), np.float32))
        ms.export(network, x, file_name=str(files[-1]), file_format="MINDIR")
    return files


if __name__ == "__main__":
    for file in export_graphs(Path(__file__).resolve().parent.parent / "matmul" / "1"):
        print(f"exported {file}")
