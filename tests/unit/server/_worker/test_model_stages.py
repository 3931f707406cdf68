"""Model stages and `Model.call`, with functions in place of an engine."""

from __future__ import annotations

import numpy as np
import pytest

from mindspore_serving.server import register
from mindspore_serving.server._worker.backends.base import SubgraphInfo, TensorInfo
from mindspore_serving.server._worker.batching import batching_of
from mindspore_serving.server.register.signature import ModelDeclaration


def batching(inputs, outputs, with_batch_dim=True, without=()):
    declaration = ModelDeclaration("m", ("m",), "mindir", with_batch_dim, without, None, None)
    infos = SubgraphInfo(
        tuple(TensorInfo("float32", shape) for shape in inputs),
        tuple(TensorInfo("float32", shape) for shape in outputs),
    )
    return batching_of(declaration, [infos])


def add(a, b):
    return [a + b]


def floats(*numbers):
    return np.array(numbers, np.float32)


@pytest.fixture
def added(worker):
    """A method `add` over a model with rows of two and batch size 2."""
    model = register.declare_model("add", "MindIR")

    @register.register_method("y")
    def add_method(x1, x2):
        return register.add_stage(model, x1, x2, outputs_count=1)

    worker.start({"add": (add, batching([(2, 2), (2, 2)], [(2, 2)]))})
    return worker


def test_a_request_of_any_size_runs_in_full_batches(added, master):
    instances = [{"x1": floats(i, i), "x2": floats(10, 20)} for i in range(5)]
    assert master.ask("add_method", *instances) == [{"y": [i + 10, i + 20]} for i in range(5)]
    assert all(a.shape == b.shape == (2, 2) for a, b in added.engine.runs)


def test_places_without_an_instance_get_copies_of_the_first(added, master):
    master.ask("add_method", {"x1": floats(1, 2), "x2": floats(3, 4)})
    ((a, b),) = added.engine.runs
    assert (a.tolist(), b.tolist()) == ([[1, 2], [1, 2]], [[3, 4], [3, 4]])


def test_inputs_that_do_not_fit_fail_alone(added, master):
    good = {"x1": floats(1, 2), "x2": floats(3, 4)}
    results = master.ask(
        "add_method",
        good,
        {**good, "x2": floats(1, 2, 3)},
        {**good, "x1": np.array([1, 2], np.int32)},
        {**good, "x1": floats(5, 6).reshape(1, 2)},
        {**good, "x1": "text"},
    )
    assert results == [
        {"y": [4, 6]},
        "Given model input 1 size 12 not match the size 8 defined in model: given kMSI_Float32 [3], the model takes "
        "kMSI_Float32 [2]",
        "Given model input 0 data type kMSI_Int32 not match the data type kMSI_Float32 defined in model: given "
        "kMSI_Int32 [2], the model takes kMSI_Float32 [2]",
        {"y": [8, 10]},
        "Given model input 0 size 0 not match the size 8 defined in model: given kMSI_String [], the model takes "
        "kMSI_Float32 [2]",
    ]


def test_without_batch_dimension_each_instance_is_a_run_on_its_own_memory(worker, master):
    model = register.declare_model("m", "MindIR", with_batch_dim=False)

    @register.register_method("y")
    def method(x):
        return register.add_stage(model, x, outputs_count=1)

    worker.start({"m": (lambda x: [x * 2], batching([(2, 2)], [(2, 2)], with_batch_dim=False))})
    instances = [{"x": np.full((2, 2), i, np.float32)} for i in range(3)]
    assert master.ask("method", *instances) == [{"y": [[2 * i] * 2] * 2} for i in range(3)]
    assert [run[0].shape for run in worker.engine.runs] == [(2, 2)] * 3


def test_a_dynamic_batch_is_as_large_as_what_waits(worker, master):
    model = register.declare_model("m", "MindIR")

    def give(instances):
        return [x for (x,) in instances]

    @register.register_method("y")
    def method(x):
        return register.add_stage(model, register.add_stage(give, x, outputs_count=1, batch_size=8), outputs_count=1)

    worker.start({"m": (lambda x: [x + 1], batching([(-1, 1)], [(-1, 1)]))})
    assert master.ask("method", *[{"x": floats(i)} for i in range(20)]) == [{"y": [i + 1]} for i in range(20)]
    assert all(len(x) <= 32 for (x,) in worker.engine.runs)
    assert sum(len(x) for (x,) in worker.engine.runs) == 20


