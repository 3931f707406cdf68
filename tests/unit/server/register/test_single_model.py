"""The old interface for servables with one model: what it declares, and every order that it refuses."""

from __future__ import annotations

import functools
import re
import warnings

import pytest

from mindspore_serving.server import register
from mindspore_serving.server.register import (
    call_postprocess,
    call_postprocess_pipeline,
    call_preprocess,
    call_preprocess_pipeline,
    call_servable,
)
from mindspore_serving.server.register.declaration import declaring
from mindspore_serving.server.register.deprecated import warn_once
from mindspore_serving.server.register.signature import FunctionStage, ModelStage, Source

NAMES = {
    "AclOptions": "AscendDeviceInfo",
    "GpuOptions": "GPUDeviceInfo",
    "declare_servable": "declare_model",
    "call_preprocess": "add_stage",
    "call_preprocess_pipeline": "add_stage",
    "call_servable": "add_stage",
    "call_postprocess": "add_stage",
    "call_postprocess_pipeline": "add_stage",
}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def declaration():
    warn_once.cache_clear()
    with declaring("add", "/servables/add") as declaration:
        yield declaration


@pytest.fixture
def model():
    return register.declare_servable(servable_file="a.mindir", model_format="MindIR", with_batch_dim=False)


def one(x):
    return x


def two(x1, x2):
    return x1, x2


def batch(instances):
    yield from instances


def stages(declaration):
    return declaration.signature().methods[0].stages


def test_the_names_are_importable_but_not_advertised():
    for name in NAMES:
        assert hasattr(register, name)
        assert name not in register.__all__


def test_the_three_calls_are_stages(declaration, model):
    @register.register_method(output_names=["y"])
    def method(x1, x2):
        x1, x2 = register.call_preprocess(two, x1, x2)
        y = register.call_servable(x1, x2)
        z = register.call_postprocess(one, y)
        return z

    assert stages(declaration) == (
        FunctionStage(two, "add.two", (Source(0, 0), Source(0, 1)), 2, None, "Preprocess"),
        ModelStage("a.mindir", (Source(1, 0), Source(1, 1)), 1, "Model 'a.mindir'"),
        FunctionStage(one, "add.one", (Source(2, 0),), 1, None, "Postprocess"),
    )


def test_the_pipeline_forms_take_batches(declaration, model):
    @register.register_method(output_names=["y"])
    def method(x1, x2):
        x1, x2 = call_preprocess_pipeline(batch, x1, x2)
        y1, y2 = call_servable(x1, x2)
        z1, _ = call_postprocess_pipeline(batch, y1, y2)
        return z1

    first, second, third = stages(declaration)
    assert (first.tag, first.batch_size, first.outputs_count) == ("Preprocess", 0, 2)
    assert (second.outputs_count, second.model_key) == (2, "a.mindir")
    assert (third.tag, third.batch_size, third.outputs_count) == ("Postprocess", 0, 2)


def test_a_method_of_the_model_alone_without_source_text(declaration, model):
    code = "def method(x1, x2):\n    y = register.call_servable(x1, x2)\n    return y\n"
    names = {"register": register}
    exec(code, names)
    register.register_method("y")(names["method"])
    assert [stage.model_key for stage in stages(declaration)] == ["a.mindir"]


def outputs_of(declaration, assignment):
    """The number of outputs of a call that is written as `assignment`, and the method's outputs."""
    names = {"register": register, "call": call_servable}
    exec(f"def method(x):\n    {assignment}\n    return ()\n", names)
    register.register_method(())(names["method"])
    return stages(declaration)[0].outputs_count


@pytest.mark.parametrize(
    ("assignment", "count"),
    [
        ("y = call(x)", 1),
        ("global y; y = call(x)", 1),
        ("y = call(x); kept = lambda: y", 1),
        ("y: 'annotated' = call(x)", 1),
        ("y, = call(x)", 1),
        ("a, b = call(x)", 2),
        ("(a, b) = register.call_servable(*[x])", 2),
        ("[a, b, c] = call(*(x,), **{})", 3),
        (", ".join(f"a{i}" for i in range(300)) + " = call(x)", 300),
        ("a, b = (call(\n    x,\n    x,\n    ))", 2),
    ],
)
def test_outputs_are_counted_from_the_assignment(declaration, model, assignment, count):
    assert outputs_of(declaration, assignment) == count


