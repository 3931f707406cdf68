"""Sends twenty requests at once from one thread, and prints what comes back first and last.

SERVING_GRPC_ADDRESS chooses another server than 127.0.0.1:5500.
"""

import asyncio
import os
import sys

import numpy as np

from mindspore_serving.client import aio

ADDRESS = os.environ.get("SERVING_GRPC_ADDRESS", "127.0.0.1:5500")


async def run():
    instances = [{"x1": np.full((2, 2), i, np.float32), "x2": np.ones((2, 2), np.float32)} for i in range(20)]
    async with aio.Client(ADDRESS, "add", "add_common", timeout_s=60) as client:
        results = await asyncio.gather(*(client.infer(instance) for instance in instances))
    for result, instance in zip(results, instances, strict=True):
        if isinstance(result, dict):
            sys.exit(f"the request failed: {result['error']}")
        np.testing.assert_allclose(result[0]["y"], instance["x1"] + instance["x2"])
    print("first:", results[0])
    print("last:", results[-1])


if __name__ == "__main__":
    asyncio.run(run())
