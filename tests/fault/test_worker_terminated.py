"""A worker is asked to end with SIGTERM or SIGINT: it leaves for good, in an orderly way."""

from __future__ import annotations

import os
import signal

import pytest

from mindspore_serving.client import Client
from tests.fault.conftest import Start
from tests.harness.processes import is_alive
from tests.harness.traffic import Traffic
from tests.harness.waiting import wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_of_two_leaves_and_is_not_replaced(start: Start, number: int) -> None:
    """1. Traffic on two workers. 2. One is asked to end. 3. No call fails, the other one goes on alone."""
    with start("crash", device_ids=(0, 1)) as server, Traffic(server.grpc_address, "crash") as traffic:
        traffic.wait_for_more()
        leaving, staying = server.workers()
        os.kill(leaving, number)
        wait_until(lambda: not is_alive(leaving), "the end of the worker")
        traffic.wait_for_more(100)
        assert server.workers() == [staying]
        assert traffic.errors == []
        assert traffic.refused == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_with_its_last_worker(start: Start, number: int) -> None:
    with start("crash", device_ids=(0, 1)) as server:
        client = Client(server.grpc_address, "crash", "echo")
        assert client.infer({"x": 1})[0]["y"] == 1
        for worker in server.workers():
            os.kill(worker, number)
        assert server.wait_exit(15) == 0
        assert "Grpc Error, (14, 'unavailable')" in client.infer({"x": 1})["error"]
        client.close()
