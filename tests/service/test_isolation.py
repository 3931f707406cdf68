"""What outsiders cannot reach: the server's own methods, its sockets, its descriptors, and files beside its models."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.harness import processes
from tests.harness.callers import Failure, GrpcCaller, RestCaller
from tests.harness.gates import gate_request, wait_entered
from tests.harness.grpc_client import GrpcClient, decode_reply
from tests.harness.http_client import HttpClient
from tests.harness.server_process import ServerProcess, start_script

ROWS = [{"x1": np.array([i, 2], np.float32), "x2": np.array([1, 1], np.float32)} for i in range(8)]
_NOBODY = 65534


@pytest.fixture(scope="module")
def server(servables_with_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One device worker, one worker whose models run there, one request at a time."""
    config = {"servable_directory": str(servables_with_models), "servable_name": "models", "device_ids": 0}
    slow = {"servable_directory": str(servables_with_models), "servable_name": "slow"}
    script = start_script(
        [{**config, "num_parallel_workers": 2}, slow],
        before="from mindspore_serving.server.master import context\ncontext.set_max_enqueued_requests(1)",
    )
    with ServerProcess(script, tmp_path_factory.mktemp("isolation")) as started:
        yield started.wait_ready(120)


def test_model_calls_of_extra_workers_are_no_requests_of_clients(server: ServerProcess, tmp_path: Path) -> None:
    """While the one request that there may be runs, its own model calls go on, and a second request is refused."""
    with GrpcClient(server.grpc_address) as client, HttpClient(server.rest_address) as http:
        for method in ("rows", "called", "called_in_batches"):
            for _ in range(4):  # both workers get some
                results = client.call("models", method, *ROWS).values
                for row, result in zip(ROWS, results, strict=True):
                    np.testing.assert_array_equal(result["y"], row["x1"] + row["x2"])
        gate = tmp_path / "gate"
        waiting = client.future(gate_request(gate))
        wait_entered(gate)
        assert client.call("models", "rows", *ROWS).error[0] == 1
        assert http.call("models", "rows", {"x1": [1.0, 2.0], "x2": [1.0, 2.0]}).status == 429
        gate.touch()
        assert decode_reply(waiting.result()).values


@pytest.mark.parametrize("method", ["@call_tensor_add.mindir_0", "@call_add_sub.mindir_0", "@"])
@pytest.mark.parametrize("make_caller", [GrpcCaller, RestCaller])
def test_the_methods_that_model_calls_use_cannot_be_called(
    server: ServerProcess, make_caller: type[GrpcCaller] | type[RestCaller], method: str
) -> None:
    caller = make_caller(server)
    failure = caller.call("models", method, {"x0": ROWS[0]["x1"], "x1": ROWS[0]["x2"]})
    caller.close()
    assert isinstance(failure, Failure)
    assert f"method({method}) , method is not available" in failure.text


def test_paths_lead_to_registered_names_only(server: ServerProcess) -> None:
    with HttpClient(server.rest_address) as http:
        for path in ("/model/..%2f..%2fetc:rows", "/model/../model/models:rows", "/model/models%00:rows"):
            assert http.request(path, {"instances": {"x1": 1}}).status == 404


def test_only_the_public_ports_can_be_connected_to(server: ServerProcess) -> None:
    public = {int(address.rpartition(":")[2]) for address in (server.grpc_address, server.rest_address)}
    pids = [server.pid, *server.workers()]
    assert len(pids) == 4
    sockets = {
        target[len("socket:[") : -1]
        for pid in pids
        for target in processes.descriptor_targets(pid).values()
        if target.startswith("socket:[")
    }
    listening: set[int] = set()
    for table in ("tcp", "tcp6"):
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:]):
            if fields[9] in sockets and fields[3] == "0A":
                listening.add(int(fields[1].rpartition(":")[2], 16))
    assert listening == public
    for fields in map(str.split, Path("/proc/net/unix").read_text().splitlines()[1:]):
        if fields[6] in sockets:
            assert len(fields) == 7, f"a socket with a name: {fields}"


def test_no_descriptor_is_inherited_or_open_to_others(server: ServerProcess) -> None:
    for pid in [server.pid, *server.workers()]:
        folder = Path(f"/proc/{pid}/fd")
        assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0
        targets = processes.descriptor_targets(pid)
        for number, target in targets.items():
            try:
                information = Path(f"/proc/{pid}/fdinfo/{number}").read_text()
            except FileNotFoundError:  # closed meanwhile, as what log lines are written through is
                continue
            flags = re.search(r"flags:\s+([0-7]+)", information)
            assert number <= 2 or int(flags[1], 8) & os.O_CLOEXEC, f"{number} -> {target} goes to programs started here"
            # Standard error has a second descriptor, for the stacks of a crash.
            assert not target.startswith(("/dev/shm", "/tmp/")) or target in (targets[0], targets[1], targets[2]), (
                f"memory or a file with a name: {target}"
            )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_cannot_open_the_workers_memory(server: ServerProcess) -> None:
    targets = {pid: processes.descriptor_targets(pid) for pid in [server.pid, *server.workers()]}
    memory = [f"/proc/{pid}/fd/{n}" for pid, all_of in targets.items() for n, to in all_of.items() if "memfd" in to]
    assert len(memory) >= 6, "three segments for each worker"
    for path in [*memory, f"/proc/{server.pid}/mem", f"/proc/{server.pid}/environ"]:
        looked = subprocess.run(
            ["/bin/sh", "-c", f"head -c 1 {path}"], user=_NOBODY, group=_NOBODY, extra_groups=[], capture_output=True
        )
        assert looked.returncode != 0
        assert b"Permission denied" in looked.stderr


def test_what_user_code_starts_inherits_nothing(tmp_path: Path) -> None:
    """A program that `servable_config.py` starts, without closing descriptors as `subprocess` does."""
    seen = tmp_path / "seen"
    folder = tmp_path / "servables" / "starter"
    folder.mkdir(parents=True)
    (folder / "servable_config.py").write_text(
        "import os\n"
        "from mindspore_serving.server import register\n"
        f"os.system('ls -l /proc/self/fd > {seen}')\n"
        "@register.register_method(output_names='y')\n"
        "def echo(x):\n"
        "    return x\n"
    )
    config = {"servable_directory": str(folder.parent), "servable_name": "starter"}
    with ServerProcess(start_script([config], front_ends=False), tmp_path / "server") as server:
        server.wait_ready()
    found = re.findall(r"(\d+) -> (\S+)", seen.read_text())
    others = {int(number): target for number, target in found if int(number) > 2 and not target.startswith("/proc/")}
    assert not others
