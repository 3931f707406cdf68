"""MindSpore as the engine, with models exported here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mindspore_serving.server.control_messages import StopWorker, WorkerFailed, encode

KEY = b"0123456789ABCDEF"

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


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    pytest.importorskip("mindspore", reason="MindSpore is not installed")
    directory = tmp_path_factory.mktemp("mindir")
    script = Path(__file__).with_name("export_models.py")
    subprocess.run([sys.executable, str(script), str(directory)], check=True, timeout=120)
    return directory


@pytest.fixture
def start(exported, tmp_path, start_worker):
    def start(config, **options):
        (tmp_path / "test").mkdir()
        (tmp_path / "test" / "1").symlink_to(exported)
        return start_worker(config, **options)

    return start


def rows(low, count):
    return [{"x1": np.float32([i, i + 1]), "x2": np.float32([1, 2])} for i in range(low, low + count)]


def test_models_of_all_kinds(start, master):
    worker = start(CONFIG)
    ready = worker.ready()
    assert [model["key"] for model in ready.models] == ["add.mindir", "add_sub.mindir", "dynamic.mindir", "norm.mindir"]
    # A newer MindSpore may lack the quick call; then this tells.
    assert {model["engine"] for model in ready.models} == {"MindSpore (direct call)"}
    assert [method.credit for method in ready.methods] == [8, 8, 96, 8, 8]

    a = np.arange(4, dtype=np.float32).reshape(2, 2)
    assert master.ask("add", {"x1": a, "x2": a}, {"x1": a, "x2": a + 1}) == [
        {"y": (2 * a).tolist()},
        {"y": (2 * a + 1).tolist()},
    ]
    for method in ("add_sub", "any_rows"):
        assert master.ask(method, *rows(0, 5)) == [{"y": [i + 1, i + 3], "z": [i - 1, i - 1]} for i in range(5)]
    assert master.ask("scaled", {"x": np.float32([1, 2])}) == [{"y": [3, 6]}]
    assert master.ask("called", {"x1": a, "x2": a}) == [{"y": (3 * a).tolist()}]
    assert master.ask("add", {"x1": a.astype(np.float64), "x2": a}) == [
        "Given model input 0 size 32 not match the size 16 defined in model"
    ]
    worker.control.sendall(encode(StopWorker()))
    assert worker.exit_code() == 0


ONE_MODEL = """
from mindspore_serving.server import register

model = register.declare_model({file!r}, {format!r}, with_batch_dim={batch})

@register.register_method("y")
def add(x1, x2):
    return register.add_stage(model, *[x1, x2][:{inputs}], outputs_count=1)
"""


def one_model(file, model_format="MindIR", batch=False, inputs=2):
    return ONE_MODEL.format(file=file, format=model_format, batch=batch, inputs=inputs)


@pytest.mark.parametrize(("file", "mode"), [("gcm.mindir", "AES-GCM"), ("cbc.mindir", "AES-CBC")])
def test_encrypted_models(start, master, file, mode):
    start(one_model(file, batch=True), dec_key=KEY, dec_mode=mode).ready()
    assert master.ask("add", *rows(0, 3)) == [{"y": [i + 1, i + 3]} for i in range(3)]


LOAD = "Load model failed, servable directory: "


@pytest.mark.parametrize(
    ("config", "options", "texts"),
    [
        (one_model("missing.mindir"), {}, [LOAD, "missing.mindir' does not exist"]),
        (one_model("gcm.mindir"), {}, [LOAD, "gcm.mindir' is not a MindIR file, or it is encrypted"]),
        (one_model("gcm.mindir"), {"dec_key": KEY[::-1]}, [LOAD, "encrypted with another key or mode"]),
        (one_model("add.mindir", "OM"), {}, [LOAD, "Not support device type CPU and model type OM. "]),
        (
            one_model("add.mindir", inputs=1),
            {},
            ["The inputs count 1 in register_method not equal to the count 2 defined in model"],
        ),
        (one_model("add.mindir"), {"version_number": 2}, ["There is no specified version directory of models"]),
        (one_model("add.mindir"), {"own_device": False}, ["has models declared by declare_model"]),
    ],
)
def test_models_that_cannot_be_served(start, config, options, texts):
    worker = start(config, **options)
    message = worker.message()
    assert isinstance(message, WorkerFailed)
    assert all(text in message.error for text in texts), message.error
    assert worker.exit_code() == 3
