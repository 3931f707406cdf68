"""Draws pictures that the model has not seen, sends them to the servable `resnet50` and prints what it takes them for.

SERVING_GRPC_ADDRESS chooses another server than 127.0.0.1:5500.
"""

import os
import sys

from pictures import CLASS_NAMES, draw_all

from mindspore_serving.client import Client

ADDRESS = os.environ.get("SERVING_GRPC_ADDRESS", "127.0.0.1:5500")


def infer(method, instances):
    """The answers to the instances; ends the program if there is an error among them."""
    with Client(ADDRESS, "resnet50", method) as client:
        result = client.infer(instances)
    for answer in [result] if isinstance(result, dict) else result:
        if "error" in answer:
            sys.exit(f"{method} failed: {answer['error']}")
    return result


def run():
    """One picture of each class, first for the best class and then, three of them, for the best five."""
    jpegs, numbers = draw_all(1, seed=7)
    names = [CLASS_NAMES[number] for number in numbers]
    answers = infer("classify_top1", [{"image": jpeg} for jpeg in jpegs])
    right = 0
    for name, answer in zip(names, answers, strict=True):
        right += answer["label"] == name
        print(f"{name}: taken for {answer['label']}")
    print(f"accuracy on {len(names)} new pictures: {right / len(names):.3f}")
    for name, answer in zip(names, infer("classify_top5", [{"image": jpeg} for jpeg in jpegs[:3]]), strict=False):
        best = zip(answer["labels"].split(";"), answer["probabilities"], strict=True)
        print(f"{name}: " + ", ".join(f"{label} {probability:.3f}" for label, probability in best))


if __name__ == "__main__":
    run()
