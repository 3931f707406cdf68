"""Batch functions: each way to return results, each `batch_size`; outputs `seen` tell how large a batch was."""

import os
import time
from pathlib import Path

from mindspore_serving.server import register


def sizes(instances):
    return [len(instances)] * len(instances)


def list_of_arrays(instances):
    return [x + 1 for (x,) in instances]


def list_of_lists(instances):
    return [[x + 1, x - 1] for (x,) in instances]


def yields_arrays(instances):
    for (x,) in instances:
        yield x + 1


def yields_tuples(instances):
    for (x,) in instances:
        yield x + 1, x - 1


def yields_too_many(instances):
    yield from (x for (x,) in instances)
    yield "surplus"


def ignores_the_second(instances):
    return tuple(instance[0] for instance in instances)


def after_gate(instances):
    """Waits for the file named by the first instance, as the servable `slow` does, then tells how many came."""
    (path,) = instances[0]
    if path:
        Path(f"{path}.entered.{os.getpid()}.{time.monotonic_ns()}").touch()
    while path and not os.path.exists(path):
        time.sleep(0.002)
    return [len(instances)] * len(instances)


@register.register_method(output_names=["seen"])
def up_to_four(x):
    return register.add_stage(sizes, x, outputs_count=1, batch_size=4)


@register.register_method(output_names=["seen"])
def up_to_sixteen(x):
    return register.add_stage(sizes, x, outputs_count=1, batch_size=16)


@register.register_method(output_names=["seen"])
def gate_of_sixteen(path):
    return register.add_stage(after_gate, path, outputs_count=1, batch_size=16)


@register.register_method(output_names=["y"])
def one_by_one(x):
    return register.add_stage(list_of_arrays, x, outputs_count=1, batch_size=1)


@register.register_method(output_names=["y"])
def server_chooses(x):
    return register.add_stage(list_of_arrays, x, outputs_count=1, batch_size=0)


@register.register_method(output_names=["y"])
def twice(x):
    y = register.add_stage(list_of_arrays, x, outputs_count=1, batch_size=2)
    return register.add_stage(list_of_arrays, y, outputs_count=1, batch_size=4)


@register.register_method(output_names=["more", "less"])
def lists(x):
    more, less = register.add_stage(list_of_lists, x, outputs_count=2, batch_size=4)
    return more, less


@register.register_method(output_names=["y"])
def generator(x):
    return register.add_stage(yields_arrays, x, outputs_count=1, batch_size=4)


@register.register_method(output_names=["more", "less"])
def generator_of_tuples(x):
    more, less = register.add_stage(yields_tuples, x, outputs_count=2, batch_size=4)
    return more, less


@register.register_method(output_names=["y"])
def surplus(x):
    return register.add_stage(yields_too_many, x, outputs_count=1, batch_size=4)


@register.register_method(output_names=["y"])
def extra_input(x, unused):
    return register.add_stage(ignores_the_second, x, unused, outputs_count=1, batch_size=4)
