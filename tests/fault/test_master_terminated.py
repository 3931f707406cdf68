"""The master is asked to end with SIGTERM while requests run: every call gets exactly one answer."""

from __future__ import annotations

import signal
from pathlib import Path

import grpc
import pytest

from tests.fault.conftest import Start
from tests.harness.gates import gate_request, wait_entered
from tests.harness.grpc_client import GrpcClient, decode_reply
from tests.harness.traffic import Traffic


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_call_under_load_is_answered_once(start: Start, number: int) -> None:
    with start("crash", device_ids=(0, 1)) as server, Traffic(server.grpc_address, "crash", threads=8) as traffic:
        traffic.wait_for_more(200)
        server.signal(number)
        assert server.wait_exit() == 0
        for code, text in traffic.errors:
            assert code in (2, 5)
            assert "servable is not available" in text
        assert set(traffic.refused) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


def test_calls_that_cannot_be_finished_are_answered(start: Start, gate: Path) -> None:
    """The stage never returns; the server ends in time, and the calls that wait for it do not hang."""
    with start("slow") as server, GrpcClient(server.grpc_address) as client:
        waiting = [client.future(gate_request(gate), timeout_s=60) for _ in range(5)]
        wait_entered(gate)
        server.signal(signal.SIGTERM)
        assert server.wait_exit(30) == 0
        for future in waiting:
            if future.exception() is None:
                code, text = decode_reply(future.result()).error
                assert code in (2, 5)
                assert "servable is not available" in text
            else:
                assert future.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
