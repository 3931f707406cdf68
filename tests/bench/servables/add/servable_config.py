"""The sum of two 2x2 tensors, by a MindIR model."""

from mindspore_serving.server import register

model = register.declare_model(model_file="tensor_add.mindir", model_format="MindIR", with_batch_dim=False)


@register.register_method(output_names=["y"])
def predict(x1, x2):
    return register.add_stage(model, x1, x2, outputs_count=1)
