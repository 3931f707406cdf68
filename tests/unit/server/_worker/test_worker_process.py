"""A worker process from its start message to its end."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from mindspore_serving.server.control_messages import StopWorker, WorkerFailed, WorkerLeaving, encode

ECHO = """
from mindspore_serving.server import register

def same(x):
    return x

@register.register_method(output_names=["y"])
def echo(x):
    return register.add_stage(same, x, outputs_count=1)
"""
SLOW = """
import signal, time
from mindspore_serving.server import register

def slow(x):
    print("stage started", flush=True)
    time.sleep(600)

@register.register_method(output_names=["y"])
def wait(x):
    return register.add_stage(slow, x, outputs_count=1)
"""


def wait_for_log(worker, text):
    deadline = time.monotonic() + 60
    while text not in worker.log():
        assert time.monotonic() < deadline, worker.log()
        os.sched_yield()


def test_ready_serve_stop(master, start_worker, tmp_path):
    worker = start_worker(ECHO, device_id=3)
    ready = worker.ready()
    assert ready.version_number == 1
    (method,) = ready.methods
    assert (method.name, method.inputs, method.outputs, method.lane, method.credit) == ("echo", ("x",), ("y",), 0, 8)
    assert master.ask("echo", {"x": [1, 2]}, {"x": "text"}) == [{"y": [1, 2]}, {"y": "text"}]
    worker.control.sendall(encode(StopWorker()))
    assert worker.exit_code() == 0
    assert (
        f"Serving: Start servable success, servable directory: '{tmp_path}', servable name: 'test', version number: 1"
        in worker.log()
    )


def test_the_config_sees_the_device_and_may_print(master, start_worker):
    worker = start_worker("import os\nprint('device', os.environ['SERVING_DEVICE_ID'])\n" + ECHO, device_id=3)
    worker.ready()
    assert "device 3" in worker.log()


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ("import nothing_here", "import test.servable_config failed, No module named 'nothing_here'"),
        ("x = (", "import test.servable_config failed, '(' was never closed"),
        ("undefined_name", "import test.servable_config failed, name 'undefined_name' is not defined"),
        ("", "There is no method registered for servable"),
    ],
)
def test_a_failed_start_is_told(start_worker, config, error):
    worker = start_worker(config)
    message = worker.message()
    assert isinstance(message, WorkerFailed)
    assert error in message.error
    assert worker.exit_code() == 3


WITH_MODEL = "from mindspore_serving.server import register\nregister.declare_model('a.mindir', 'MindIR')\n" + ECHO


@pytest.mark.parametrize("version_number", [0, 1])
@pytest.mark.parametrize(
    "place",
    [
        {"device_id": 0},
        {"device_id": None, "extra_index": 0},
        {"device_id": None, "extra_index": 0, "own_device": False},
    ],
    ids=["device", "extra on CPU", "extra"],
)
def test_a_model_needs_a_version_directory_in_every_worker(start_worker, place, version_number):
    worker = start_worker(WITH_MODEL, **place, version_number=version_number)
    message = worker.message()
    assert isinstance(message, WorkerFailed)
    assert "There is no valid version directory of models" in message.error


def test_a_config_that_leaves_at_once_ends_the_process(start_worker):
    worker = start_worker("import os; os._exit(1)")
    assert worker.message() is None
    assert worker.exit_code() == 1


def test_a_config_that_exits_is_told_as_a_failure(start_worker):
    worker = start_worker("import sys; sys.exit('no licence')")
    message = worker.message()
    assert isinstance(message, WorkerFailed)
    assert "no licence (SystemExit in file" in message.error
    assert worker.exit_code() == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_worker_although_a_stage_runs(master, start_worker, number):
    worker = start_worker(SLOW)
    worker.ready()
    master.submit("wait", [{"x": 1}])
    wait_for_log(worker, "stage started")
    worker.process.send_signal(number)
    message = worker.message()
    assert isinstance(message, WorkerLeaving)
    assert signal.Signals(number).name in message.reason
    assert worker.exit_code() == 0


FORKING = """
import multiprocessing, os, signal, time
from mindspore_serving.server import register

def sleep():
    time.sleep(600)

def fork(x):
    child = multiprocessing.get_context("fork").Process(target=sleep)
    child.start()
    os.kill(child.pid, int(x))
    child.join()
    return child.exitcode

@register.register_method(output_names=["y"])
def end_child(x):
    return register.add_stage(fork, x, outputs_count=1)
