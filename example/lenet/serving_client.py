"""Sends the digits that were held out from the training to the servable `lenet` and prints how many it recognised.

SERVING_GRPC_ADDRESS chooses another server than 127.0.0.1:5500.
"""

import os
import sys

import numpy as np
from digits import png_digits

from mindspore_serving.client import Client

ADDRESS = os.environ.get("SERVING_GRPC_ADDRESS", "127.0.0.1:5500")


def infer(method, instances):
    """The answers to the instances; ends the program if there is an error among them."""
    with Client(ADDRESS, "lenet", method) as client:
        result = client.infer(instances)
    for answer in [result] if isinstance(result, dict) else result:
        if "error" in answer:
            sys.exit(f"{method} failed: {answer['error']}")
    return result


def run():
    """All held-out digits in one request, and one of them with its probabilities."""
    pngs, labels = png_digits(held_out=True)
    answers = infer("predict", [{"image": png} for png in pngs])
    right = sum(int(answer["label"]) == label for answer, label in zip(answers, labels, strict=True))
    (one,) = infer("predict_with_probabilities", [{"image": pngs[3]}])
    listed = " ".join(f"{value:.3f}" for value in np.asarray(one["probabilities"]))
    print(f"a {labels[3]} was taken for a {one['label']}; the probabilities of 0 to 9: {listed}")
    print(f"accuracy on {len(pngs)} held-out digits: {right / len(pngs):.3f}")


if __name__ == "__main__":
    run()
