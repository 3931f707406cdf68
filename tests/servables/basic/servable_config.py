"""Values in and out: what a stage receives, what it may return, several methods, inputs that pass through."""

import os

import numpy as np

from mindspore_serving.server import register


def identity(x):
    return x


def describe(x):
    """What the stage was given, in words."""
    if isinstance(x, str):
        return f"str {x!r}"
    return f"{type(x).__name__} {x.dtype} {x.shape} {'writable' if x.flags.writeable else 'read-only'}"


def add(a, b):
    return a + b


def join_bytes(a, b):
    return bytes(a) + bytes(b)


def swap(a, b):
    return b, a


def overwrite_first(x):
    x[0] = 123
    return np.float32(0)


def total(x, _):
    return np.sum(x)


def python_values(_):
    return "text", b"\x00\xff", True, 7, 1.5, np.float32(2.5), [[1, 2], [3, 4]], np.bool_(False)


def transposed(x):
    return x.T


def every_second(x):
    return x[:, ::2]


def tail_of(x):
    return x[1:]


@register.register_method(output_names=["y"])
def echo(x):
    return register.add_stage(identity, x, outputs_count=1)


@register.register_method(output_names="y")
def echo_twice(x):
    return register.add_stage(identity, register.add_stage(identity, x, outputs_count=1), outputs_count=1)


@register.register_method(output_names=["y"])
def pass_through(x):
    return x


@register.register_method(output_names=["text"])
def describe_input(x):
    return register.add_stage(describe, x, outputs_count=1)


@register.register_method(output_names=["y"])
def add_two(a, b):
    return register.add_stage(add, a, b, outputs_count=1)


@register.register_method(output_names=["y"])
def add_with_default(a, b=1):
    return register.add_stage(add, a, b, outputs_count=1)


@register.register_method(output_names=["y"])
def add_bytes(a, b):
    return register.add_stage(join_bytes, a, b, outputs_count=1)


@register.register_method(output_names=["first", "second"])
def swapped(a, b):
    first, second = register.add_stage(swap, a, b, outputs_count=2)
    return first, second


@register.register_method(output_names=["total", "x"])
def change_in_place(x):
    done = register.add_stage(overwrite_first, x, outputs_count=1)
    return register.add_stage(total, x, done, outputs_count=1), x


@register.register_method(output_names=["str", "bytes", "bool", "int", "float", "float32", "list", "numpy_bool"])
def all_python_values(x):
    return register.add_stage(python_values, x, outputs_count=8)


@register.register_method(output_names=["y"])
def transpose(x):
    return register.add_stage(transposed, x, outputs_count=1)


@register.register_method(output_names=["y"])
def slice_columns(x):
    return register.add_stage(every_second, x, outputs_count=1)


@register.register_method(output_names=["y"])
def tail(x):
    return register.add_stage(tail_of, x, outputs_count=1)


@register.register_method(output_names=[])
def nothing(x):
    register.add_stage(identity, x, outputs_count=1)
    return ()


@register.register_method(output_names=["first", "again"])
def same_twice(x):
    return x, x


@register.register_method(output_names=["device"])
def device(x):
    return register.add_stage(lambda _: os.environ.get("SERVING_DEVICE_ID", "none"), x, outputs_count=1)


@register.register_method(output_names=["pid"])
def worker_pid(x):
    return register.add_stage(lambda _: os.getpid(), x, outputs_count=1)
