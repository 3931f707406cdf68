"""An instance that kills every worker it meets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fault.conftest import Start
from tests.harness.grpc_client import GrpcClient, decode_reply
from tests.harness.http_client import HttpClient
from tests.harness.protocol import make_request
from tests.harness.waiting import wait_until

MOST_TRIES = 3  # the first one and two more


@pytest.mark.parametrize("devices", [(0,), (0, 1)], ids=["one worker", "two workers"])
def test_it_is_tried_a_few_times_and_its_neighbours_survive(
    start: Start, tmp_path: Path, devices: tuple[int, ...]
) -> None:
    """1. Good and poisonous requests come together. 2. The poison is answered with an error. 3. All others rightly."""
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    with start("crash", device_ids=devices) as server, GrpcClient(server.grpc_address) as client:
        good = [make_request("crash", "echo", [{"x": np.int32(i)}]).SerializeToString() for i in range(30)]
        poison = make_request("crash", "poison", [{"folder": str(deaths)}]).SerializeToString()
        before = [client.future(message) for message in good[:15]]
        poisoned = client.future(poison, timeout_s=60)
        after = [client.future(message, timeout_s=60) for message in good[15:]]
        (error,) = decode_reply(poisoned.result()).errors
        assert error[0] in (1, 2, 3, 5)
        assert error[1]
        values = [int(decode_reply(future.result()).values[0]["y"]) for future in before + after]
        assert values == list(range(30))
        assert 1 <= len(list(deaths.iterdir())) <= MOST_TRIES


def test_neighbours_in_the_same_request_survive(start: Start) -> None:
    with start("crash") as server, GrpcClient(server.grpc_address) as client:
        values = [5, 6, 2, 7, 8]  # 2 is the one that kills its worker
        reply = client.call("crash", "kill", *({"how": np.int32(value)} for value in values), timeout_s=60)
        assert [code != 0 for code, _ in reply.errors] == [False, False, True, False, False]
        fine = [int(one["how"]) for one in reply.instances if one]
        assert fine == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("how", "end"),
    [
        (1, "exit code 1"),
        (2, "killed by signal 9 (SIGKILL), perhaps out of memory"),
        (3, "killed by signal 11 (SIGSEGV)"),
    ],
    ids=["os._exit", "SIGKILL", "SIGSEGV"],
)
def test_the_client_is_told_what_died_of_what(start: Start, how: int, end: str) -> None:
    """And the master's log where more is to be found, which is the Python stacks after a crash."""
    with start("crash") as server, HttpClient(server.rest_address, timeout_s=60) as client:
        reply = client.call("crash", "kill", {"how": how})
        assert (reply.status, reply.error) == (
            500,
            "Serving Error: 3 workers died while they ran this instance of servable crash, method kill, it is not "
            f"tried again; the last worker: {end}",
        )
        wait_until(lambda: client.call("crash", "echo", {"x": 1}).status == 200, "the worker's return")
        ((name, text),) = server.worker_logs().items()
        assert server.output.count(f"has died: {end}; its log: {server.directory}/serving_logs/{name}") == MOST_TRIES
        assert text.count(" in die\n") == (MOST_TRIES if how == 3 else 0)
