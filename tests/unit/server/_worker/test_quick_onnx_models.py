"""Which ONNX models are run on one thread, and what finding that out may cost."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest

from mindspore_serving.server._worker.backends import onnxruntime
from mindspore_serving.server.register.signature import ModelDeclaration

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

MANY = 4096
CORES = 3


class Sessions:
    """Loads models, and tells which sessions and runs that took."""

    def __init__(self, path, monkeypatch):
        self._path = str(path / "model.onnx")
        self.threads = []
        self.rows = []
        told = self

        class Session(onnxruntime.Session):
            def __init__(self, model, threads, info=None):
                told.threads.append(threads)
                super().__init__(model, threads, info)

            def try_run(self, inputs):
                told.rows.append(len(inputs[0]))
                return super().try_run(inputs)

        monkeypatch.setattr(onnxruntime, "Session", Session)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(CORES)))
        monkeypatch.delenv("MINDSPORE_SERVING_ENGINE_THREADS", raising=False)

    def load(self, nodes, element_type, row, weights=(), rows="n"):
        x, y = (onnx.helper.make_tensor_value_info(name, element_type, [rows, *row]) for name in "xy")
        graph = onnx.helper.make_graph(nodes, "graph", [x], [y], weights)
        opset = [onnx.helper.make_opsetid("", 14)]
        onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), self._path)
        declaration = ModelDeclaration("m", ("m",), "onnx", True, (), None, None, max_batch_size=MANY)
        onnxruntime.OnnxRuntimeBackend(1, {}).load(declaration, [self._path])


@pytest.fixture
def sessions(tmp_path, monkeypatch):
    return Sessions(tmp_path, monkeypatch)


def slow_nodes():
    """Convolutions that take tens of milliseconds for a row, and their weights."""
    names = ["x", *(f"after{i}" for i in range(31)), "y"]
    weights = [onnx.numpy_helper.from_array(np.zeros((32, 32, 3, 3), np.float32), "w")]
    return [
        onnx.helper.make_node("Conv", [before, "w"], [after], pads=[1] * 4)
        for before, after in itertools.pairwise(names)
    ], weights


def test_a_quick_model_is_measured_with_an_ordinary_batch(sessions):
    sessions.load([onnx.helper.make_node("Relu", ["x"], ["y"])], onnx.TensorProto.FLOAT, [4])
    assert sessions.threads == [1]
    assert sessions.rows == [1, 32, 32, 32]


def test_a_slow_model_is_run_once_with_one_row(sessions):
    """A batch of it would take minutes and gigabytes."""
    nodes, weights = slow_nodes()
    sessions.load(nodes, onnx.TensorProto.FLOAT, [32, 112, 112], weights)
    assert sessions.threads == [1, CORES]
    assert sessions.rows == [1]


def test_a_slow_model_of_a_fixed_batch_is_run_once(sessions):
    nodes, weights = slow_nodes()
    sessions.load(nodes, onnx.TensorProto.FLOAT, [32, 112, 112], weights, rows=2)
    assert sessions.threads == [1, CORES]
    assert sessions.rows == [2]


def test_a_model_that_divides_by_an_input_can_be_measured(sessions):
    sessions.load([onnx.helper.make_node("Div", ["x", "x"], ["y"])], onnx.TensorProto.INT32, [4])
    assert sessions.threads == [1]


def test_a_model_that_does_not_end_with_ones_is_given_up(sessions, capfd):
    """`while all(x < 100): x = x * x`"""
    helper = onnx.helper
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("x_in", "x_out"))
    number = helper.make_tensor_value_info("number", onnx.TensorProto.INT64, [])
    before, after = (helper.make_tensor_value_info(name, onnx.TensorProto.BOOL, []) for name in ("go_in", "go_on"))
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["x_in", "x_in"], ["x_out"]),
            helper.make_node("ReduceMax", ["x_out"], ["largest"], keepdims=0),
            helper.make_node("Less", ["largest", "hundred"], ["go_on"]),
        ],
        "body",
        [number, before, x],
        [after, y],
        [onnx.numpy_helper.from_array(np.float32(100), "hundred")],
    )
    always = onnx.numpy_helper.from_array(np.bool_(True), "always")
    sessions.load(
        [helper.make_node("Loop", ["", "always", "x"], ["y"], body=body)], onnx.TensorProto.FLOAT, [4], [always]
    )
    assert sessions.threads == [1, CORES]
    assert sessions.rows == [1]
    assert "ONNX Runtime" not in capfd.readouterr().err


def test_a_model_that_cannot_take_ones_is_not_told_of_as_an_error(sessions, capfd):
    table = onnx.numpy_helper.from_array(np.float32([[[0, 0]]]), "table")
    nodes = [
        onnx.helper.make_node("Cast", ["x"], ["index"], to=onnx.TensorProto.INT64),
        onnx.helper.make_node("GatherND", ["table", "index"], ["y"]),
    ]
    sessions.load(nodes, onnx.TensorProto.FLOAT, [2], [table])
    assert sessions.threads == [1, CORES]
    assert capfd.readouterr().err == ""
