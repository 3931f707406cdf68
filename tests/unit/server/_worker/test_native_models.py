"""Models whose engine needs no interpreter."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import subprocess
import sys
import time
import weakref

import numpy as np
import pytest

from mindspore_serving.server import register
from mindspore_serving.server._worker import _core
from mindspore_serving.server._worker.backends.onnxruntime import Session
from mindspore_serving.server._worker.backends.options import onnxruntime_library

from .conftest import SERVABLE, NativeEngine
from .test_model_stages import batching, floats

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

DEADLINE_S = 30
TABLE_SIZE = 100
NO_INDEX = 1000
"""A number that the models fail with."""


def model_file(nodes, initializers, output="y"):
    """A file with the graph of `nodes` from x to the output, both float32 of shape (any, 1)."""
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["rows", 1]) for name in ("x", output))
    graph = onnx.helper.make_graph(nodes, "graph", [x], [y], initializers)
    opset = [onnx.helper.make_opsetid("", 13)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def load(nodes, initializers, output="y"):
    """That graph."""
    content = model_file(nodes, initializers, output)
    return _core.load_onnx(onnxruntime_library(), content, 1)


def floats_of(name, dims, values):
    return onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, dims, values)


def plus_one():
    """x + 1, looked up in a table: numbers that are not in it fail."""
    return load(
        [
            onnx.helper.make_node("Cast", ["x"], ["index"], to=onnx.TensorProto.INT64),
            onnx.helper.make_node("Gather", ["table", "index"], ["y"]),
        ],
        [floats_of("table", [TABLE_SIZE], range(1, TABLE_SIZE + 1))],
    )


def hand_through():
    """x as it is: the engine gives the memory of its input as the output."""
    return load([], [], output="x")


def in_rows(*numbers):
    return [{"x": floats(number)} for number in numbers]


def declare_function_and_model(before):
    """The method `y = model(before(x))`."""
    model = register.declare_model("model", "MindIR")

    @register.register_method("y")
    def method(x):
        return register.add_stage(model, register.add_stage(before, x, outputs_count=1), outputs_count=1)


FOUR_ROWS = batching([(4, 1)], [(4, 1)])


@pytest.mark.parametrize("place", range(4))
def test_an_instance_that_the_model_cannot_take_fails_no_others(worker, master, place):
    declare_function_and_model(lambda x: x)
    worker.start({"model": (plus_one(), FOUR_ROWS)})
    (error,) = master.ask("method", *in_rows(NO_INDEX))
    assert error.startswith("Predict Failed, ")
    assert "out of data bounds" in error
    # How many are in one run, how long the function takes decides.
    asked = [1, 2, 3, 4, 5]
    asked[place] = NO_INDEX
    answers = master.ask("method", *in_rows(*asked))
    assert answers == [error if n == NO_INDEX else {"y": [n + 1]} for n in asked]
    assert [run for run in worker.engine.runs if run[1]] == [(1, error), (1, error)]


def test_a_model_runs_while_a_function_keeps_the_interpreter(worker, master):
    calls = []

    def before(x):
        calls.append(x + 0)
        if len(calls) == 2:
            # Through PyDLL, poll keeps the interpreter: no other Python thread runs until the first answer is there.
            completion_fd = master.dispatcher.completion_fd()
            wanted = ctypes.create_string_buffer(struct.pack("ihh", completion_fd, select.POLLIN, 0))
            answered.append(ctypes.PyDLL(None).poll(wanted, 1, int(DEADLINE_S * 1000)))
        return calls[-1]

    answered = []
    declare_function_and_model(before)
    worker.start({"model": (plus_one(), FOUR_ROWS)})
    assert master.wait([master.submit("method", in_rows(n)) for n in (1, 2)]) == [
        {"instances": [{"y": [2]}]},
        {"instances": [{"y": [3]}]},
    ]
    assert answered == [1]


def test_memory_of_the_input_is_not_given_out_as_an_output(worker, master):
    declare_function_and_model(lambda x: x)
    worker.start({"model": (hand_through(), FOUR_ROWS)})
    calls = [master.submit("method", in_rows(*range(i, i + 4))) for i in range(0, 400, 4)]
    expected = [{"instances": [{"y": [n]} for n in range(i, i + 4)]} for i in range(0, 400, 4)]
    assert master.wait(calls) == expected


def test_what_a_function_made_ends_with_the_request(worker, master):
    """References that the model's thread lets go of do not wait for the next request."""
    made = []

    def before(x):
        result = x + 0
        made.append(weakref.ref(result))
        return result

    declare_function_and_model(before)
    worker.start({"model": (plus_one(), FOUR_ROWS)})
    for _ in range(100):
        assert master.ask("method", *in_rows(1, 2)) == [{"y": [2]}, {"y": [3]}]
        deadline = time.monotonic() + DEADLINE_S
        while any(reference() is not None for reference in made):
            assert time.monotonic() < deadline, "an array is still alive"
            os.sched_yield()
        made.clear()


def test_models_called_in_a_loop_do_not_keep_their_inputs(worker, master):
    model = register.declare_model("model", "MindIR")
    alive = []

    def count_up(x):
        made = []
        for _ in range(30):
            made.append(weakref.ref(x))
            x = np.array(model.call(x))
        alive.append(sum(reference() is not None for reference in made))
        return x

    @register.register_method("y")
    def method(x):
        return register.add_stage(count_up, x, outputs_count=1)

    worker.start({"model": (plus_one(), FOUR_ROWS)})
    assert master.ask("method", *in_rows(1)) == [{"y": [31]}]
    assert alive[0] <= 2, "the method's input and the last one"


