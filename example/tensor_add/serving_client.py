"""Calls both methods of the servable `add` over gRPC and prints what comes back.

SERVING_GRPC_ADDRESS chooses another server than 127.0.0.1:5500.
"""

import os
import sys

import numpy as np

from mindspore_serving.client import Client

ADDRESS = os.environ.get("SERVING_GRPC_ADDRESS", "127.0.0.1:5500")


def check(result, instances):
    """Ends the program if the server's answer is an error or not the sums."""
    if isinstance(result, dict):
        sys.exit(f"the request failed: {result['error']}")
    for answer, instance in zip(result, instances, strict=True):
        if "error" in answer:
            sys.exit(f"an instance failed: {answer['error']}")
        np.testing.assert_allclose(answer["y"], instance["x1"] + instance["x2"])


def run_add_common():
    """Two instances in one request."""
    instances = [
        {"x1": np.array([[1, 1], [1, 1]], np.float32), "x2": np.array([[2, 2], [2, 2]], np.float32)},
        {"x1": np.array([[1, 2], [3, 4]], np.float32), "x2": np.array([[4, 3], [2, 1]], np.float32)},
    ]
    with Client(ADDRESS, "add", "add_common") as client:
        result = client.infer(instances)
    print("add_common:", result)
    check(result, instances)


def run_add_cast():
    """The method casts the integers before its model."""
    instances = [{"x1": np.ones((2, 2), np.int32), "x2": np.full((2, 2), i, np.int32)} for i in range(3)]
    with Client(ADDRESS, "add", "add_cast") as client:
        result = client.infer(instances)
    print("add_cast:", result)
    check(result, instances)


if __name__ == "__main__":
    run_add_common()
    run_add_cast()
