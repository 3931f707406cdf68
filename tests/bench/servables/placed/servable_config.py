"""A model behind a function that says in which kind of worker it runs, and holds that worker if asked to."""

import os
import time

from mindspore_serving.server import register

model = register.declare_model(model_file="tensor_add.mindir", model_format="MindIR", with_batch_dim=False)
PLACE = "device" if "SERVING_DEVICE_ID" in os.environ else "an extra one"


def say_place(hold):
    """The place. With the path of a FIFO: tells it the place first, and waits for a byte from `<path>.release`."""
    if hold:
        with open(hold, "w") as fifo:
            fifo.write(PLACE)
        with open(f"{hold}.release") as fifo:
            fifo.read(1)
    return PLACE


def call_often(x1, x2, calls):
    """The mean time of a `Model.call`, in seconds; 0 for no calls."""
    started = time.perf_counter()
    for _ in range(calls):
        model.call(x1, x2)
    return (time.perf_counter() - started) / max(calls, 1)


def before_the_model(x1, x2, hold, calls):
    return x1, x2, say_place(hold), call_often(x1, x2, int(calls))


@register.register_method(output_names=["y", "place", "call_s"])
def predict(x1, x2, hold, calls):
    """`hold` and `calls` are left empty where the model stage itself is measured."""
    x1, x2, place, call_s = register.add_stage(before_the_model, x1, x2, hold, calls, outputs_count=4)
    y = register.add_stage(model, x1, x2, outputs_count=1)
    return y, place, call_s
