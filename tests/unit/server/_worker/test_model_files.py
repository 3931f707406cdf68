"""Where model files may lie, and what a worker leaves there: nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mindspore_serving.server.control_messages import WorkerFailed

CONFIG = """
from mindspore_serving.server import register

model = register.declare_model({file!r}, {format!r}, with_batch_dim={batch})

@register.register_method("y")
def predict(*inputs):
    return register.add_stage(model, *inputs, outputs_count=1)
"""
ADD = CONFIG.replace("*inputs", "x1, x2")
NORM = CONFIG.replace("*inputs", "x")
SQUARE = np.arange(4, dtype=np.float32).reshape(2, 2)


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file, by its path."""
    return {str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("engine", ["mindspore", "onnxruntime"])
def test_a_directory_with_blanks_that_cannot_be_written_to(
    exported, start_worker, master, tmp_path, monkeypatch, engine
):
    if engine == "onnxruntime":
        for package in ("onnxruntime", "onnx"):
            pytest.importorskip(package, reason=f"{package} is not installed")
    monkeypatch.setenv("MINDSPORE_SERVING_ENGINE", engine)
    name = "a servable with blanks"
    version = tmp_path / name / "1"
    version.mkdir(parents=True)
    shutil.copy(exported / "add.mindir", version / "my add.mindir")
    before = contents(version)
    (version / "my add.mindir").chmod(0o444)
    version.chmod(0o555)
    worker = start_worker(ADD.format(file="my add.mindir", format="MindIR", batch=False), servable=name)
    (model,) = worker.ready().models
    assert model["engine"].startswith("MindSpore" if engine == "mindspore" else "ONNX Runtime (converted")
    assert master.ask("predict", {"x1": SQUARE, "x2": SQUARE}) == [{"y": (2 * SQUARE).tolist()}]
    version.chmod(0o755)
    assert contents(version) == before


@pytest.fixture
def split_model(exported, tmp_path):
    """A version directory with an ONNX model whose weights lie in a second file."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    version = tmp_path / "test" / "1"
    version.mkdir(parents=True)
    model = onnx.load(str(exported / "norm.onnx"))
    assert model.graph.initializer
    onnx.save_model(
        model, str(version / "norm.onnx"), save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    assert (version / "weights.bin").stat().st_size > 0
    return version


def test_an_onnx_model_with_its_weights_in_a_second_file(split_model, start_worker, master):
    start_worker(NORM.format(file="norm.onnx", format="ONNX", batch=True)).ready()
    results = master.ask("predict", *[{"x": np.float32([i, 2 * i])} for i in range(3)])
    assert results == [{"y": [3 * i, 6 * i]} for i in range(3)]


@pytest.mark.parametrize("change", ["missing", "too short"])
def test_the_second_file_is_as_needed_as_the_first(split_model, start_worker, change):
    (split_model / "weights.bin").unlink()
    if change == "too short":
        (split_model / "weights.bin").write_bytes(b"123")
    worker = start_worker(NORM.format(file="norm.onnx", format="ONNX", batch=True))
    message = worker.message()
    assert isinstance(message, WorkerFailed)
    assert message.error.startswith("Load model failed, servable directory: ")
    assert "model file 'norm.onnx' cannot be loaded as ONNX: " in message.error
    assert "weight" in message.error
    assert worker.exit_code() == 3