@pytest.mark.parametrize(
    ("inputs", "error"),
    [
        ([np.zeros((1, 1), np.float32)] * 2, "the graph has 1 inputs and not 2"),
        ([np.zeros((1, 1), np.int32)], "Unexpected input data type"),
        ([np.zeros((1, 2), np.float32)], "invalid dimensions"),
    ],
)
def test_wrong_inputs_of_a_graph_are_told(inputs, error):
    with pytest.raises(RuntimeError, match=error):
        plus_one().run(inputs)


def test_an_output_that_is_an_input_is_a_copy():
    x = np.ones((2, 1), np.float32)
    (y,) = hand_through().run([x])
    assert np.array_equal(x, y)
    assert not np.shares_memory(x, y)


def test_what_the_engine_has_to_say_is_in_the_log(tmp_path):
    script = (
        "from mindspore_serving.server._worker import _core\n"
        "from tests.unit.server._worker.test_native_models import floats_of, load\n"
        f"_core.set_up_log(0, 0, {str(tmp_path / 'log')!r}, 'MainProcess')\n"
        "load([], [floats_of('nobody_uses_it', [1], [1])], output='x')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for text in (done.stderr, (tmp_path / "log").read_text()):
        assert "WARNING" in text
        assert "Removing initializer 'nobody_uses_it'" in text


def test_a_graph_runs_without_rows():
    (y,) = plus_one().run([np.zeros((0, 1), np.float32)])
    assert y.shape == (0, 1)


def test_what_is_no_library_of_the_engine_is_refused(tmp_path):
    script = f"from {_core.__name__} import load_onnx; load_onnx({{!r}}, b'', 1)"
    errors = {"libm.so.6": "it has no OrtGetApiBase", str(tmp_path): "ONNX Runtime cannot be loaded: "}
    for library, error in errors.items():
        done = subprocess.run([sys.executable, "-c", script.format(library)], capture_output=True, text=True)
        assert done.returncode == 1
        assert error in done.stderr


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (lambda: onnx.helper.make_tensor_value_info("x", onnx.TensorProto.STRING, [1]), r"tensor\(string\)"),
        (lambda: onnx.helper.make_tensor_value_info("x", onnx.TensorProto.BFLOAT16, [1]), r"tensor\(bfloat16\)"),
        (lambda: onnx.helper.make_tensor_sequence_value_info("x", onnx.TensorProto.FLOAT, [1]), "sequence"),
    ],
)
def test_types_that_cannot_be_served_are_named(value, error):
    graph = onnx.helper.make_graph([], "graph", [value()], [value()])
    content = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    with pytest.raises(RuntimeError, match=f"'x' has data type {error}, which cannot be served"):
        Session(content.SerializeToString(), 1)


@pytest.mark.parametrize(
    "dtype",
    ["bool", "float16", "float32", "float64", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))],
)
def test_every_type_of_number_goes_through(dtype):
    values = np.array([[0, 1, 100]]).astype(dtype)
    of = onnx.helper.np_dtype_to_tensor_dtype(values.dtype)
    x, y = (onnx.helper.make_tensor_value_info(name, of, ["rows", 3]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "graph", [x], [y])
    content = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 16)], ir_version=8)
    session = Session(content.SerializeToString(), 1)
    assert [str(info) for info in (*session.info.inputs, *session.info.outputs)] == [f"{dtype}[-1, 3]"] * 2
    (result,) = session.run([values])
    assert result.dtype == values.dtype
    assert np.array_equal(result, values)


def test_a_callback_that_raises_does_not_end_the_lane(worker, master, monkeypatch):
    declare_function_and_model(lambda x: x)
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    monkeypatch.setattr(NativeEngine, "_note_run", lambda *_: 1 / 0)
    worker.start({"model": (plus_one(), FOUR_ROWS)})
    for number in range(3):
        assert master.ask("method", *in_rows(number)) == [{"y": [number + 1]}]
    assert {error.exc_type for error in unraisable} <= {ZeroDivisionError}


SECOND_INTERPRETER = """
import _xxsubinterpreters
import numpy as np
from mindspore_serving.server import register

_xxsubinterpreters.create()
model = register.declare_model("model.onnx", "ONNX")


class Array(np.ndarray):
    def __del__(self):
        [i for i in range(10)]


def before(x):
    return (x + 0).view(Array)


@register.register_method("y")
def method(x):
    return register.add_stage(model, register.add_stage(before, x, outputs_count=1), outputs_count=1)
"""


def test_objects_end_in_the_interpreter_although_there_is_a_second_one(start_worker, master, tmp_path):
    """Python then tells each thread that it has the interpreter's lock."""
    version = tmp_path / SERVABLE / "1"
    version.mkdir(parents=True)
    (version / "model.onnx").write_bytes(model_file([onnx.helper.make_node("Relu", ["x"], ["y"])], []))
    worker = start_worker(SECOND_INTERPRETER)
    worker.ready()
    for number in range(100):
        assert master.ask("method", *in_rows(number, 1)) == [{"y": [number]}, {"y": [1]}], worker.log()
