"""MindIR models: with, without and with a dynamic batch dimension, several inputs and outputs, between functions."""

import numpy as np

from mindspore_serving.server import register

add_rows = register.declare_model(model_file="tensor_add.mindir", model_format="MindIR", with_batch_dim=True)
add_whole = register.declare_model(model_file="tensor_add_int32.mindir", model_format="mindir", with_batch_dim=False)
add_dynamic = register.declare_model(model_file="add_dynamic.mindir", model_format="MindIR")
add_sub = register.declare_model(model_file="add_sub.mindir", model_format="MindIR", with_batch_dim=False)
scale = register.declare_model(model_file="scale.mindir", model_format="MindIR")
row_sum = register.declare_model(model_file="row_sum.mindir", model_format="MindIR")
add_table = register.declare_model(model_file="add_table.mindir", model_format="MindIR", without_batch_dim_inputs=1)


def to_float32(x1, x2):
    return x1.astype(np.float32), x2.astype(np.float32)


def negative(y):
    return -y


def strided_view(x):
    """A slice that is not contiguous."""
    return np.stack([x, x + 100], axis=-1)[..., 0]


def call_single(x1, x2):
    return add_rows.call(x1, x2)


def call_batch(instances):
    return [result[0] for result in add_rows.call([[x1, x2] for x1, x2 in instances])]


def call_two(x1, x2):
    added, subtracted = add_sub.call(x1, x2)
    return added, subtracted


def call_wrongly(x1, how):
    """Each error of Model.call, chosen by `how`."""
    calls = {
        0: lambda: add_rows.call(),
        1: lambda: add_rows.call([]),
        2: lambda: add_rows.call([1, 2]),
        3: lambda: add_rows.call([[x1, x1], [x1]]),
        4: lambda: add_rows.call(x1, x1, subgraph=1),
        5: lambda: add_rows.call(np.zeros(3, np.float32), x1),
        6: lambda: add_rows.call(x1.astype(np.int32), x1),
    }
    return calls[int(how)]()


@register.register_method(output_names=["y"])
def rows(x1, x2):
    return register.add_stage(add_rows, x1, x2, outputs_count=1)


@register.register_method(output_names=["y"])
def whole(x1, x2):
    return register.add_stage(add_whole, x1, x2, outputs_count=1)


@register.register_method(output_names=["y"])
def dynamic(x1, x2):
    return register.add_stage(add_dynamic, x1, x2, outputs_count=1)


@register.register_method(output_names=["added", "subtracted"])
def two_outputs(x1, x2):
    added, subtracted = register.add_stage(add_sub, x1, x2, outputs_count=2)
    return added, subtracted


@register.register_method(output_names=["y"])
def scaled(x):
    return register.add_stage(scale, x, outputs_count=1)


@register.register_method(output_names=["y"])
def summed(x):
    return register.add_stage(row_sum, x, outputs_count=1)


@register.register_method(output_names=["y"])
def with_table(x, table):
    return register.add_stage(add_table, x, table, outputs_count=1)


@register.register_method(output_names=["y"])
def cast_first(x1, x2):
    x1, x2 = register.add_stage(to_float32, x1, x2, outputs_count=2)
    y = register.add_stage(add_rows, x1, x2, outputs_count=1)
    return register.add_stage(negative, y, outputs_count=1)


@register.register_method(output_names=["y"])
def models_in_a_row(x1, x2):
    y = register.add_stage(add_rows, x1, x2, outputs_count=1)
    y = register.add_stage(add_dynamic, y, x2, outputs_count=1)
    return register.add_stage(add_rows, y, y, outputs_count=1)


@register.register_method(output_names=["y"])
def from_a_slice(x1, x2):
    x1 = register.add_stage(strided_view, x1, outputs_count=1)
    return register.add_stage(add_rows, x1, x2, outputs_count=1)


@register.register_method(output_names=["y"])
def called(x1, x2):
    return register.add_stage(call_single, x1, x2, outputs_count=1)


@register.register_method(output_names=["y"])
def called_in_batches(x1, x2):
    return register.add_stage(call_batch, x1, x2, outputs_count=1, batch_size=8)


@register.register_method(output_names=["added", "subtracted"])
def called_for_two(x1, x2):
    added, subtracted = register.add_stage(call_two, x1, x2, outputs_count=2)
    return added, subtracted


@register.register_method(output_names=["y"])
def called_wrongly(x1, how):
    return register.add_stage(call_wrongly, x1, how, outputs_count=1)
