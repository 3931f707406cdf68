"""The servable `add`: one model, and two methods that use it."""

import numpy as np

from mindspore_serving.server import register

# The model's shape (2, 2) is that of one instance: it has no batch dimension.
model = register.declare_model(model_file="tensor_add.mindir", model_format="MindIR", with_batch_dim=False)


def cast_to_float32(x1, x2):
    """One instance's inputs, of any number type, as the model takes them."""
    return x1.astype(np.float32), x2.astype(np.float32)


@register.register_method(output_names=["y"])
def add_common(x1, x2):  # only float32 inputs are accepted
    """x1 + x2 by the model alone."""
    y = register.add_stage(model, x1, x2, outputs_count=1)
    return y


@register.register_method(output_names=["y"])
def add_cast(x1, x2):
    """x1 + x2, cast to float32 before the model."""
    x1, x2 = register.add_stage(cast_to_float32, x1, x2, outputs_count=2)
    y = register.add_stage(model, x1, x2, outputs_count=1)
    return y