"""


def test_signals_of_processes_that_a_function_forks_are_theirs(master, start_worker):
    """Such as those by which `multiprocessing.Pool` ends its processes."""
    worker = start_worker(FORKING)
    worker.ready()
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        assert master.ask("end_child", {"x": int(number)}) == [{"y": -number}]
    worker.control.sendall(encode(StopWorker()))
    assert worker.message() is None
    assert worker.exit_code() == 0


def test_a_signal_while_loading_ends_the_worker(start_worker):
    worker = start_worker("import time\nprint('loading', flush=True)\ntime.sleep(600)\n" + ECHO)
    wait_for_log(worker, "loading")
    worker.process.send_signal(signal.SIGTERM)
    assert isinstance(worker.message(), WorkerLeaving)
    assert worker.exit_code() == 0


def test_the_masters_end_ends_the_worker(master, start_worker):
    worker = start_worker(SLOW)
    worker.ready()
    master.submit("wait", [{"x": 1}])
    wait_for_log(worker, "stage started")
    worker.control.close()
    assert worker.exit_code() == 0
    assert f"Worker detect parent pid={os.getpid()} has exited" in worker.log()


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_children_of_the_servable_end_with_it(master, start_worker):
    child = "import subprocess\nprint('child', subprocess.Popen(['sleep', '600']).pid, 'end', flush=True)\n"
    worker = start_worker(child + ECHO)
    worker.ready()
    pid = int(worker.log().split("child ")[1].split()[0])
    worker.process.send_signal(signal.SIGTERM)
    assert worker.exit_code() == 0
    deadline = time.monotonic() + 60
    while is_running(pid):
        assert time.monotonic() < deadline
        os.sched_yield()


SLOW_END = """
import os, threading
kill, signalled = os.killpg, threading.Event()

def kill_slowly(*arguments):
    kill(*arguments)
    signalled.wait(1)  # nobody sets it: the signal thread gets its turn

os.killpg = kill_slowly
raise ValueError("cannot be loaded")
"""


def test_the_end_of_its_children_does_not_look_like_a_signal_to_the_worker(start_worker):
    worker = start_worker(SLOW_END)
    assert isinstance(worker.message(), WorkerFailed)
    assert worker.message() is None, "it does not say that it leaves"
    assert worker.exit_code() == 3


def test_handled_batches_are_logged_at_info(master, start_worker, monkeypatch):
    monkeypatch.setenv("GLOG_v", "1")
    worker = start_worker(ECHO)
    worker.ready()
    master.ask("echo", {"x": 1})
    wait_for_log(worker, "WorkerRequestHandle Time Cost")


def test_a_stage_that_fails_all_the_time_does_not_fill_the_log(master, start_worker):
    worker = start_worker(ECHO.replace("return x", "raise ValueError(int(x))"))
    worker.ready()
    master.ask("echo", *[{"x": i} for i in range(100)])
    worker.control.sendall(encode(StopWorker()))
    assert worker.exit_code() == 0
    logged = worker.log().count("Traceback (most recent call last)")
    left_out = re.findall(r"(\d+) failures of method 'echo', stage 1 were left out of the log", worker.log())
    assert 10 <= logged < 100
    assert logged + sum(map(int, left_out)) == 100


def test_errors_of_stages_are_logged_with_their_traceback(master, start_worker):
    worker = start_worker(ECHO.replace("return x", "return x.missing"))
    worker.ready()
    (error,) = master.ask("echo", {"x": 1})
    assert "has no attribute 'missing'" in error
    wait_for_log(worker, "AttributeError")
    assert "servable_config.py" in worker.log()


CRASH = """
import faulthandler, os, signal, sys
from mindspore_serving.server import register

def lose_standard_error():
    os.close(2)
    os.open("other.txt", os.O_WRONLY | os.O_CREAT)

def enable_their_own():
    faulthandler.enable(open("other.txt", "w"))

{before}

def crash(number):
    os.kill(os.getpid(), int(number))

@register.register_method(output_names=["y"])
def fail(number):
    return register.add_stage(crash, number, outputs_count=1)
"""


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL])
def test_a_crash_leaves_the_python_stacks_in_the_log(master, start_worker, tmp_path, monkeypatch, number):
    monkeypatch.chdir(tmp_path)  # a core file, where they are written, is not to stay
    worker = start_worker(CRASH.format(before=""))
    worker.ready()
    master.submit("fail", [{"number": int(number)}])
    assert worker.exit_code() == -number
    text = worker.log()
    assert "Fatal Python error: " in text
    assert "servable_config.py" in text.partition("in crash")[0].splitlines()[-1], "where it was"
    assert text.count("Thread 0x") >= 2, "the other threads, too"


@pytest.mark.parametrize("before", ["lose_standard_error()", "enable_their_own()"])
def test_the_stacks_go_where_they_should_whatever_a_servable_does(master, start_worker, tmp_path, monkeypatch, before):
    monkeypatch.chdir(tmp_path)
    worker = start_worker(CRASH.format(before=before))
    worker.ready()
    master.submit("fail", [{"number": int(signal.SIGSEGV)}])
    assert worker.exit_code() == -signal.SIGSEGV
    written = {"log": "in crash" in worker.log(), "other": "in crash" in (tmp_path / "other.txt").read_text()}
    assert written == {"log": before == "lose_standard_error()", "other": before == "enable_their_own()"}
