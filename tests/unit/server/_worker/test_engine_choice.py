"""Which engine runs a model, where ONNX Runtime is installed; what it says of that; and in batches of what size."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from mindspore_serving.server.control_messages import WorkerFailed, WorkerReady
from tests.harness.waiting import wait_until

for package in ("onnxruntime", "onnx"):
    pytest.importorskip(package, reason=f"{package} is not installed")

ONE = """
from mindspore_serving.server import register

context = register.Context()
context.append_device_info(register.CPUDeviceInfo({engine}))
model = register.declare_model({file!r}, {format!r}, context=context, {options})

@register.register_method("y")
def predict({inputs}):
    return register.add_stage(model, {inputs}, outputs_count=1)
"""


def one(file, engine="", inputs="x", options=""):
    model_format = "ONNX" if file.endswith(".onnx") else "MindIR"
    given = f"engine={engine!r}" if engine else ""
    return ONE.format(file=file, format=model_format, engine=given, inputs=inputs, options=options)


def x_of(*numbers):
    return {"x": np.float32(numbers)}


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("count.mindir", "it has operators with side effects: Assign"),
        ("not_in_onnx.mindir", "MindSpore cannot export it to ONNX: "),
    ],
)
def test_what_does_not_convert_stays_with_mindspore(start, monkeypatch, file, why):
    monkeypatch.setenv("GLOG_v", "1")
    worker = start(one(file))
    (model,) = worker.ready().models
    assert model["engine"].startswith("MindSpore")
    assert model["why"].startswith(f"not converted: {file}: {why}")
    assert f"Model '{file}' is not run by ONNX Runtime: {file}: {why}" in worker.log()


def test_state_goes_on(start, master):
    start(one("count.mindir", options="with_batch_dim=False")).ready()
    x = np.ones((2, 2), np.float32)
    # x and the sum of all first rows so far: the load has left nothing in it.
    assert [master.ask("predict", {"x": x})[0]["y"][0][1] for _ in range(4)] == [2, 3, 4, 5]


def test_encrypted_models_stay_with_mindspore(start, conversion_cache):
    before = set(conversion_cache.rglob("*"))
    (model,) = start(one("gcm.mindir", inputs="x1, x2"), dec_key=b"0123456789ABCDEF").ready().models
    assert model["engine"] == "MindSpore (direct call)"
    assert model["why"] == "not converted: encrypted models are not converted"
    assert set(conversion_cache.rglob("*")) == before


def test_a_package_that_is_missing_is_the_reason(start, tmp_path, monkeypatch):
    blocker = tmp_path / "blocker"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, package=None: None if name == 'onnx' else find(name, package)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(blocker))
    (model,) = start(one("norm.mindir")).ready().models
    assert (model["engine"], model["why"]) == (
        "MindSpore (direct call)",
        "not converted: the package onnx is not installed",
    )


def test_the_models_own_choice_wins_over_the_environment(start, monkeypatch):
    monkeypatch.setenv("MINDSPORE_SERVING_ENGINE", "onnxruntime")
    (model,) = start(one("norm.mindir", "mindspore")).ready().models
    assert (model["engine"], model["why"]) == ("MindSpore (direct call)", "CPUDeviceInfo(engine='mindspore')")


@pytest.mark.parametrize(
    ("config", "environment", "options", "texts"),
    [
        (one("count.mindir", "onnxruntime"), {}, {}, ["CPUDeviceInfo(engine='onnxruntime'): ", "operators with side"]),
        (
            one("count.mindir"),
            {"MINDSPORE_SERVING_ENGINE": "onnxruntime"},
            {},
            ["MINDSPORE_SERVING_ENGINE=onnxruntime: ONNX Runtime cannot run model 'count.mindir'"],
        ),
        (
            one("gcm.mindir", "onnxruntime"),
            {},
            {"dec_key": b"0123456789ABCDEF"},
            ["cannot run model 'gcm.mindir': encrypted models are not converted"],
        ),
        (
            one("norm.mindir"),
            {"MINDSPORE_SERVING_ENGINE": "lite"},
            {},
            ["MINDSPORE_SERVING_ENGINE can only be 'auto', 'mindspore', 'onnxruntime', but actually 'lite'"],
        ),
        (
            one("norm.mindir"),
            {"MINDSPORE_SERVING_ENGINE_THREADS": "0"},
            {},
            ["MINDSPORE_SERVING_ENGINE_THREADS should be a number >= 1, but actually '0'"],
        ),
        (one("norm.onnx", "mindspore"), {}, {}, ["model 'norm.onnx' is an ONNX file"]),
        (
            one("norm.onnx"),
            {},
            {"dec_key": b"0123456789ABCDEF"},
            ["model 'norm.onnx' is an ONNX file, which cannot be encrypted, but a dec_key is given"],
        ),
        (one("missing.onnx"), {}, {}, ["missing.onnx' does not exist"]),
        (one("bad.onnx"), {}, {}, ["model file 'bad.onnx' cannot be loaded as ONNX"]),
        (one("norm.onnx"), {}, {"device_type": "ascend"}, ["Not support device type ascend and model type ONNX"]),
    ],
)
def test_engines_that_cannot_be_used(start, exported, monkeypatch, config, environment, options, texts):
    (exported / "bad.onnx").write_bytes(b"no model")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    worker = start(config, **options)
    message = worker.message()
    assert isinstance(message, WorkerFailed)
    assert message.error.startswith("Load model failed, servable directory: ")
    assert all(text in message.error for text in texts), message.error
    assert worker.exit_code() == 3


def save_slow_model(path):
    """Takes about a millisecond for a row of two numbers, and gives zeros."""
    import onnx

    width = 1500
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 2]) for name in "xy")
    weights = {"wide": (2, width), "square": (width, width), "narrow": (width, 2)}
    nodes = [
        onnx.helper.make_node("MatMul", [before, name], [after])
        for before, name, after in zip(("x", "a", "b"), weights, ("a", "b", "y"), strict=True)
    ]
    zeros = [onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()]
    graph = onnx.helper.make_graph(nodes, "slow", [x], [y], zeros)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8), str(path))


def test_threads_of_a_session(exported, start, monkeypatch):
    save_slow_model(exported / "slow.onnx")

    monkeypatch.setenv("GLOG_v", "1")

    def threads(options="", environment="", workers=1, file="norm.mindir"):
        monkeypatch.setenv("MINDSPORE_SERVING_ENGINE_THREADS", environment)
        config = one(file).replace("register.Context()", f"register.Context({options})")
        worker = start(config, worker_count=workers)
        assert isinstance(worker.message(), WorkerReady)
        count = len(list(Path(f"/proc/{worker.process.pid}/task").iterdir()))
        told.append(re.findall(r"is run on (\d+) threads?: (.*)", worker.log()))
        worker.close()
        return count

    told = []
    # The model's own thread is one of a session's.
    alone = threads(environment="1")
    assert threads(environment="4") == alone + 3
    assert threads("thread_num=3", environment="1") == alone + 2
    cores = len(os.sched_getaffinity(0))
    assert threads(workers=cores) == alone
    assert threads() == alone, "a quick model stays on one thread, unless it was asked for more"
    assert threads(file="slow.onnx") == alone + cores - 1
    assert threads(file="slow.onnx", workers=cores) == alone
    assert told[:3] == [
        [("1", "MINDSPORE_SERVING_ENGINE_THREADS")],
        [("4", "MINDSPORE_SERVING_ENGINE_THREADS")],
        [("3", "Context(thread_num=3)")],
    ]
    assert told[-2:] == [[(str(count), "this worker's share of the cores")] for count in (cores, 1)]


DENSE = {"inputs": "x, scale", "options": "without_batch_dim_inputs=1, max_batch_size=6"}


def test_a_model_exported_for_one_row_is_batched(start, master, monkeypatch):
    monkeypatch.setenv("GLOG_v", "1")
    config = one("dense.mindir", **DENSE).replace("register.add_stage(model,", "register.add_stage(call_rows,")
    # The instances of one call wait together, so they are taken in as few batches as they fit into.
    call_rows = "def call_rows(x, scale):\n    return [y for (y,) in model.call([[row, scale] for row in x])],\n\n"
    config = config.replace("@register", f"{call_rows}@register")
    worker = start(config)
    _method, internal = worker.ready().methods
    assert internal.credit == 18
    rows = np.float32([[i, 1] for i in range(20)])
    alone = [master.ask("predict", {"x": rows[i : i + 1], "scale": np.float32([2])})[0]["y"][0] for i in range(20)]
    (together,) = master.ask("predict", {"x": rows, "scale": np.float32([2])})
    np.testing.assert_allclose(together["y"], alone, rtol=1e-5)

    def sizes():
        return [int(size) for size in re.findall(r"instances: (\d+), model: dense.mindir", worker.log())]

    # A run is told of after it was answered.
    wait_until(lambda: sum(sizes()) >= 40, "the runs in the log")
    assert sizes()[-4:] == [6, 6, 6, 2]


@pytest.mark.parametrize(("file", "size"), [("mixed.mindir", 2), ("not_in_onnx.mindir", 2)])
def test_max_batch_size_has_no_effect_on_a_fixed_model(start, master, file, size):
    worker = start(one(file, options="max_batch_size=50"))
    message = worker.ready()
    assert message.methods[0].credit == 8
    assert f"runs batches of {size}, as exported, and not of max_batch_size=50" in worker.log()
    if file == "mixed.mindir":
        assert message.models[0]["engine"] == "ONNX Runtime (converted)"
        assert "the batch size stays: in batches of 1: output 0 differs" in message.models[0]["why"]
        # The places without an instance are filled up with the first, as ever.
        assert master.ask("predict", x_of(1, 2)) == [{"y": [0, 0]}]


@pytest.mark.parametrize("engine", ["mindspore", "onnxruntime"])
def test_max_batch_size_of_a_dynamic_model(start, engine):
    config = one("dynamic.mindir", engine, "x1, x2", "max_batch_size=50")
    config = config.replace("return register.add_stage", "y, z = register.add_stage").replace(
        "outputs_count=1)", "outputs_count=2)\n    return y"
    )
    assert start(config).ready().methods[0].credit == 150


MANY = """
from mindspore_serving.server import register

for number in range({count}):
    model = register.declare_model(f"copy{{number}}.onnx", "ONNX", with_batch_dim=False)

    def method(x1, x2):
        return register.add_stage(model, x1, x2, outputs_count=1)

    method.__name__ = f"method{{number}}"
    register.register_method("y")(method)
"""


def test_more_models_than_lanes(exported, start, master):
    for number in range(9):
        (exported / f"copy{number}.onnx").write_bytes((exported / "add.onnx").read_bytes())
    message = start(MANY.format(count=9)).ready()
    assert [method.lane for method in message.methods if not method.name.startswith("@")] == [1, 2, 3, 4, 5, 6, 7, 1, 2]
    x = np.ones((2, 2), np.float32)
    calls = [master.submit(f"method{number}", [{"x1": x, "x2": x * number}]) for number in range(9)]
    assert master.wait(calls) == [{"instances": [{"y": (x + number).tolist()}]} for number in range(9)]
