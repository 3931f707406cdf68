"""The servable `resnet50`: a JPEG file in, the best class or the best five classes out."""

from pathlib import Path

import numpy as np

from mindspore_serving.server import register

from .image import to_input

CLASS_NAMES = (Path(__file__).parent / "class_names.txt").read_text().splitlines()

model = register.declare_model(model_file="resnet50.mindir", model_format="MindIR", with_batch_dim=True)


def top1(scores):
    """The name of the class with the highest score."""
    return CLASS_NAMES[np.argmax(scores)]


def top5(instances):
    """Of each instance the names of the best five classes, joined with ';', and their probabilities, float32 (5)."""
    scores = np.stack([scores for (scores,) in instances])
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = exp / exp.sum(axis=1, keepdims=True)
    for row in probabilities:
        best = np.argsort(-row)[:5]
        yield ";".join(CLASS_NAMES[index] for index in best), row[best]


@register.register_method(output_names=["label"])
def classify_top1(image):
    """The best class."""
    x = register.add_stage(to_input, image, outputs_count=1)
    scores = register.add_stage(model, x, outputs_count=1)
    label = register.add_stage(top1, scores, outputs_count=1)
    return label


@register.register_method(output_names=["labels", "probabilities"])
def classify_top5(image):
    """The best five classes and their probabilities, best first."""
    x = register.add_stage(to_input, image, outputs_count=1)
    scores = register.add_stage(model, x, outputs_count=1)
    labels, probabilities = register.add_stage(top5, scores, outputs_count=2, batch_size=16)
    return labels, probabilities