def test_a_failing_run_fails_its_batch(added, master):
    added.engine._models[0] = lambda a, b: 1 / 0
    assert master.ask("add_method", {"x1": floats(1, 2), "x2": floats(3, 4)}) == ["Predict Failed, division by zero"]
    added.engine._models[0] = lambda a, b: [a[:1]]
    (error,) = master.ask("add_method", {"x1": floats(1, 2), "x2": floats(3, 4)})
    assert error == "Predict Failed, an output has shape [1, 2] after a run with batch size 2"
    added.engine._models[0] = add
    assert master.ask("add_method", {"x1": floats(1, 2), "x2": floats(3, 4)}) == [{"y": [4, 6]}]


def test_functions_and_models_in_turn(worker, master):
    model = register.declare_model("m", "MindIR")

    def cast(x):
        return x.astype(np.float32)

    def half(y):
        return y / 2

    @register.register_method(["y", "best"])
    def method(x):
        y = register.add_stage(model, register.add_stage(cast, x, outputs_count=1), outputs_count=1)
        y = register.add_stage(model, register.add_stage(half, y, outputs_count=1), outputs_count=1)
        return y, register.add_stage("argmax_cpp", y, outputs_count=1)

    worker.start({"m": (lambda x: [x + 1], batching([(4, 2)], [(4, 2)]))})
    results = master.ask("method", *[{"x": [i, 2 * i]} for i in range(1, 10)])
    assert results == [{"y": [(i + 1) / 2 + 1, (2 * i + 1) / 2 + 1], "best": 1} for i in range(1, 10)]


PATTERNS = ["f", "m", "fm", "mf", "fmf", "mfm", "mm", "fmfmf", "mfmfm", "ffmmb", "bmbmb", "mMf", "MmM", "fMmMb"]


@pytest.mark.parametrize("with_batch_dim", [True, False])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_stages_in_any_order(worker, master, pattern, with_batch_dim):
    """f and b: a function, of an instance and of a batch; m and M: models of two and one, and of one and two tensors.

    Each gives the sum of its inputs plus a number of its own; a second output, which a later m takes, is twice that.
    """
    shape = (2, 3) if with_batch_dim else (3,)
    m = register.declare_model("m", "MindIR", with_batch_dim=with_batch_dim)
    big_m = register.declare_model("M", "MindIR", with_batch_dim=with_batch_dim)

    def one(x):
        return x + 1

    def batch(instances):
        return [x + 10 for (x,) in instances]

    @register.register_method("y")
    def method(x):
        second = x
        for kind in pattern:
            if kind == "f":
                x = register.add_stage(one, x, outputs_count=1)
            elif kind == "b":
                x = register.add_stage(batch, x, outputs_count=1, batch_size=3)
            elif kind == "m":
                x = register.add_stage(m, x, second, outputs_count=1)
            else:
                x, second = register.add_stage(big_m, x, outputs_count=2)
        return x

    def expected(x):
        second = x
        for kind in pattern:
            if kind == "M":
                x, second = x + 1000, 2 * (x + 1000)
            else:
                x = {"f": x + 1, "b": x + 10, "m": x + second + 100}[kind]
        return x

    models = {
        "m": (lambda a, b: [a + b + 100], batching([shape, shape], [shape], with_batch_dim)),
        "M": (lambda a: [a + 1000, 2 * (a + 1000)], batching([shape], [shape, shape], with_batch_dim)),
    }
    worker.start(models)
    inputs = [floats(i, 2 * i, 3 * i) for i in range(3)]
    assert master.ask("method", *[{"x": x} for x in inputs]) == [{"y": expected(x).tolist()} for x in inputs]


@pytest.mark.parametrize("with_batch_dim", [True, False])
def test_a_builtin_after_a_model_fails_for_its_instance_alone(worker, master, with_batch_dim):
    shape = (2, 2) if with_batch_dim else (2,)
    model = register.declare_model("m", "MindIR", with_batch_dim=with_batch_dim)

    @register.register_method(["best", "first"])
    def method(x, other):
        y = register.add_stage(model, x, outputs_count=1)
        return register.add_stage("argmax_cpp", y, outputs_count=1), register.add_stage(
            "argmax_cpp", other, outputs_count=1
        )

    worker.start({"m": (lambda x: [-x], batching([shape], [shape], with_batch_dim))})
    good = {"x": floats(1, 2), "other": [3, 4]}
    results = master.ask(
        "method", good, {**good, "other": "text"}, {**good, "other": [True]}, {**good, "other": [9, 8]}
    )
    assert (results[0], results[3]) == ({"best": 0, "first": 1}, {"best": 0, "first": 0})
    assert "Argmax not support data type kMSI_String" in results[1]
    assert "Argmax not support data type kMSI_Bool" in results[2]


