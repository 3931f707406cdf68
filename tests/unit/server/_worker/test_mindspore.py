"""What MindSpore alone loads, and models that nothing can serve."""

from __future__ import annotations

import re
import signal

import numpy as np
import pytest

from mindspore_serving.server.control_messages import WorkerFailed

KEY = b"0123456789ABCDEF"


def rows(low, count):
    return [{"x1": np.float32([i, i + 1]), "x2": np.float32([1, 2])} for i in range(low, low + count)]


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


CRASH = """
import os, signal

def crash(x1):
    os.kill(os.getpid(), signal.SIGSEGV)

@register.register_method("y")
def fail(x1):
    return register.add_stage(crash, x1, outputs_count=1)
"""


def test_a_crash_beside_mindspore_leaves_its_stacks_in_the_log_and_no_key(start, master, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a core file, where they are written, is not to stay
    worker = start(one_model("gcm.mindir", batch=True) + CRASH, dec_key=KEY)
    worker.ready()
    master.submit("fail", [{"x1": 1}])
    assert worker.exit_code() == -signal.SIGSEGV
    assert " in crash\n" in worker.log()
    assert KEY.decode() not in worker.log()


LOAD = "Load model failed, servable directory: "


@pytest.mark.parametrize(
    ("config", "options", "texts"),
    [
        (one_model("missing.mindir"), {}, [LOAD, "missing.mindir' does not exist"]),
        (one_model("gcm.mindir"), {}, [LOAD, "gcm.mindir' is not a MindIR file, or it is encrypted"]),
        (one_model("gcm.mindir"), {"dec_key": KEY[::-1]}, [LOAD, "encrypted with another key or mode"]),
        (
            one_model("empty.mindir"),
            {},
            [LOAD, "empty.mindir' is not a MindIR file, or it is encrypted", "it is empty"],
        ),
        (one_model("norm.onnx"), {}, [LOAD, "norm.onnx' cannot be loaded as MindIR: "]),
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
def test_models_that_cannot_be_served(start, exported, config, options, texts):
    (exported / "empty.mindir").write_bytes(b"")
    worker = start(config, **options)
    message = worker.message()
    assert isinstance(message, WorkerFailed)
    assert all(text in message.error for text in texts), message.error
    assert worker.exit_code() == 3


THREADS = """
import mindspore
from mindspore.device_context.cpu import op_tuning
from mindspore_serving.server import register

set_threads = op_tuning.threads_num

def recorded(number):
    print("MindSpore is told to use threads:", number, flush=True)
    set_threads(number)

op_tuning.threads_num = recorded
{before}

for number, options in enumerate({options!r}):
    context = register.Context(**options)
    context.append_device_info(register.CPUDeviceInfo(engine="mindspore"))
    model = register.declare_model(["add.mindir", "norm.mindir"][number], "MindIR", context=context)

@register.register_method("y")
def method(x):
    return x
"""


@pytest.mark.parametrize(
    ("options", "environment", "threads", "says"),
    [
        ([{}], "", 1, None),
        ([{}], "2", 2, None),
        ([{"thread_num": 3}], "2", 3, "MindSpore runs on 3 threads, as Context(thread_num=...) says of add.mindir"),
        ([{"thread_num": 2}, {}], "", 2, "MindSpore runs on 2 threads"),
        (
            [{"thread_num": 2}, {"thread_num": 4, "enable_parallel": True}],
            "",
            4,
            "one number of threads for all models of a worker: 4, the largest of 2 for 'add.mindir', 4 for 'norm.mind",
        ),
    ],
    ids=["default", "environment", "context", "one of two", "two"],
)
def test_threads(start, monkeypatch, options, environment, threads, says):
    monkeypatch.setenv("GLOG_v", "1")
    monkeypatch.setenv("MINDSPORE_SERVING_ENGINE_THREADS", environment)
    worker = start(THREADS.format(before="", options=options))
    worker.ready()
    log = worker.log()
    assert log.count("MindSpore is told to use threads:") == 1
    assert f"MindSpore is told to use threads: {threads}\n" in log
    assert says is None or says in log
    assert "is not set to" not in log
    no_effect = re.findall("Model '(.*)': no effect on the MindSpore engine: (.*)", log)
    assert no_effect == ([("norm.mindir", "enable_parallel")] if "enable_parallel" in options[-1] else [])


def test_threads_that_the_users_code_has_set_stay(start):
    worker = start(THREADS.format(before="recorded(2)", options=[{"thread_num": 3}]))
    worker.ready()
    assert "MindSpore's number of threads is not set to 3: The 'threads_num' can not be set repeatedly" in worker.log()
