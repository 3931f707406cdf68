"""A MindIR model with one input, run over and over: by MindSpore's public call, or converted as the server does it and
run by ONNX Runtime with its own settings.

Usage: engine_loop.py mindspore|onnxruntime MINDIR SHAPE          SHAPE as in 1x3x224x224
"""

import sys
from collections.abc import Callable

import numpy as np
from timed_loop import serve

from mindspore_serving.server._worker.backends.conversion import Request, convert_all


def mindspore_call(mindir: str, x: np.ndarray) -> Callable[[], np.ndarray]:
    import mindspore as ms

    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    net = ms.nn.GraphCell(ms.load(mindir))
    return lambda: net(ms.Tensor.from_numpy(x)).asnumpy()


def onnxruntime_call(mindir: str, x: np.ndarray) -> Callable[[], np.ndarray]:
    import onnxruntime

    (converted,) = convert_all([Request(mindir, with_batch_dim=True, without_batch_dim_inputs=())])
    session = onnxruntime.InferenceSession(converted.content, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: x})[0]


def main(engine: str, mindir: str, shape: str) -> None:
    x = np.random.default_rng(1).random([int(size) for size in shape.split("x")], np.float32)
    call = {"mindspore": mindspore_call, "onnxruntime": onnxruntime_call}[engine]
    serve(call(mindir, x))


if __name__ == "__main__":
    main(*sys.argv[1:])
