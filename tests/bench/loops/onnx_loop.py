"""Reference: pictures are decoded and run by ONNX Runtime in a bare loop, as the servables of example/lenet and
example/resnet do it.

Usage: onnx_loop.py SERVABLE_FOLDER PICTURE ONNX_FILE BATCH_SIZE THREADS
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from timed_loop import serve


def load_to_input(servable: Path) -> Callable[[bytes], np.ndarray]:
    """The servable's own function that makes an array of a picture."""
    spec = importlib.util.spec_from_file_location("image", servable / "image.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.to_input


def main(servable: str, picture: str, onnx_file: str, batch_size: str, threads: str) -> None:
    to_input = load_to_input(Path(servable))
    pictures = [Path(picture).read_bytes()] * int(batch_size)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    session = onnxruntime.InferenceSession(onnx_file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def call() -> list[int]:
        (scores,) = session.run(None, {name: np.stack([to_input(picture) for picture in pictures])})
        return [int(np.argmax(row)) for row in scores]

    serve(call)


if __name__ == "__main__":
    main(*sys.argv[1:])
