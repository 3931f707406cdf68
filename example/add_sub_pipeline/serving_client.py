"""Calls both methods of the servable `add_sub` over gRPC and prints what comes back.

SERVING_GRPC_ADDRESS chooses another server than 127.0.0.1:5500.
"""

import os
import sys

import numpy as np

from mindspore_serving.client import Client

ADDRESS = os.environ.get("SERVING_GRPC_ADDRESS", "127.0.0.1:5500")


def infer(method, instances):
    """The answers to the instances; ends the program if there is an error among them."""
    with Client(ADDRESS, "add_sub", method) as client:
        result = client.infer(instances)
    print(f"{method}:", result)
    for answer in [result] if isinstance(result, dict) else result:
        if "error" in answer:
            sys.exit(f"{method} failed: {answer['error']}")
    return result


def run_add_sub_only_model():
    """Two instances in one request."""
    ones = np.ones((2, 2), np.float32)
    instances = [{"x1": ones * i, "x2": ones * 2, "x3": ones * 3} for i in (1, 10)]
    for answer, x in zip(infer("add_sub_only_model", instances), instances, strict=True):
        np.testing.assert_allclose(answer["y"], x["x1"] + x["x2"] - x["x3"])


def run_add_sub_cast():
    """Integers, and the sum in between as an output of its own."""
    x = np.array([[1, 2], [3, 4]], np.int32)
    instances = [{"x1": x, "x2": x * i, "x3": x * 2} for i in range(3)]
    for answer, x in zip(infer("add_sub_cast", instances), instances, strict=True):
        np.testing.assert_allclose(answer["total"], x["x1"] + x["x2"])
        np.testing.assert_allclose(answer["y"], x["x1"] + x["x2"] - x["x3"])


if __name__ == "__main__":
    run_add_sub_only_model()
    run_add_sub_cast()
