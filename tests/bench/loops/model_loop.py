"""Reference: the compiled model called by MindSpore's fast call in a bare loop, numpy arrays in and out.

Usage: model_loop.py MINDIR
"""

import os
import sys

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")  # as the server's workers do

import mindspore as ms
import numpy as np
from mindspore import nn
from mindspore.graph.api import _cell_graph_executor
from timed_loop import serve


def main(mindir: str) -> None:
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    net = nn.GraphCell(ms.load(mindir))
    x1 = np.array([[1, 2], [3, 4]], np.float32)
    x2 = np.array([[10, 20], [30, 40]], np.float32)
    public = net(ms.Tensor.from_numpy(x1), ms.Tensor.from_numpy(x2)).asnumpy()
    phase = net.phase

    def call() -> np.ndarray:
        return _cell_graph_executor.run(net, ms.Tensor.from_numpy(x1), ms.Tensor.from_numpy(x2), phase=phase).asnumpy()

    assert np.array_equal(public, x1 + x2)
    assert np.array_equal(call(), public)
    serve(call)


if __name__ == "__main__":
    main(sys.argv[1])
