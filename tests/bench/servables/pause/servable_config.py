"""A batch function that takes 5 ms however many instances it gets, up to 16."""

import time

from mindspore_serving.server import register


def pause(instances):
    time.sleep(0.005)
    return [(x,) for (x,) in instances]


@register.register_method(output_names=["y"])
def predict(x):
    return register.add_stage(pause, x, outputs_count=1, batch_size=16)
