"""The replacement of a worker takes long to start, or never comes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest

from tests.fault.conftest import Start
from tests.harness.grpc_client import GrpcClient, decode_reply
from tests.harness.http_client import HttpClient
from tests.harness.protocol import make_request
from tests.harness.server_process import ServerProcess
from tests.harness.waiting import wait_until

ECHO = make_request("starting", "echo", [{"x": np.float32(1)}]).SerializeToString()


def _kill_and_wait_for_the_replacement(server: ServerProcess, servables: Path) -> None:
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: list((servables / "starting").glob("waiting.*")), "a replacement that starts slowly")


def test_requests_wait_for_a_slow_replacement(start: Start, order: Callable[[str], None], servables: Path) -> None:
    with start("starting") as server, GrpcClient(server.grpc_address) as client:
        order("wait")
        _kill_and_wait_for_the_replacement(server, servables)
        waiting = [client.future(ECHO) for _ in range(10)]
        with pytest.raises(grpc.RpcError) as raised:
            client.send_bytes(ECHO, timeout_s=0.3)
        assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert not any(future.done() for future in waiting)
        order("go on")
        for future in waiting:
            assert decode_reply(future.result()).values == [{"y": 1}]


def test_requests_do_not_wait_for_ever(start: Start, order: Callable[[str], None], servables: Path) -> None:
    with start("starting") as server, GrpcClient(server.grpc_address) as client:
        order("wait")
        _kill_and_wait_for_the_replacement(server, servables)
        started = time.monotonic()
        with HttpClient(server.rest_address) as http_client:
            waiting = client.future(ECHO, timeout_s=60)
            reply = http_client.call("starting", "echo", {"x": 1})
        assert reply.status == 503
        assert "servable is not available" in reply.error
        code, text = decode_reply(waiting.result()).error
        assert code == 5
        assert "servable is not available" in text
        assert time.monotonic() - started > 5, "they did wait"
        order("go on")
        wait_until(lambda: not decode_reply(client.send_bytes(ECHO)).errors, "the replacement")


def test_one_worker_left_serves_while_the_other_starts(
    start: Start, order: Callable[[str], None], servables: Path
) -> None:
    with start("starting", device_ids=(0, 1)) as server, GrpcClient(server.grpc_address) as client:
        order("wait")
        os.kill(server.workers()[0], signal.SIGKILL)
        wait_until(lambda: list((servables / "starting").glob("waiting.*")), "a replacement that starts slowly")
        for _ in range(50):
            assert decode_reply(client.send_bytes(ECHO, timeout_s=5)).values == [{"y": 1}]
        order("go on")


@pytest.mark.parametrize("how", ["raise", "exit"])
def test_the_server_ends_when_its_only_worker_cannot_start_again(
    start: Start, order: Callable[[str], None], how: str
) -> None:
    """A start error is final; a replacement that dies is tried again a few times, with growing pauses."""
    with start("starting") as server, GrpcClient(server.grpc_address) as client:
        order(how)
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        future = client.future(ECHO, timeout_s=60)
        if future.exception() is None:
            code, text = decode_reply(future.result()).error
            assert code in (2, 5)
            assert "servable is not available" in text
        else:
            assert future.code() == grpc.StatusCode.UNAVAILABLE
        server.wait_exit(60)


def test_a_signal_ends_the_server_while_a_replacement_starts(
    start: Start, order: Callable[[str], None], servables: Path
) -> None:
    with start("starting") as server:
        order("wait")
        _kill_and_wait_for_the_replacement(server, servables)
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
