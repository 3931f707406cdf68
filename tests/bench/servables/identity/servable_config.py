"""A Python stage that does nothing: what a request costs apart from its work."""

from mindspore_serving.server import register


def identity(x):
    return x


@register.register_method(output_names=["y"])
def predict(x):
    return register.add_stage(identity, x, outputs_count=1)
