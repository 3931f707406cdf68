"""The same models on each engine that is installed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mindspore_serving.server._worker.backends.free_batch import free_batch
from mindspore_serving.server.control_messages import StopWorker, encode

CONFIG = """
from mindspore_serving.server import register

whole = register.declare_model("add.mindir", "MindIR", with_batch_dim=False)
rows = register.declare_model("add_sub.mindir", "MindIR")
dynamic = register.declare_model("dynamic.mindir", "MindIR")
norm = register.declare_model("norm.mindir", "MindIR")

@register.register_method("y")
def add(x1, x2):
    return register.add_stage(whole, x1, x2, outputs_count=1)

@register.register_method(["y", "z"])
def add_sub(x1, x2):
    return register.add_stage(rows, x1, x2, outputs_count=2)

@register.register_method(["y", "z"])
def any_rows(x1, x2):
    return register.add_stage(dynamic, x1, x2, outputs_count=2)

@register.register_method("y")
def scaled(x):
    return register.add_stage(norm, x, outputs_count=1)

def twice(x1, x2):
    return whole.call(whole.call(x1, x2), x2)

@register.register_method("y")
def called(x1, x2):
    return register.add_stage(twice, x1, x2, outputs_count=1)
"""

ENGINES = {
    "mindspore": "MindSpore (direct call)",  # a newer MindSpore may lack the quick call; then this tells
    "onnxruntime": "ONNX Runtime (converted, any batch size)",
    "onnx": "ONNX Runtime",
}


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    if request.param != "mindspore":
        for package in ("onnxruntime", "onnx"):
            pytest.importorskip(package, reason=f"{package} is not installed")
        monkeypatch.setenv("MINDSPORE_SERVING_ENGINE", "onnxruntime")
    else:
        monkeypatch.setenv("MINDSPORE_SERVING_ENGINE", "mindspore")
    return request.param


@pytest.fixture
def ready(engine, exported, start):
    """A worker with the models of CONFIG, and what it says of itself."""
    config = CONFIG
    if engine == "onnx":
        config = config.replace(".mindir", ".onnx").replace('"MindIR"', '"ONNX"')
        (exported / "dynamic.onnx").write_bytes(free_batch((exported / "add_sub.onnx").read_bytes(), [True, True]))
    worker = start(config)
    return worker, worker.ready()


def rows(low, count):
    return [{"x1": np.float32([i, i + 1]), "x2": np.float32([1, 2])} for i in range(low, low + count)]


def test_models_of_all_kinds(engine, ready, master):
    worker, message = ready
    assert [Path(model["key"]).stem for model in message.models] == ["add", "add_sub", "dynamic", "norm"]
    whole, *others = [model["engine"] for model in message.models]
    assert set(others) == {ENGINES[engine]}
    assert whole == ENGINES[engine].replace(", any batch size", "")
    assert [method.credit for method in message.methods if not method.name.startswith("@")] == [8, 8, 96, 8, 8]
    assert message.models[1]["inputs"] == [["float32[2, 2]"] * 2]
    assert message.models[2]["inputs"] == [["float32[-1, 2]"] * 2]
    assert message.models[3]["outputs"] == [["float16[2, 2]"]]

    a = np.arange(4, dtype=np.float32).reshape(2, 2)
    assert master.ask("add", {"x1": a, "x2": a}, {"x1": a, "x2": a + 1}) == [
        {"y": (2 * a).tolist()},
        {"y": (2 * a + 1).tolist()},
    ]
    for method in ("add_sub", "any_rows"):
        for count in (1, 2, 5):
            expected = [{"y": [i + 1, i + 3], "z": [i - 1, i - 1]} for i in range(count)]
            assert master.ask(method, *rows(0, count)) == expected
    assert master.ask("scaled", {"x": np.float32([1, 2])}) == [{"y": [3, 6]}]
    assert master.ask("called", {"x1": a, "x2": a}) == [{"y": (3 * a).tolist()}]
    assert master.ask("add", {"x1": a.astype(np.float64), "x2": a}) == [
        "Given model input 0 size 32 not match the size 16 defined in model: given kMSI_Float64 [2, 2], the model "
        "takes kMSI_Float32 [2, 2]"
    ]
    worker.control.sendall(encode(StopWorker()))
    assert worker.exit_code() == 0


CONTEXTS = """
context = register.Context(thread_num=1, enable_parallel=False)
for info in ({infos}):
    context.append_device_info(info)