def test_outputs_are_counted_after_the_code_ran_often(declaration, model):
    def method(x1, x2):
        a, b = register.call_servable(x1, x2)
        return a, b

    for number in range(50):  # the interpreter rewrites code that runs often
        method.__name__ = f"method{number}"
        register.register_method(["a", "b"])(method)
    assert {method.stages[0].outputs_count for method in declaration.signature().methods} == {2}


def test_a_decorated_method(declaration, model):
    def decorated(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args)

        return wrapper

    @register.register_method("y")
    @decorated
    def method(x):
        y = register.call_servable(x)
        return y

    assert declaration.signature().methods[0].inputs == ("x",)


COMPLEX = (
    "complex statements such as conditions and loops are not supported in register_method when the interface '{}' is "
    "used, use 'add_stage'"
)
TWICE_PRE = "call_preprocess or call_preprocess_pipeline should not be invoked more than once"
TWICE_POST = "call_postprocess or call_postprocess_pipeline should not be invoked more than once"
AFTER_POST = "call_postprocess or call_postprocess_pipeline should be invoked after "

WRONG_ORDERS = [
    ("call_preprocess call_preprocess call_servable", TWICE_PRE),
    ("call_preprocess call_preprocess_pipeline call_servable", TWICE_PRE),
    ("call_preprocess_pipeline call_preprocess call_servable", TWICE_PRE),
    ("call_preprocess_pipeline call_preprocess_pipeline call_servable", TWICE_PRE),
    ("call_preprocess call_servable call_preprocess", TWICE_PRE),
    ("call_servable call_preprocess", "call_servable should be invoked after call_preprocess"),
    ("call_servable call_preprocess_pipeline", "call_servable should be invoked after call_preprocess_pipeline"),
    ("call_servable call_postprocess call_preprocess", "call_servable should be invoked after call_preprocess"),
    ("call_postprocess call_preprocess call_servable", AFTER_POST + "call_preprocess"),
    ("call_postprocess call_preprocess_pipeline call_servable", AFTER_POST + "call_preprocess_pipeline"),
    ("call_postprocess_pipeline call_preprocess call_servable", AFTER_POST + "call_preprocess"),
    ("call_postprocess_pipeline call_preprocess_pipeline", AFTER_POST + "call_preprocess_pipeline"),
    ("call_postprocess call_servable", AFTER_POST + "call_servable"),
    ("call_postprocess_pipeline call_servable", AFTER_POST + "call_servable"),
    ("call_preprocess call_postprocess call_servable", AFTER_POST + "call_servable"),
    ("call_preprocess call_servable call_servable", "call_servable should not be invoked more than once"),
    ("call_servable call_postprocess call_servable", "call_servable should not be invoked more than once"),
    ("call_servable call_postprocess call_postprocess", TWICE_POST),
    ("call_servable call_postprocess call_postprocess_pipeline", TWICE_POST),
    ("call_servable call_postprocess_pipeline call_postprocess", TWICE_POST),
    ("call_servable call_postprocess_pipeline call_postprocess_pipeline", TWICE_POST),
    ("call_preprocess", "Not find the invoke of 'call_servable'"),
    ("call_preprocess_pipeline", "Not find the invoke of 'call_servable'"),
    ("call_postprocess", "Not find the invoke of 'call_servable'"),
    ("call_postprocess_pipeline", "Not find the invoke of 'call_servable'"),
    ("call_preprocess call_postprocess", "Not find the invoke of 'call_servable'"),
]


def call_text(name):
    function = {"call_servable": ""}.get(name, "batch, " if name.endswith("pipeline") else "one, ")
    return f"register.{name}({function}x)"


def refused(body, text):
    names = {"register": register, "one": one, "batch": batch}
    exec("def method(x):\n    " + "\n    ".join(body.splitlines()) + "\n    return x\n", names)
    with pytest.raises(RuntimeError, match=re.escape(text)):
        register.register_method("y")(names["method"])


