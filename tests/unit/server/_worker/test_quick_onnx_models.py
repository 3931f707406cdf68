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

            def run(self, inputs):
                told.rows.append(len(inputs[0]))
                return super().run(inputs)

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
