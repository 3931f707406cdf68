"""The product's Python clients against a real server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from mindspore_serving.client import Client, aio
from tests.harness.gates import wait_entered
from tests.harness.protocol import DTYPES
from tests.harness.server_process import ServerProcess, start_script


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0,), (1, 0), (2, 0), (0, 2)], ids=str)
def test_arrays_there_and_back(plain_server: ServerProcess, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    client = Client(plain_server.grpc_address, "basic", "echo")
    x = np.ones(shape, dtype)
    (result,) = client.infer({"x": x})
    assert list(result) == ["y"]
    assert (result["y"].dtype, result["y"].shape) == (x.dtype, x.shape)
    np.testing.assert_array_equal(result["y"], x)
    assert not result["y"].flags.writeable


@pytest.mark.parametrize(
    ("value", "returned"),
    [
        ("", ""),
        ("grüße", "grüße"),
        (b"\x00\xff", b"\x00\xff"),
        (True, np.array([True])),
        (7, np.array([7])),
        (2**63, np.array([2**63], np.uint64)),
        (1.5, np.array([1.5])),
        (np.float16(2), np.array(2, np.float16)),
        (np.bool_(True), np.array(True)),
        (np.arange(6, dtype=np.int16).reshape(2, 3).T, np.array([[0, 3], [1, 4], [2, 5]], np.int16)),
    ],
    ids=repr,
)
def test_python_values_pass_through(plain_server: ServerProcess, value: Any, returned: Any) -> None:
    (result,) = Client(plain_server.grpc_address, "basic", "pass_through").infer([{"x": value}])
    if isinstance(returned, (str, bytes)):
        assert result == {"y": returned}
    else:
        assert (result["y"].dtype, result["y"].shape) == (returned.dtype, returned.shape)
        np.testing.assert_array_equal(result["y"], returned)


def test_some_instances_fail(plain_server: ServerProcess) -> None:
    client = Client(plain_server.grpc_address, "failing", "raises")
    first, failed, last = client.infer([{"x": np.int32(value)} for value in (1, -1, 2)])
    assert (first["y"], last["y"]) == (1, 2)
    assert list(failed) == ["error"]
    assert "negative value -1" in failed["error"]


def test_the_whole_request_fails(plain_server: ServerProcess) -> None:
    address = plain_server.grpc_address
    assert "negative value -1" in Client(address, "failing", "raises").infer([{"x": np.int32(-1)}] * 2)["error"]
    assert "method is not available" in Client(address, "basic", "no_such").infer({"x": 1})["error"]
    assert "servable is not available" in Client(address, "basic", "echo", 9).infer({"x": 1})["error"]
    assert "Cannot find input x" in Client(address, "basic", "echo").infer({"z": 1})["error"]
    assert "instances count" in Client(address, "basic", "echo").infer([])["error"]


def test_async_calls_overlap(plain_server: ServerProcess, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    client = Client(plain_server.grpc_address, "slow", "gate")
    waiting = [client.infer_async({"path": str(gate)}) for _ in range(3)]
    (other,) = Client(plain_server.grpc_address, "basic", "echo").infer_async({"x": np.float32(1)}).result()
    assert other["y"] == 1
    gate.touch()
    assert [len(one.result()) for one in waiting] == [1, 1, 1]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_async_results_are_those_of_infer(plain_server: ServerProcess, count: int) -> None:
    client = Client(plain_server.grpc_address, "failing", "raises")
    for instances in (
        [{"x": np.int32(i)} for i in range(count)],
        [{"x": np.int32(-i)} for i in range(count)],
        [{"x": np.int32(-1)}] * count,
        [{"z": 1}] * count,
    ):
        assert client.infer_async(instances).result() == client.infer(instances)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_async_calls_give_what_others_do(plain_server: ServerProcess, count: int) -> None:
    client = Client(plain_server.grpc_address, "failing", "raises")
    instances = [{"x": np.int32(value)} for value in (1, -1, 2, -3)[:count]]
    assert client.infer_async(instances).result() == client.infer(instances)


def test_time_out(plain_server: ServerProcess, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    client = Client(plain_server.grpc_address, "slow", "gate")
    result = client.infer({"path": str(gate)}, timeout_s=0.2)
    assert "Grpc Error, (4, 'deadline exceeded')" in result["error"]
    with pytest.raises(grpc.RpcError) as raised:
        client.infer_async({"path": str(gate)}, timeout_s=0.2).result()
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    gate.touch()


def test_one_client_in_many_threads(plain_server: ServerProcess) -> None:
    client = Client(plain_server.grpc_address, "basic", "echo")
    wrong: list[int] = []

    def ask(number: int) -> None:
        for turn in range(50):
            value = number * 1000 + turn
            if client.infer({"x": np.int64(value)})[0]["y"] != value:
                wrong.append(value)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_nobody_listens() -> None:
    client = Client("unix:/nobody/listens/here", "basic", "echo")
    assert "Grpc Error, (14, 'unavailable')" in client.infer({"x": 1})["error"]


def test_a_unix_socket_and_its_end(servables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"servable_directory": str(servables), "servable_name": "basic"}
    script = start_script([config], after="server.start_grpc_server('unix:serving.sock')", front_ends=False)
    with ServerProcess(script, tmp_path / "server") as server:
        server.wait_ready()
        monkeypatch.chdir(server.directory)
        clients = [
            Client(address, "basic", "echo") for address in ("unix:serving.sock", f"unix:{Path.cwd()}/serving.sock")
        ]
        assert [client.infer({"x": 1}) for client in clients] == [[{"y": 1}]] * 2
        assert asyncio.run(_ask_once("unix:serving.sock")) == [{"y": 1}]
    for client in clients:
        assert "Grpc Error, (14, 'unavailable')" in client.infer({"x": 1})["error"]
        with pytest.raises(grpc.RpcError) as raised:
            client.infer_async({"x": 1}).result()
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE


# The asyncio client


async def _ask_once(address: str) -> Any:
    async with aio.Client(address, "basic", "echo") as client:
        return await client.infer({"x": 1})


def test_many_awaited_calls_at_once(plain_server: ServerProcess) -> None:
    async def main() -> list[Any]:
        async with aio.Client(plain_server.grpc_address, "basic", "echo") as client:
            return await asyncio.gather(*(client.infer({"x": np.int64(value)}) for value in range(300)))

    assert [result[0]["y"] for result in asyncio.run(main())] == list(range(300))


def test_awaited_calls_give_what_others_do(plain_server: ServerProcess) -> None:
    instances = [{"x": np.int32(value)} for value in (1, -1, 2)]
    requests = [("failing", "raises", instances), ("failing", "raises", instances[1]), ("basic", "no_such", {"x": 1})]

    async def ask(servable: str, method: str, given: Any) -> Any:
        async with aio.Client(plain_server.grpc_address, servable, method) as client:
            return await client.infer(given)

    for servable, method, given in requests:
        expected = Client(plain_server.grpc_address, servable, method).infer(given)
        assert asyncio.run(ask(servable, method, given)) == expected


def test_time_out_and_cancelling_of_awaited_calls(plain_server: ServerProcess, tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    async def main() -> Any:
        async with aio.Client(plain_server.grpc_address, "slow", "gate") as client:
            cancelled = asyncio.create_task(client.infer({"path": str(gate)}))
            await asyncio.to_thread(wait_entered, gate, 1)
            late = await client.infer({"path": str(gate)}, timeout_s=0.2)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            gate.touch()
            return late, await client.infer({"path": str(gate)})

    late, after = asyncio.run(main())
    assert "Grpc Error, (4, 'deadline exceeded')" in late["error"]
    assert isinstance(after, list)


# Processes that fork


_FORKING = """
import os, sys
import numpy as np
from mindspore_serving.client import Client, aio

def wrong_answers():
    with Client(sys.argv[1], "basic", "echo", timeout_s=60) as client:
        return sum(client.infer({"x": np.int64(value)}) != [{"y": value}] for value in range(50))

before = Client(sys.argv[1], "basic", "echo")
assert before.infer({"x": 1}) == [{"y": 1}]
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(wrong_answers())
    children.append(child)
wrong = [wrong_answers()] + [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
assert before.infer({"x": 2}) == [{"y": 2}]
print(wrong)
"""


def test_forked_processes_make_clients_of_their_own(plain_server: ServerProcess) -> None:
    command = [sys.executable, "-c", _FORKING, plain_server.grpc_address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "[0, 0, 0, 0]\n"), done.stdout + done.stderr
