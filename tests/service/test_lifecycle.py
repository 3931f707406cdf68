"""Starting, stopping and starting again; what a start-up script may do before, between and after the calls."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.harness.callers import GrpcCaller, RestCaller
from tests.harness.grpc_client import GrpcClient
from tests.harness.http_client import HttpClient
from tests.harness.server_process import ServerProcess, start_script
from tests.harness.waiting import wait_until

Serve = Callable[..., ServerProcess]
X = {"x": np.float32(1)}


def _basic(servables: Path, **arguments: object) -> dict[str, object]:
    return {"servable_directory": str(servables), "servable_name": "basic", **arguments}


def _answers(server: ServerProcess) -> None:
    for caller in (GrpcCaller(server), RestCaller(server)):
        caller.assert_same(caller.call("basic", "echo", X)[0], {"y": X["x"]})
        caller.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_server_whose_main_function_returned(servables: Path, tmp_path: Path, number: int) -> None:
    with ServerProcess(start_script([_basic(servables)]), tmp_path / "server") as server:
        server.wait_ready()
        _answers(server)
        server.signal(number)
        assert server.wait_exit() == 0
        assert "Traceback" not in server.output


def test_a_signal_while_the_main_thread_is_on_its_way_out(servables: Path, tmp_path: Path) -> None:
    """It is not over when the server has stopped, but soon after."""
    after = """
import threading, time, types
from mindspore_serving.server._master import app
stopped = threading.Event()

def end_main(seconds):
    stopped.set()
    while threading.main_thread().is_alive():
        time.sleep(0.001)

def hold_main():
    print("on its way", flush=True)
    stopped.wait()

app.time = types.SimpleNamespace(sleep=end_main)
threading._register_atexit(hold_main)
"""
    with ServerProcess(start_script([_basic(servables)], after=after), tmp_path / "server") as server:
        server.wait_for_line("^on its way")
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


def test_interrupt_reaches_a_main_function_that_goes_on(servables: Path, tmp_path: Path) -> None:
    after = """
import time
try:
    print("main goes on", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    with ServerProcess(start_script([_basic(servables)], after=after), tmp_path / "server") as server:
        server.wait_for_line("^main goes on")
        _answers(server)
        server.signal(signal.SIGINT)
        server.wait_for_line("^interrupted")
        assert server.wait_exit() == 0, server.report()


def test_signal_while_starting(servables: Path, tmp_path: Path) -> None:
    (servables / "starting" / "start").write_text("wait")
    config = {"servable_directory": str(servables), "servable_name": "starting"}
    try:
        with ServerProcess(start_script([config]), tmp_path / "server") as server:
            wait_until(lambda: list((servables / "starting").glob("waiting.*")), "a worker that starts")
            server.expected_exit_code = 1  # the script does not catch what start_servables raises
            server.signal(signal.SIGTERM)
            server.wait_exit()
            assert "Fail to start workers because of signal SIGINT or SIGTERM" in server.output
    finally:
        for file in (servables / "starting").glob("waiting.*"):
            file.unlink()
        (servables / "starting" / "start").unlink()


def test_stop_and_start_again_in_one_process(servables: Path, tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    steps.mkdir()
    script = f"""
import os, threading, time
from mindspore_serving import server

def wait_for(name):
    while not os.path.exists({str(steps)!r} + "/" + name):
        time.sleep(0.005)

for turn in range(3):
    server.start_servables(server.ServableStartConfig(**{_basic(servables)!r}))
    server.start_grpc_server("127.0.0.1:0")
    server.start_restful_server("127.0.0.1:0")
    print("turn", turn, "is up", flush=True)
    wait_for(f"stop{{turn}}")
    server.stop()
    server.stop()
    print("turn", turn, "has ended with", threading.active_count(), "threads and",
          len(os.listdir("/proc/self/fd")), "descriptors", flush=True)
"""
    with ServerProcess(script, tmp_path / "server") as server:
        left = []
        for turn in range(3):
            server.wait_for_line(f"^turn {turn} is up")
            text = server.output.partition(f"turn {turn - 1} has ended")[2] if turn else server.output
            grpc_address = text.partition("Serving gRPC server start success, listening on ")[2].split()[0]
            rest_address = text.partition("Serving RESTful server start success, listening on ")[2].split()[0]
            with GrpcClient(grpc_address) as grpc_client, HttpClient(rest_address) as http_client:
                assert grpc_client.call("basic", "echo", X).values == [{"y": 1}]
                assert http_client.call("basic", "echo", {"x": 1}).instances == [{"y": 1}]
            workers = set(server.workers())
            (steps / f"stop{turn}").touch()
            ended = server.wait_for_line(rf"^turn {turn} has ended with (\d+) threads and (\d+) descriptors")
            left.append((int(ended.group(1)), int(ended.group(2))))
            assert workers
            assert not workers & set(server.workers())  # those of the next turn may be there already
        assert server.wait_exit() == 0
    assert left[0][0] == 1, "no thread of ours outlives stop()"
    assert left[2][1] <= left[1][1], f"descriptors grow from start to start: {left}"


def test_second_start_calls_raise_and_leave_the_server_alone(servables: Path, tmp_path: Path) -> None:
    calls = [
        "server.start_servables(configs)",
        "server.start_grpc_server('127.0.0.1:0')",
        "server.start_restful_server('127.0.0.1:0')",
        "server.start_grpc_server(7)",
        "server.start_servables('x')",
    ]
    after = f"""
for call in {calls!r}:
    try:
        eval(call)
    except RuntimeError as error:
        print("RAISED", error, flush=True)
"""
    script = start_script([_basic(servables)], after=after)
    with ServerProcess(script, tmp_path / "server", env={"GLOG_v": "1"}) as server:
        server.wait_ready()
        raised = [line for line in server.output.splitlines() if line.startswith("RAISED ")]
        assert len(raised) == len(calls)
        assert "Master gRPC server is already running" in raised[0]
        assert "Serving Error: Serving gRPC server is already running" in raised[1]
        assert "Serving Error: RESTful server is already running" in raised[2]
        assert re.search(r"^\[INFO\] SERVING\(.*\] Serving gRPC server listens on ", server.output, re.MULTILINE)
        assert re.search(r"^\[ERROR\] SERVING\(.*\] .*gRPC server is already running", server.output, re.MULTILINE)
        _answers(server)


def test_one_address_for_both_front_ends(servables: Path, tmp_path: Path) -> None:
    after = """
import re, socket
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    taken = "127.0.0.1:%d" % probe.getsockname()[1]
    probe.listen()
    for start in (server.start_grpc_server, server.start_restful_server):
        try:
            start(taken)
        except RuntimeError as error:
            print("RAISED", error, flush=True)
server.start_grpc_server(taken)
try:
    server.start_restful_server(taken)
except RuntimeError as error:
    print("RAISED", error, flush=True)
"""
    script = start_script([_basic(servables)], after=after, front_ends=False)
    with ServerProcess(script, tmp_path / "server") as server:
        server.wait_ready()
        raised = [line for line in server.output.splitlines() if line.startswith("RAISED ")]
        assert "Serving gRPC server start failed, create server failed, address" in raised[0]
        assert "RESTful server start failed, bind to the socket address" in raised[1]
        assert "RESTful server start failed, bind to the socket address" in raised[2]
        with GrpcClient(server.grpc_address) as client:
            assert client.call("basic", "echo", X).values == [{"y": 1}]


def test_start_calls_work_from_another_thread(servables: Path, tmp_path: Path) -> None:
    script = f"""
import threading
from mindspore_serving import server

def start():
    server.start_servables(server.ServableStartConfig(**{_basic(servables)!r}))
    server.start_grpc_server("127.0.0.1:0")
    server.start_restful_server("127.0.0.1:0")

thread = threading.Thread(target=start)
thread.start()
thread.join()
print("main returned", flush=True)
"""
    with ServerProcess(script, tmp_path / "server") as server:
        server.wait_ready()
        _answers(server)


def test_the_scripts_own_children_and_handlers_are_left_alone(servables: Path, tmp_path: Path) -> None:
    before = """
import signal, subprocess, sys
numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
handlers = [signal.getsignal(number) for number in numbers]
"""
    after = """
print("child's code", subprocess.run([sys.executable, "-c", "raise SystemExit(3)"]).returncode, flush=True)
server.stop()
print("handlers are back", handlers == [signal.getsignal(number) for number in numbers], flush=True)
"""
    with ServerProcess(start_script([_basic(servables)], before=before, after=after), tmp_path / "server") as server:
        server.wait_for_line("^child's code 3$")
        server.wait_for_line("^handlers are back True$")
        assert server.wait_exit() == 0


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ("raise ValueError('of the script')", "ValueError: of the script"),
        ("server.start_restful_server('no address')", "no address"),
        ("server.stop()\nraise ValueError('after the end')", "ValueError: after the end"),
    ],
)
def test_a_script_that_fails_ends_the_server(servables: Path, tmp_path: Path, after: str, told: str) -> None:
    server = ServerProcess(start_script([_basic(servables)], after=after), tmp_path / "s")
    try:
        server.wait_for_line(told)
        assert server.wait_exit() == 1
        server.assert_nothing_left()
    finally:
        server.kill()


