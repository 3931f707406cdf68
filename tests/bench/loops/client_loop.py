"""The product's Python client: `Client.infer` of one 2x2 instance, one after the other.

Usage: client_loop.py ADDRESS
"""

import sys

import numpy as np
from timed_loop import serve

from mindspore_serving.client import Client

if __name__ == "__main__":
    client = Client(sys.argv[1], "identity", "predict")
    x = np.array([[1, 2], [3, 4]], np.float32)
    (first,) = client.infer({"x": x})
    assert np.array_equal(first["y"], x), first
    serve(lambda: client.infer({"x": x}))
