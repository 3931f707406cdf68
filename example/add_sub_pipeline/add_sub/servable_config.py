"""The servable `add_sub`: two models, one after the other."""

import numpy as np

from mindspore_serving.server import register

# The models' shape (2, 2) is that of one instance: they have no batch dimension.
add_model = register.declare_model(model_file="tensor_add.mindir", model_format="MindIR", with_batch_dim=False)
sub_model = register.declare_model(model_file="tensor_sub.mindir", model_format="MindIR", with_batch_dim=False)


def cast_to_float32(x1, x2, x3):
    """One instance's inputs, of any number type, as the models take them."""
    return x1.astype(np.float32), x2.astype(np.float32), x3.astype(np.float32)


@register.register_method(output_names=["y"])
def add_sub_only_model(x1, x2, x3):
    """x1 + x2 - x3 by the models alone; only float32 inputs are accepted."""
    y = register.add_stage(add_model, x1, x2, outputs_count=1)
    y = register.add_stage(sub_model, y, x3, outputs_count=1)
    return y


@register.register_method(output_names=["total", "y"])
def add_sub_cast(x1, x2, x3):
    """x1 + x2 and x1 + x2 - x3, cast to float32 before the models: what a stage gives may be used more than once."""
    x1, x2, x3 = register.add_stage(cast_to_float32, x1, x2, x3, outputs_count=3)
    total = register.add_stage(add_model, x1, x2, outputs_count=1)
    y = register.add_stage(sub_model, total, x3, outputs_count=1)
    return total, y