@pytest.mark.parametrize(("calls", "text"), WRONG_ORDERS, ids=[calls for calls, _ in WRONG_ORDERS])
def test_wrong_orders(model, calls, text):
    refused("\n".join(f"x = {call_text(name)}" for name in calls.split()), text)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("for _ in range(1):\n    x = register.call_servable(x)", "call_servable"),
        ("while x:\n    x = register.call_servable(x)\n    break", "call_servable"),
        ("if x:\n    x = register.call_preprocess(one, x)\nx = register.call_servable(x)", ("pre", "servable")),
        ("try:\n    x = register.call_servable(x)\nfinally:\n    x = x", "call_servable"),
        ("x = register.call_servable(x) if x else x", "call_servable"),
        ("x = register.add_stage(one, x, outputs_count=1)\nx = register.call_servable(x)", "call_servable"),
        ("x = register.call_servable(x)\nx = register.add_stage(one, x, outputs_count=1)", "call_servable"),
        (
            "x = register.call_servable(x)\nx = register.add_stage(one, x, outputs_count=1)\n"
            "x = register.call_postprocess(one, x)",
            "call_servable, call_postprocess",
        ),
        ("return register.call_servable(x)", "call_servable"),
        ("register.call_servable(x)", "call_servable"),
        ("x = [register.call_servable(x)]", "call_servable"),
        ("x = register.call_servable(register.call_preprocess(one, x))", "call_preprocess"),
        ("a, *x = register.call_servable(x)", "call_servable"),
        ("def inner():\n    y = register.call_servable(x)\n    return y\nx = inner()", "call_servable"),
    ],
)
def test_calls_stand_alone_and_are_not_mixed(model, body, names):
    if isinstance(names, tuple):
        names = "call_preprocess, call_servable"
    refused(body, COMPLEX.format(names))


def test_methods_of_both_kinds_in_one_servable(declaration, model):
    @register.register_method("y")
    def old(x):
        y = register.call_servable(x)
        return y

    @register.register_method("y")
    def new(x):
        for _ in range(2):
            x = register.add_stage(model, x, outputs_count=1)
        return x

    assert [len(method.stages) for method in declaration.signature().methods] == [1, 2]


def test_exactly_one_model():
    refused("y = register.call_servable(x)", "There is no model declared")
    register.declare_model("a.mindir", "MindIR")
    register.declare_model("b.mindir", "MindIR")
    refused("y = register.call_servable(x)", "There are more than one servable declared")


def test_arguments_are_placeholders(model):
    refused("y = register.call_servable(3)", "Each value of parameter *args is a placeholder for data and")
    refused("y = register.call_preprocess(one, 3)", "Each value of parameter *args is a placeholder for data and")
    refused("y = register.call_preprocess(3, x)", "the parameter 'stage' of add_stage must be function or Model")


@pytest.mark.parametrize(
    "call",
    [
        lambda: call_preprocess(one),
        lambda: call_preprocess_pipeline(one),
        lambda: call_servable(),
        lambda: call_postprocess(one),
        lambda: call_postprocess_pipeline(one),
    ],
)
def test_only_while_a_method_is_registered(call):
    with pytest.raises(RuntimeError, match="can only be called inside a function decorated with 'register_method'"):
        call()


def test_each_name_warns_once(model, monkeypatch):
    warn_once.cache_clear()
    logged = []
    monkeypatch.setattr("mindspore_serving.log.warning", logged.append)

    def method(x):
        x = register.call_preprocess(one, x)
        x = register.call_servable(x)
        x = register.call_postprocess(one, x)
        return x

    def pipeline(x):
        x = register.call_preprocess_pipeline(batch, x)
        x = register.call_servable(x)
        x = register.call_postprocess_pipeline(batch, x)
        return x

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(2):
            register.declare_servable(f"{number}.mindir", "MindIR")
            register.AclOptions()
            register.GpuOptions()
        with declaring("other", "/servables/other"):
            register.declare_servable("a.mindir", "MindIR")
            register.register_method("y")(method)
            register.register_method("y")(pipeline)
    texts = [str(warning.message) for warning in caught]
    assert logged == texts
    assert len(texts) == len(NAMES)
    for name, new in NAMES.items():
        assert any(f"'{name}' is deprecated, use '" in text and new in text for text in texts), name
    assert {warning.category for warning in caught} == {DeprecationWarning}
    assert {warning.filename for warning in caught} == {__file__}
