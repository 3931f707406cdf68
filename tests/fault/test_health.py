"""Health checks follow the workers: who watches hears of deaths and returns, in order, and of the server's end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.fault.conftest import Start
from tests.harness.grpc_client import GrpcClient
from tests.harness.waiting import wait_until

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def watch(client: GrpcClient, service: str) -> Any:
    request = health_pb2.HealthCheckRequest(service=service)
    return health_pb2_grpc.HealthStub(client.channel).Watch(request, timeout=60)


def check(client: GrpcClient, service: str) -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    return health_pb2_grpc.HealthStub(client.channel).Check(request, timeout=30).status


def test_the_only_worker_dies_and_comes_back(start: Start) -> None:
    with start("crash") as server, GrpcClient(server.grpc_address) as client:
        watches = [watch(client, service) for service in ("", "crash")]
        assert [next(one).status for one in watches] == [SERVING, SERVING]
        for _ in range(2):
            (worker,) = server.workers()
            os.kill(worker, signal.SIGKILL)
            assert [next(one).status for one in watches] == [NOT_SERVING, NOT_SERVING]
            assert [next(one).status for one in watches] == [SERVING, SERVING]
            assert check(client, "crash") == SERVING
            (replacement,) = server.workers()
            assert replacement != worker


def test_one_of_two_workers_is_enough(start: Start) -> None:
    """Its death is not told; the end of the other one is: SIGTERM, after which neither comes back."""
    with start("crash", device_ids=(0, 1)) as server, GrpcClient(server.grpc_address) as client:
        one = watch(client, "crash")
        assert next(one).status == SERVING
        first, second = server.workers()
        os.kill(first, signal.SIGTERM)
        wait_until(lambda: server.workers() == [second], "the end of the first worker")
        assert check(client, "crash") == SERVING
        os.kill(second, signal.SIGTERM)
        assert next(one).status == NOT_SERVING
        assert server.wait_exit() == 0  # nobody is left to serve


def test_open_streams_do_not_hold_up_the_end(start: Start) -> None:
    def nothing() -> Iterator[bytes]:
        closing.wait(60)
        yield from ()

    closing = threading.Event()
    with start("crash") as server, GrpcClient(server.grpc_address) as client:
        streams = [
            client.channel.stream_stream(path)(nothing(), timeout=60)
            for path in ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/grpc.health.v1.Health/Check")
        ]
        watched = watch(client, "")
        assert next(watched).status == SERVING
        server.stop()
        assert next(watched).status == NOT_SERVING
        for stream in (*streams, watched):
            with pytest.raises(grpc.RpcError) as raised:
                next(stream)
            assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
            assert raised.value.details() == "The server is stopping"
        closing.set()
