"""Sends beginnings of lines to the servable `poet` over gRPC and prints what it makes of them.

SERVING_GRPC_ADDRESS chooses another server than 127.0.0.1:5500. Words of your own may follow the program's name.
"""

import os
import sys

from mindspore_serving.client import Client

ADDRESS = os.environ.get("SERVING_GRPC_ADDRESS", "127.0.0.1:5500")
BEGINNINGS = ["the river", "a heron", "my grandmother buys", "the wind", "we", "two letters from"]


def infer(method, instances):
    """The answers to the instances; ends the program if there is an error among them."""
    with Client(ADDRESS, "poet", method) as client:
        result = client.infer(instances)
    for answer in [result] if isinstance(result, dict) else result:
        if "error" in answer:
            sys.exit(f"{method} failed: {answer['error']}")
    return result


def run(beginnings):
    """One at a time, then all at once: the lines are the same."""
    lines = [infer("predict", [{"input_sentence": beginning}])[0]["output_sentence"] for beginning in beginnings]
    together = infer("predict_batch", [{"input_sentence": beginning} for beginning in beginnings])
    for beginning, line, other in zip(beginnings, lines, together, strict=True):
        print(f"{beginning} ... -> {line}")
        if other["output_sentence"] != line:
            sys.exit(f"predict_batch wrote something else: {other['output_sentence']}")


if __name__ == "__main__":
    run([" ".join(sys.argv[1:])] if len(sys.argv) > 1 else BEGINNINGS)
