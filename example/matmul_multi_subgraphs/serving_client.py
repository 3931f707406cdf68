"""Calls both methods of the servable `matmul` over gRPC and prints what comes back.

SERVING_GRPC_ADDRESS chooses another server than 127.0.0.1:5500.
"""

import os
import sys

import numpy as np

from mindspore_serving.client import Client

ADDRESS = os.environ.get("SERVING_GRPC_ADDRESS", "127.0.0.1:5500")

# What export_model/matmul_graphs.py put into the two graphs.
W0 = np.arange(12, dtype=np.float32).reshape(3, 4)
W1 = np.arange(8, dtype=np.float32).reshape(4, 2)


def infer(method, instances):
    """The answers to the instances; ends the program if there is an error among them."""
    with Client(ADDRESS, "matmul", method) as client:
        result = client.infer(instances)
    print(f"{method}:", result)
    for answer in [result] if isinstance(result, dict) else result:
        if "error" in answer:
            sys.exit(f"{method} failed: {answer['error']}")
    return result


def run():
    """The same four instances to both methods."""
    instances = [{"x": np.full((2, 3), i, np.float32)} for i in range(4)]
    for answer, x in zip(infer("predict", instances), instances, strict=True):
        np.testing.assert_allclose(answer["y"], x["x"] @ W0)
        np.testing.assert_allclose(answer["z"], x["x"] @ W0 @ W1 + 1)
    for answer, x in zip(infer("predict_batch", instances), instances, strict=True):
        np.testing.assert_allclose(answer["z"], x["x"] @ W0 @ W1 + 1)


if __name__ == "__main__":
    run()
