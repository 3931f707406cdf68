"""Each way a user's function can go wrong. Instances with x >= 0 are good where a method looks at x."""

import sys

import numpy as np

from mindspore_serving.server import register


def raises_if_negative(x):
    if x < 0:
        raise ValueError(f"negative value {int(x)}")
    return x


def always_raises(_):
    raise RuntimeError("always the same")


def exits(x):
    if x < 0:
        sys.exit("the stage wants to end")
    return x


def batch_raises_before(instances):
    if any(x < 0 for (x,) in instances):
        raise ValueError("a negative one among them")
    return [x for (x,) in instances]


def generator_raises(instances):
    for (x,) in instances:
        if x < 0:
            raise ValueError(f"negative value {int(x)}")
        yield x


def generator_too_short(instances):
    for (x,) in instances[:-1]:
        yield x


def list_too_short(instances):
    return [x for (x,) in instances[:-1]]


def not_iterable(instances):
    return None


def too_few_outputs(x):
    return (x,) if x < 0 else (x, x)


def too_many_outputs(x):
    return (x, x, x) if x < 0 else (x, x)


BAD_VALUES = {
    -1: None,
    -2: {"a": 1},
    -3: np.dtype("float32"),
    -4: np.array([object()]),
    -5: np.array(["a", "b"]),
    -6: np.array([1j]),
    -7: 2**80,
    -8: "lone surrogate \ud800",
    -9: np.array([1.5], dtype=">f4"),
    -10: np.array([1], dtype="datetime64[s]"),
}


def bad_value(x):
    """A value that cannot be sent, chosen by x."""
    return BAD_VALUES.get(int(x), x)


def long_text(x):
    raise ValueError("é" * 5000)


def missing_key(x):
    return {}["no such key"]


KEPT = []


def keep_bytes(x):
    """Keeps every array of unsigned bytes for ever."""
    if x.dtype == np.uint8:
        KEPT.append(x)
    return x.size


@register.register_method(output_names=["y"])
def raises(x):
    return register.add_stage(raises_if_negative, x, outputs_count=1)


@register.register_method(output_names=["y"])
def raises_tagged(x):
    return register.add_stage(always_raises, x, outputs_count=1, tag="Preprocess")


@register.register_method(output_names=["y"])
def raises_in_second_stage(x):
    return register.add_stage(always_raises, register.add_stage(bad_value, x, outputs_count=1), outputs_count=1)


@register.register_method(output_names=["y"])
def stage_exits(x):
    return register.add_stage(exits, x, outputs_count=1)


@register.register_method(output_names=["y"])
def batch_raises(x):
    return register.add_stage(batch_raises_before, x, outputs_count=1, batch_size=4)


@register.register_method(output_names=["y"])
def batch_generator_raises(x):
    return register.add_stage(generator_raises, x, outputs_count=1, batch_size=4)


@register.register_method(output_names=["y"])
def short_generator(x):
    return register.add_stage(generator_too_short, x, outputs_count=1, batch_size=1, tag="Postprocess")


@register.register_method(output_names=["y"])
def short_list(x):
    return register.add_stage(list_too_short, x, outputs_count=1, batch_size=1)


@register.register_method(output_names=["y"])
def batch_returns_none(x):
    return register.add_stage(not_iterable, x, outputs_count=1, batch_size=4)


@register.register_method(output_names=["a", "b"])
def few_outputs(x):
    a, b = register.add_stage(too_few_outputs, x, outputs_count=2)
    return a, b


@register.register_method(output_names=["a", "b"])
def many_outputs(x):
    a, b = register.add_stage(too_many_outputs, x, outputs_count=2)
    return a, b


@register.register_method(output_names=["y"])
def bad_output(x):
    return register.add_stage(bad_value, x, outputs_count=1)


@register.register_method(output_names=["y"])
def raises_long_text(x):
    return register.add_stage(long_text, x, outputs_count=1)


@register.register_method(output_names=["y"])
def raises_key_error(x):
    return register.add_stage(missing_key, x, outputs_count=1)


@register.register_method(output_names=["y"])
def keeps(x):
    return register.add_stage(keep_bytes, x, outputs_count=1)
