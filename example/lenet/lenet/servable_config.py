"""The servable `lenet`: a PNG (or JPEG, ...) file in, the digit in it out."""

import numpy as np

from mindspore_serving.server import register

from .image import to_input

# Exported with an open batch dimension: up to 32 waiting instances become one batch.
model = register.declare_model(model_file="lenet.mindir", model_format="MindIR", with_batch_dim=True)


def probabilities(scores):
    """The softmax of one instance's scores."""
    exp = np.exp(scores - scores.max())
    return exp / exp.sum()


@register.register_method(output_names=["label"])
def predict(image):
    """The digit, int64."""
    x = register.add_stage(to_input, image, outputs_count=1)
    scores = register.add_stage(model, x, outputs_count=1)
    label = register.add_stage("argmax_cpp", scores, outputs_count=1)  # a stage in C++, inside the server
    return label


@register.register_method(output_names=["label", "probabilities"])
def predict_with_probabilities(image):
    """The digit, and the probabilities of all ten, float32 (10)."""
    x = register.add_stage(to_input, image, outputs_count=1)
    scores = register.add_stage(model, x, outputs_count=1)
    label = register.add_stage("argmax_cpp", scores, outputs_count=1)
    values = register.add_stage(probabilities, scores, outputs_count=1)
    return label, values
