"""A worker is killed with SIGKILL."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np

from tests.fault.conftest import Start
from tests.harness.gates import gate_request, wait_entered
from tests.harness.grpc_client import GrpcClient, decode_reply
from tests.harness.http_client import HttpClient
from tests.harness.protocol import make_request
from tests.harness.server_process import ServerProcess
from tests.harness.traffic import Traffic
from tests.harness.waiting import wait_until


def _registrations(server: ServerProcess) -> int:
    return server.output.count("Register success: worker address")


def test_requests_in_flight_are_answered_by_the_replacement(start: Start, gate: Path) -> None:
    """1. Requests wait in the only worker. 2. It is killed. 3. All of them are answered rightly, by another process."""
    with start("slow") as server, GrpcClient(server.grpc_address) as client:
        (worker,) = server.workers()
        waiting = [client.future(gate_request(gate, instances)) for instances in (1, 2, 3)]
        waiting += [
            client.future(make_request("slow", "echo", [{"x": np.int32(i)}]).SerializeToString()) for i in range(20)
        ]
        wait_entered(gate)
        assert _registrations(server) == 1
        os.kill(worker, signal.SIGKILL)
        (replacement,) = server.wait_workers(1, other_than=[worker])
        gate.touch()
        replies = [decode_reply(future.result()).values for future in waiting]
        assert [len(values) for values in replies[:3]] == [1, 2, 3]
        assert {int(value["pid"]) for values in replies[:3] for value in values} == {replacement}
        assert [int(values[0]["y"]) for values in replies[3:]] == list(range(20))
        wait_until(lambda: _registrations(server) == 2, "the registration of the replacement")


def test_http_requests_in_flight_are_answered_by_the_replacement(start: Start, tmp_path: Path) -> None:
    with start("crash") as server, HttpClient(server.rest_address) as client:
        assert client.call("crash", "once", {"path": str(tmp_path / "died")}).instances == [{"text": "survived"}]


def test_traffic_on_two_workers_does_not_notice(start: Start) -> None:
    """One of two workers is killed, then the other one: no call fails, and both come back."""
    with start("crash", device_ids=(0, 1)) as server, Traffic(server.grpc_address, "crash") as traffic:
        traffic.wait_for_more()
        for turn in (1, 2):
            killed = server.workers()[0]
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda killed=killed: killed not in server.workers(), "the end of the killed worker")
            traffic.wait_for_more()
            wait_until(lambda turn=turn: _registrations(server) == 2 + turn, "the registration of its replacement")
            assert len(server.workers()) == 2
        traffic.wait_for_more()
        assert traffic.errors == []
        assert traffic.refused == []


def test_traffic_on_one_worker_waits_for_the_replacement(start: Start) -> None:
    with start("crash") as server, Traffic(server.grpc_address, "crash") as traffic:
        traffic.wait_for_more()
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        server.wait_workers(1, other_than=[worker])
        traffic.wait_for_more()
        assert traffic.errors == []
        assert traffic.refused == []


def test_traffic_is_answered_while_the_server_backs_off(start: Start) -> None:
    """Killed again at once, the only worker comes back after a pause; until then the answer is code 5, not silence."""
    with start("crash") as server, Traffic(server.grpc_address, "crash") as traffic:
        for _ in range(3):
            traffic.wait_for_more()
            (worker,) = server.workers()
            os.kill(worker, signal.SIGKILL)
            server.wait_workers(1, other_than=[worker])
        traffic.wait_for_more()
        assert {code for code, _ in traffic.errors} <= {5}
        assert traffic.refused == []


def test_a_worker_that_never_served_anything_is_replaced_too(start: Start) -> None:
    with start("crash") as server, GrpcClient(server.grpc_address) as client:
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        assert client.call("crash", "echo", {"x": np.float32(1)}).values == [{"y": 1}]
        assert worker not in server.workers()


def test_the_second_try_starts_from_the_request_as_it_arrived(start: Start, tmp_path: Path) -> None:
    """The stage changes its input in place and dies; the second worker sees the values that were sent."""
    with start("crash") as server, GrpcClient(server.grpc_address) as client:
        x = np.arange(5, dtype=np.float32)
        (result,) = client.call("crash", "change_and_die_once", {"x": x, "path": str(tmp_path / "died")}).values
        np.testing.assert_array_equal(result["y"], x + 1)


def test_the_log_of_the_replacement_continues_the_first_ones(start: Start) -> None:
    with start("crash") as server, GrpcClient(server.grpc_address) as client:
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        assert client.call("crash", "echo", {"x": np.float32(1)}).values == [{"y": 1}]
        (log,) = server.worker_logs().values()
        assert log.count("Start servable success, servable directory:") == 2
