"""What a start-up script may ask for: order of the calls, addresses, versions, devices, directories of every kind."""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.harness import processes
from tests.harness.callers import GrpcCaller, RestCaller
from tests.harness.gates import gate_request, wait_entered
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


def test_front_ends_may_come_before_the_servables(servables: Path, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    before = f"""
import os, time
server.start_grpc_server("127.0.0.1:0")
server.start_restful_server("127.0.0.1:0")
while not os.path.exists({str(gate)!r}):
    time.sleep(0.005)
"""
    script = start_script([_basic(servables)], before=before, front_ends=False)
    with ServerProcess(script, tmp_path / "server") as server:
        with GrpcClient(server.grpc_address) as client:
            code, text = client.call("basic", "echo", X).error
            assert code == 2
            assert "servable is not available" in text
        gate.touch()
        server.wait_ready()
        _answers(server)


@pytest.mark.parametrize("old", [False, True])
def test_unix_socket(servables: Path, tmp_path: Path, old: bool) -> None:
    """A socket that a server left behind, as after SIGKILL, is replaced."""
    if old:
        (tmp_path / "server").mkdir()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(tmp_path / "server" / "serving.sock"))
    after = "server.start_grpc_server('unix:serving.sock')"
    script = start_script([_basic(servables)], after=after, front_ends=False)
    with ServerProcess(script, tmp_path / "server") as server:
        server.wait_ready()
        assert server.grpc_address == "unix:serving.sock"
        with GrpcClient(f"unix:{server.directory}/serving.sock") as client:
            assert client.call("basic", "echo", X).values == [{"y": 1}]


def test_several_versions_and_devices(servables: Path, tmp_path: Path) -> None:
    """Two of the configurations are for one version, which they become."""
    configs = [
        _basic(servables, version_number=1, device_ids=5),
        _basic(servables, version_number=3, device_ids=7),
        _basic(servables, version_number=1, device_ids=(4, 5)),
    ]
    with ServerProcess(start_script(configs), tmp_path / "server") as server:
        server.wait_ready()
        assert len(server.workers()) == 3
        with GrpcClient(server.grpc_address) as client:
            for version, devices in {0: {"7"}, 1: {"4", "5"}, 3: {"7"}}.items():
                results = client.call("basic", "device", *[X] * 40, version=version).values
                assert {result["device"] for result in results} <= devices
            code, text = client.call("basic", "device", X, version=2).error
            assert code == 2
            assert "servable is not available" in text
        with HttpClient(server.rest_address) as http_client:
            for path, device in {"": "7", "/version/0": "7", "/version/3": "7"}.items():
                reply = http_client.request(f"/model/basic{path}:device", {"instances": {"x": 1}})
                assert reply.instances == [{"device": device}]
        assert set(server.worker_logs()) == {
            "log_basic_device4_version1.log",
            "log_basic_device5_version1.log",
            "log_basic_device7_version3.log",
        }


FORMS = [
    # version, device ids, parallel workers, device type; and the workers that come of it
    (0, None, 0, None, ["extra0"]),
    (1, None, 0, "None", ["extra0"]),
    (0, 0, 0, "CPU", ["device0"]),
    (1, 0, 0, None, ["device0"]),
    (0, None, 2, "none", ["extra0", "extra1"]),
    (1, (), 2, "CPU", ["extra0", "extra1"]),
    (0, 0, 2, None, ["device0", "extra0"]),
    (1, 0, 2, "cpu", ["device0", "extra0"]),
    (0, (0, 1), 4, None, ["device0", "device1", "extra0", "extra1"]),
]


def test_every_form_of_workers_starts_and_each_of_them_works(servables: Path, tmp_path: Path) -> None:
    """1. One servable for each form, all on the same devices. 2. Twenty instances each. 3. Every log tells of some."""
    configs = []
    for number, (version, device_ids, parallel, device_type, _) in enumerate(FORMS):
        (tmp_path / f"form{number}").symlink_to(servables / "basic")
        configs.append(
            {
                "servable_directory": str(tmp_path),
                "servable_name": f"form{number}",
                "version_number": version,
                "device_ids": device_ids,
                "num_parallel_workers": parallel,
                "device_type": device_type,
            }
        )
    with ServerProcess(start_script(configs), tmp_path / "server", env={"GLOG_v": "1"}) as server:
        server.wait_ready()
        told = {" ".join(processes.command_line(pid).split(" ")[-4:-1]) for pid in server.workers()}
        assert told == {
            f"--servable=form{number} --version=1 --{place[:-1]}={place[-1]}"
            for number, (*_, places) in enumerate(FORMS)
            for place in places
        }
        with GrpcClient(server.grpc_address) as client:
            for number in range(len(FORMS)):
                results = client.call(f"form{number}", "echo", *[{"x": np.int32(i)} for i in range(20)], version=1)
                assert [int(result["y"]) for result in results.values] == list(range(20))
        wanted = {f"log_form{n}_{place}_version1.log" for n, (*_, places) in enumerate(FORMS) for place in places}
        assert set(server.worker_logs()) == wanted
        wait_until(
            lambda: all("WorkerRequestHandle Time Cost" in log for log in server.worker_logs().values()),
            "a line of every worker about the instances it handled",
        )