"""
GPU, CPU = 'register.GPUDeviceInfo(precision_mode="fp16")', 'register.CPUDeviceInfo(precision_mode="fp16")'
ASCEND = 'register.AscendDeviceInfo(input_format="NCHW", output_type="FP16", insert_op_cfg_path="some path")'


@pytest.mark.parametrize("engine", ["mindspore", "onnxruntime"], indirect=True)
def test_options_for_devices_of_every_kind_are_taken(engine, start, master):
    """On CPU the options of other devices, and those that the engine has no use for, change nothing."""
    config = CONFIG
    kinds = {"add": [GPU], "add_sub": [CPU], "dynamic": [ASCEND], "norm": [GPU, CPU, ASCEND]}
    for model, infos in kinds.items():
        line = next(line for line in config.splitlines() if f'"{model}.mindir"' in line)
        context = CONTEXTS.format(infos=", ".join(infos) + ",")
        config = config.replace(line, context + line.replace('"MindIR"', '"MindIR", context=context'))
    worker = start(config)
    assert {model["engine"].split()[0] for model in worker.ready().models} == {ENGINES[engine].split()[0]}
    a = np.arange(4, dtype=np.float32).reshape(2, 2)
    assert master.ask("add", {"x1": a, "x2": a}) == [{"y": (2 * a).tolist()}]
    assert master.ask("any_rows", *rows(0, 3)) == [{"y": [i + 1, i + 3], "z": [i - 1, i - 1]} for i in range(3)]
    assert master.ask("scaled", {"x": np.float32([1, 2])}) == [{"y": [3, 6]}]


def test_models_have_threads_of_their_own_except_in_mindspore(engine, ready):
    worker, message = ready
    lanes = [method.lane for method in message.methods if not method.name.startswith("@")]
    assert lanes == ([1, 1, 1, 1, 0] if engine == "mindspore" else [1, 2, 3, 4, 0])
    maps = Path(f"/proc/{worker.process.pid}/maps").read_text()
    assert ("libmindspore" in maps) == (engine == "mindspore")
    assert ("onnxruntime" in maps) == (engine != "mindspore")


def test_all_models_at_once(ready, master):
    a = np.arange(4, dtype=np.float32).reshape(2, 2)
    calls, expected = [], []
    for i in range(60):
        calls.append(master.submit("add_sub", rows(i, 3)))
        expected.append({"instances": [{"y": [n + 1, n + 3], "z": [n - 1, n - 1]} for n in range(i, i + 3)]})
        calls.append(master.submit("any_rows", rows(i, 7)))
        expected.append({"instances": [{"y": [n + 1, n + 3], "z": [n - 1, n - 1]} for n in range(i, i + 7)]})
        calls.append(master.submit("called", [{"x1": a, "x2": a * i}]))
        expected.append({"instances": [{"y": (a + 2 * i * a).tolist()}]})
    assert master.wait(calls) == expected


def test_many_calls_from_stage_functions_in_threads(ready, master):
    a = np.arange(4, dtype=np.float32).reshape(2, 2)
    with ThreadPoolExecutor(4) as pool:
        calls = list(pool.map(lambda i: master.submit("called", [{"x1": a, "x2": a * i}]), range(40)))
    assert master.wait(calls) == [{"instances": [{"y": (a + 2 * i * a).tolist()}]} for i in range(40)]