@pytest.fixture
def called(worker, master):
    """`called(function)`: what the function returns when it runs as a stage beside a model `m` of two inputs."""
    model = register.declare_model("m", "MindIR")

    def ask(function, outputs=("y",)):
        def stage(x):
            return function(model, x)

        def method(x):
            return register.add_stage(stage, x, outputs_count=len(outputs), tag="Call")

        register.register_method(outputs)(method)
        worker.start({"m": (add, batching([(2, 1), (2, 1)], [(2, 1)]))})
        (result,) = master.ask("method", {"x": floats(1)})
        return result

    return ask


def test_call_with_one_instance_gives_the_array(called):
    assert called(lambda model, x: model.call(model.call(x, x), x)) == {"y": [3]}


def test_call_with_several_instances_gives_tuples(called):
    def several(model, x):
        results = model.call([[x, x], (x, x * 5), [x, x * 7]])
        assert isinstance(results, tuple)
        assert all(isinstance(outputs, tuple) for outputs in results)
        return [[outputs[0] for outputs in results]]

    assert called(several) == {"y": [[2], [6], [8]]}


def test_calls_of_several_models_and_subgraphs(worker, master):
    """Models of one input and one output, of two subgraphs of different arities, and one used as a stage, too."""
    one = register.declare_model("one", "MindIR")
    two = register.declare_model(["full", "step"], "MindIR", with_batch_dim=False)

    def before(x):
        assert isinstance(one.call(x), np.ndarray)
        ((y,), (z,)) = one.call([[x], [x * 10]])
        total, difference = two.call(y, z)
        return total, two.call(difference, subgraph=1)

    @register.register_method(["total", "y"])
    def method(x):
        total, y = register.add_stage(before, x, outputs_count=2)
        y = register.add_stage(one, y, outputs_count=1)
        return total, register.add_stage(lambda v: one.call(v), y, outputs_count=1)

    declaration = ModelDeclaration("full;step", ("full", "step"), "mindir", False, (), None, None)
    row = TensorInfo("float32", (1,))
    subgraphs = batching_of(declaration, [SubgraphInfo((row, row), (row, row)), SubgraphInfo((row,), (row,))])

    def full_or_step(*inputs):
        return [inputs[0] + inputs[1], inputs[1] - inputs[0]] if len(inputs) == 2 else [inputs[0] * 2]

    worker.start({"one": (lambda x: [x + 1], batching([(2, 1)], [(2, 1)])), "full;step": (full_or_step, subgraphs)})
    assert master.ask("method", *[{"x": floats(i)} for i in range(3)]) == [
        {"total": [11 * i + 2], "y": [18 * i + 2]} for i in range(3)
    ]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda m, x: m.call(), "Model(m).call() failed: no inputs provided"),
        (lambda m, x: m.call([]), "Input instances count is 0"),
        (lambda m, x: m.call((x, x)), "inputs format invalid"),
        (lambda m, x: m.call([[x, x], x]), "inputs format invalid"),
        (
            lambda m, x: m.call([[x, x], (x, x, x)]),
            "The inputs count 3 of instance 1 is not equal to the inputs count 2 of the model",
        ),
        (lambda m, x: m.call(x), "The inputs count 1 of instance 0 is not equal to the inputs count 2 of the model"),
        (lambda m, x: m.call(x, x, subgraph=1), "The model does not have subgraph of index 1, the subgraph count"),
        (
            lambda m, x: m.call(x, np.float32([1, 2])),
            "Model(m).call() failed: Given model input 1 size 8 not match the size 4 defined in model",
        ),
        (
            lambda m, x: m.call([[x, x], [x.astype(np.int32), x]]),
            "Given model input 0 data type kMSI_Int32 not match the data type kMSI_Float32 defined in model",
        ),
        (lambda m, x: m.call(x, None), "error msg: Get illegal result data with type <class 'NoneType'>"),
        (lambda m, x: register.Model("other").call(x), "Model(other).call() failed: the model is not declared"),
    ],
)
def test_wrong_calls_are_the_instances_error(called, call, text):
    assert text in called(call)


def test_a_caught_error_of_a_call_is_no_error(called):
    def catch(model, x):
        with pytest.raises(RuntimeError):
            model.call(x, "text")
        return 1

    assert called(catch) == {"y": 1}