_MODEL_CONFIG = """
from mindspore_serving.server import register

model = register.declare_model("tensor_add.mindir", "MindIR", with_batch_dim=False)


@register.register_method("y")
def add(x1, x2):
    return register.add_stage(model, x1, x2, outputs_count=1)
"""


def test_models_on_cpu_run_with_and_without_device_ids(exported_models: Path, tmp_path: Path) -> None:
    forms = [(None, None, 0), ("CPU", None, 0), ("CPU", 0, 0), ("CPU", 0, 2), ("CPU", None, 2)]
    configs = []
    for number, (device_type, device_ids, parallel) in enumerate(forms):
        version = tmp_path / f"form{number}" / "1"
        version.mkdir(parents=True)
        (version.parent / "servable_config.py").write_text(_MODEL_CONFIG)
        shutil.copy(exported_models / "tensor_add.mindir", version)
        configs.append(
            {
                "servable_directory": str(tmp_path),
                "servable_name": f"form{number}",
                "device_type": device_type,
                "device_ids": device_ids,
                "num_parallel_workers": parallel,
            }
        )
    x = np.array([[1, 2], [3, 4]], np.float32)
    with ServerProcess(start_script(configs), tmp_path / "server", env={"GLOG_v": "1"}) as server:
        server.wait_ready(120)
        with GrpcClient(server.grpc_address) as client:
            for number in range(len(forms)):
                results = client.call(f"form{number}", "add", *[{"x1": x * i, "x2": x} for i in range(20)]).values
                np.testing.assert_array_equal([result["y"] for result in results], [x * i + x for i in range(20)])
        logs = server.worker_logs()
    assert len(logs) == 7
    assert all("Model 'tensor_add.mindir' is run by " in log for log in logs.values()), "each loaded the model itself"


def test_all_workers_of_a_servable_get_work(servables: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    config = {"servable_directory": str(servables), "servable_name": "slow", "device_ids": (0, 1)}
    with ServerProcess(start_script([config]), tmp_path / "server") as server:
        server.wait_ready()
        with GrpcClient(server.grpc_address) as client:
            waiting = [client.future(gate_request(gate)) for _ in range(2)]
            workers = wait_entered(gate, 2)
            gate.touch()
            for future in waiting:
                future.result()
        assert set(workers) == set(server.workers())


def test_a_servable_in_a_directory_with_blanks_and_links(servables: Path, tmp_path: Path) -> None:
    (tmp_path / "with blanks").mkdir()
    (tmp_path / "with blanks" / "json").symlink_to(servables / "basic")
    config = {"servable_directory": str(tmp_path / "with blanks"), "servable_name": "json"}
    with ServerProcess(start_script([config]), tmp_path / "a server") as server:
        server.wait_ready()
        with GrpcClient(server.grpc_address) as client:
            assert client.call("json", "echo", X).values == [{"y": 1}]


def test_a_servable_with_the_name_of_an_option(servables: Path, tmp_path: Path) -> None:
    (tmp_path / "--help").symlink_to(servables / "basic")
    config = {"servable_directory": str(tmp_path), "servable_name": "--help"}
    with ServerProcess(start_script([config]), tmp_path / "server") as server:
        server.wait_ready()
        with GrpcClient(server.grpc_address) as client:
            assert client.call("--help", "echo", X).values == [{"y": 1}]


_WITH_HELPER = """
from mindspore_serving.server import register

from .helper import double


@register.register_method("y")
def twice(x):
    return register.add_stage(double, x, outputs_count=1)
"""


def test_relative_servable_directory_is_the_scripts(servables: Path, tmp_path: Path) -> None:
    directory = tmp_path / "server"
    (directory / "own").mkdir(parents=True)
    (directory / "own" / "servable_config.py").write_text(_WITH_HELPER)
    (directory / "own" / "helper.py").write_text("def double(x):\n    return x * 2\n")
    server = ServerProcess(start_script([{"servable_directory": ".", "servable_name": "own"}]), directory)
    try:
        server.wait_ready()
        with GrpcClient(server.grpc_address) as client:
            assert client.call("own", "twice", X).values == [{"y": 2}]
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
    finally:
        server.kill()


def test_status_200_for_old_clients(servables: Path, tmp_path: Path) -> None:
    with ServerProcess(start_script([_basic(servables)], rest="always_200=True"), tmp_path / "server") as server:
        server.wait_ready()
        with HttpClient(server.rest_address) as client:
            for path in ("/model/nobody:echo", "/model/basic:no_such", "/nothing"):
                reply = client.request(path, {"instances": {"x": 1}})
                assert reply.status == 200
                assert reply.error


def test_the_logs_can_go_elsewhere(servables: Path, tmp_path: Path) -> None:
    env = {"SERVING_LOG_DIR": str(tmp_path / "logs")}
    with ServerProcess(start_script([_basic(servables, device_ids=0)]), tmp_path / "server", env) as server:
        server.wait_ready()
        _answers(server)
        assert [path.name for path in (tmp_path / "logs").iterdir()] == ["log_basic_device0_version1.log"]
        assert not server.worker_logs()
