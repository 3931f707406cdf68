"""A stage of pure Python that keeps the interpreter busy for as long as the request says."""

from mindspore_serving.server import register


def count_down(turns):
    left = int(turns)
    while left:
        left -= 1
    return turns


@register.register_method(output_names=["y"])
def predict(turns):
    return register.add_stage(count_down, turns, outputs_count=1)
