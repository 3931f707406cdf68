"""The master is killed with SIGKILL: nothing of the server stays."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.fault.conftest import Start
from tests.harness.gates import gate_request, wait_entered
from tests.harness.grpc_client import GrpcClient
from tests.harness.traffic import Traffic


def test_idle_workers_end(start: Start) -> None:
    with start("crash", device_ids=(0, 1, 2)) as server:
        server.expected_exit_code = -signal.SIGKILL
        server.signal(signal.SIGKILL)
        server.wait_exit()
        server.assert_nothing_left()


def test_workers_under_load_end(start: Start) -> None:
    with start("crash", device_ids=(0, 1)) as server, Traffic(server.grpc_address, "crash") as traffic:
        traffic.wait_for_more()
        server.expected_exit_code = -signal.SIGKILL
        server.signal(signal.SIGKILL)
        server.wait_exit()
        server.assert_nothing_left()


def test_a_worker_that_is_busy_ends(start: Start, gate: Path) -> None:
    """The stage waits for ever and the worker's Python thread with it; it ends all the same."""
    with start("slow") as server, GrpcClient(server.grpc_address) as client:
        call = client.future(gate_request(gate))
        wait_entered(gate)
        server.expected_exit_code = -signal.SIGKILL
        server.signal(signal.SIGKILL)
        server.wait_exit()
        server.assert_nothing_left()
        assert call.exception() is not None
