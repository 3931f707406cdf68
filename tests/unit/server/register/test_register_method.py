"""`register_method` and `add_stage`."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from mindspore_serving.server import register
from mindspore_serving.server.register.declaration import declaring
from mindspore_serving.server.register.model import Model
from mindspore_serving.server.register.signature import BuiltinStage, FunctionStage, ModelStage, Source


@pytest.fixture(autouse=True)
def declaration():
    with declaring("add", "/servables/add") as declaration:
        yield declaration


def two(x1, x2):
    return x1


def three(x1, x2, x3):
    return x1


def batch(instances):
    return instances


def only_method(declaration):
    return declaration.signature().methods[0]


def test_stages_and_sources(declaration):
    model = register.declare_model("a.mindir", "MindIR")

    @register.register_method(output_names=["y", "x2"])
    def both(x1, x2, x3=None):
        a, b = register.add_stage(batch, x1, x2, outputs_count=2, batch_size=4)
        c = register.add_stage(model, a, x3, outputs_count=1, tag="Predict")
        register.add_stage("argmax_cpp", b, outputs_count=1)
        return c, x2

    method = only_method(declaration)
    assert (method.name, method.inputs, method.outputs) == ("both", ("x1", "x2", "x3"), ("y", "x2"))
    assert method.returns == (Source(2, 0), Source(0, 1))
    assert method.stages == (
        FunctionStage(batch, "add.batch", (Source(0, 0), Source(0, 1)), 2, 4, "Function 'add.batch'"),
        ModelStage("a.mindir", (Source(1, 0), Source(0, 2)), 1, "Predict"),
        BuiltinStage("argmax_cpp", (Source(1, 1),), 1, "Function 'argmax_cpp'"),
    )
    assert both.__name__ == "both"


def test_a_stage_of_another_subgraph(declaration):
    model = register.declare_model(["a.mindir", "b.mindir"], "MindIR")

    @register.register_method(output_names=["y", "z"])
    def both(x):
        a = register.add_stage(model, x, outputs_count=1, subgraph=0)
        b, c = register.add_stage(model, a, x, outputs_count=2, subgraph=1)  # counts of its own
        d, _ = register.add_stage(model, b, c, outputs_count=2, subgraph=1, tag="Step")
        return c, d

    key = "a.mindir;b.mindir"
    assert only_method(declaration).stages == (
        ModelStage(key, (Source(0, 0),), 1, f"Model '{key}'"),
        ModelStage(key, (Source(1, 0), Source(0, 0)), 2, f"Model '{key}', subgraph 1", 1),
        ModelStage(key, (Source(2, 0), Source(2, 1)), 2, "Step", 1),
    )


@pytest.mark.parametrize(
    ("model", "subgraph", "text"),
    [
        (True, 1, "The model does not have subgraph of index 1, the subgraph count of the model is 1"),
        (True, -1, "Parameter 'subgraph' should be >= 0"),
        (True, "1", "Parameter 'subgraph' should be int"),
        (False, 1, "Parameter 'subgraph' is for models, but actually the stage is add.batch"),
    ],
)
def test_subgraphs_that_are_not_there(model, subgraph, text):
    stage = register.declare_model("a.mindir", "MindIR") if model else batch

    with pytest.raises(RuntimeError, match=re.escape(text)):
        register.register_method("y")(lambda x: register.add_stage(stage, x, outputs_count=1, subgraph=subgraph))


def test_a_method_without_stages_returns_its_inputs(declaration):
    register.register_method(("a", "b"))(lambda x1, x2, /: [x2, x2])
    assert only_method(declaration).returns == (Source(0, 1), Source(0, 1))


def test_a_method_may_have_no_outputs(declaration):
    register.register_method(())(lambda x: ())
    assert only_method(declaration).outputs == ()


def test_functions_are_told_apart_by_the_object(declaration):
    @register.register_method("y")
    def method(x):
        y = register.add_stage(lambda a: a, x, outputs_count=1)
        return register.add_stage(lambda a, b: a, x, y, outputs_count=1)

    first, second = only_method(declaration).stages
    assert first.name == second.name
    assert first.function is not second.function


def test_a_function_can_be_named_after_its_first_use(declaration):
    @register.register_method("y")
    def method(x1, x2):
        y = register.add_stage(two, x1, x2, outputs_count=1)
        return register.add_stage("add.two", x1, y, outputs_count=1)

    assert only_method(declaration).stages[1].function is two


def test_one_placeholder_or_a_tuple():
    @register.register_method("y")
    def method(x):
        with pytest.raises(TypeError, match="cannot unpack non-iterable _TensorDef object"):
            _, _ = register.add_stage(lambda a: a, x, outputs_count=1)
        with pytest.raises(ValueError, match=r"too many values to unpack \(expected 2\)"):
            _, _ = register.add_stage(lambda a: a, x, outputs_count=3)
        return x


BAD_STAGES = [
    (
        lambda x: register.add_stage(two, x, 3, outputs_count=1),
        "Each value of parameter *args is a placeholder for data and",
    ),
    (
        lambda x: register.add_stage(register.declare_model("m", "MindIR"), x, 3, outputs_count=1),
        "Each value of parameter *args is a placeholder for data and",
    ),
    (lambda x: register.add_stage(two, x, x, outputs_count=0), "Parameter 'outputs_count' should be >= 1"),
    (lambda x: register.add_stage(two, x, x, outputs_count=True), "Parameter 'outputs_count' should be int"),
    (lambda x: register.add_stage(two, x, x, outputs_count=1, batch_size=-1), "Parameter 'batch_size' should be >= 0"),
    (lambda x: register.add_stage(two, x, x, outputs_count=1, tag=""), "Parameter 'tag' should not be empty str"),
    (
        lambda x: register.add_stage(two, x, outputs_count=1),
        "function two input args count 2 not match the count 1 registered in method",
    ),
    (
        lambda x: register.add_stage(three, x, x, outputs_count=1),
        "function three input args count 3 not match the count 2 registered in method",
    ),
    (
        lambda x: register.add_stage(Model("x"), x, outputs_count=1),
        "the parameter 'stage' of add_stage must be function or Model returned by declare_model",
    ),
    (lambda x: register.add_stage(print, x, outputs_count=1), "now is <class 'builtin_function_or_method'>"),
    (lambda x: register.add_stage(int, x, outputs_count=1), "now is <class 'type'>"),
    (lambda x: register.add_stage("nothing", x, outputs_count=1), "Function 'nothing' is not defined"),
    (lambda x: register.add_stage("argmax_cpp", x, x, outputs_count=1), "Function 'argmax_cpp' inputs count 2"),
    (lambda x: 3, "object is not iterable"),
    (lambda x: None, "object is not iterable"),
    (lambda x: (x, x), "Method return output size 2 not match registered 1"),
    (lambda x: (3,), "Each value returned is a placeholder for data and must come from the method"),
    (lambda *x: x, "'<lambda>' input x cannot be VAR_POSITIONAL !"),
    (lambda **x: x, "'<lambda>' input x cannot be VAR_KEYWORD !"),
    (lambda *, x: x, "'<lambda>' input x cannot be KEYWORD_ONLY !"),
]


@pytest.mark.parametrize(("method", "text"), BAD_STAGES)
def test_wrong_methods(method, text):
    with pytest.raises((RuntimeError, TypeError), match=re.escape(text)):
        register.register_method("y")(method)


def test_a_placeholder_of_another_method_is_refused():
    kept = []

    @register.register_method("y")
    def first(x):
        kept.append(x)
        return x

    with pytest.raises(RuntimeError, match="Each value returned is a placeholder for data"):
        register.register_method("y")(lambda other: kept[0])


@pytest.mark.parametrize(
    ("count", "outputs", "batch_size", "text"),
    [
        (3, 1, 0, "'add.two' inputs count 3 not match last registered count 2"),
        (2, 2, 0, "'add.two' outputs count 2 not match last registered count 1"),
        (2, 1, None, "parameter 'batch_size' in multiple 'add_stage' should be enabled or disabled consistently"),
    ],
)
def test_uses_of_one_function_agree(count, outputs, batch_size, text):
    register.register_method("y")(lambda x: register.add_stage(two, x, x, outputs_count=1, batch_size=2))
    with pytest.raises(RuntimeError, match=re.escape(text)):

        @register.register_method("y")
        def again(x):
            return register.add_stage(two, *[x] * count, outputs_count=outputs, batch_size=batch_size)


@pytest.mark.parametrize("with_batch_dim", [True, False])
@pytest.mark.parametrize(
    ("inputs", "outputs", "what"),
    [
        (1, 2, "inputs count 1 not match old count 2"),
        (3, 2, "inputs count 3 not match old count 2"),
        (2, 1, "outputs count 1 not match old count 2"),
        (2, 3, "outputs count 3 not match old count 2"),
    ],
)
def test_uses_of_one_model_agree(inputs, outputs, what, with_batch_dim):
    model = register.declare_model("a.mindir", "MindIR", with_batch_dim=with_batch_dim)

    @register.register_method(["y", "z"])
    def first(x):
        return register.add_stage(model, x, x, outputs_count=2)

    with pytest.raises(RuntimeError, match=f"RegisterInputOutputInfo failed, {what}"):

        @register.register_method("y")
        def second(x):
            register.add_stage(model, *[x] * inputs, outputs_count=outputs)
            return x


def test_names_are_taken_once():
    def add_cast(x):
        return x

    register.register_method("y")(add_cast)
    with pytest.raises(RuntimeError, match=r"Method add_cast has been registered more than once\."):
        register.register_method("y")(add_cast)


def test_there_must_be_a_method(declaration):
    with pytest.raises(RuntimeError, match="There is no method registered for servable"):
        declaration.signature()


def test_add_stage_needs_a_method():
    with pytest.raises(RuntimeError, match="can only be called inside a function decorated with 'register_method'"):
        register.add_stage(two, outputs_count=1)


def test_register_imports_nothing_heavy():
    heavy = ("numpy", "mindspore", "mindspore_serving.server._worker", "mindspore_serving.server._master", "asyncio")
    script = f"import sys, mindspore_serving.server.register; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"
