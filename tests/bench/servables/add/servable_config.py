"""The sum of two 2x2 tensors, by a MindIR model that MindSpore runs: the figure is that engine's."""

from mindspore_serving.server import register

context = register.Context()
context.append_device_info(register.CPUDeviceInfo(engine="mindspore"))
model = register.declare_model(
    model_file="tensor_add.mindir", model_format="MindIR", with_batch_dim=False, context=context
)


@register.register_method(output_names=["y"])
def predict(x1, x2):
    return register.add_stage(model, x1, x2, outputs_count=1)