def test_an_exit_ends_the_server_only_after_stop(servables: Path, tmp_path: Path) -> None:
    """Its code is the process's in both cases."""
    ended = "lambda: (threading.main_thread().join(), os.write(1, b'main has ended\\n'))"
    after = f"threading.Thread(target={ended}, daemon=True).start()\nraise SystemExit(3)"
    with ServerProcess(start_script([_basic(servables)], after=after), tmp_path / "goes on") as server:
        server.expected_exit_code = 3
        server.wait_for_line("^main has ended$")
        _answers(server)
    stopped = start_script([_basic(servables)], after="server.stop()\nraise SystemExit(3)")
    with ServerProcess(stopped, tmp_path / "stopped") as server:
        server.expected_exit_code = 3
        assert server.wait_exit() == 3


def test_an_error_that_the_script_catches_leaves_the_server_alone(servables: Path, tmp_path: Path) -> None:
    after = """
try:
    server.start_restful_server('no address')
except RuntimeError:
    pass
failing = threading.Thread(target=lambda: 1 / 0)
failing.start()
failing.join()
"""
    with ServerProcess(start_script([_basic(servables)], after=after.strip()), tmp_path / "server") as server:
        _answers(server.wait_ready())


def test_the_servers_end_gives_the_hook_for_exceptions_back(servables: Path, tmp_path: Path) -> None:
    before = "import sys\nhook = sys.excepthook"
    after = "during = sys.excepthook is hook\nserver.stop()\nprint('hooks', during, sys.excepthook is hook, flush=True)"
    with ServerProcess(start_script([_basic(servables)], before=before, after=after), tmp_path / "server") as server:
        server.wait_for_line("^hooks False True$")
        assert server.wait_exit() == 0


def test_names_can_be_imported_with_a_star() -> None:
    names = "start_servables, ServableStartConfig, start_grpc_server, start_restful_server, stop, SSLConfig, register"
    code = f"from mindspore_serving.server import *\nprint({names})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_the_server_loads_nothing_heavy() -> None:
    heavy = ("numpy", "mindspore", "grpc", "google.protobuf", "onnxruntime")
    code = f"import sys\nfrom mindspore_serving import server\nprint([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
