"""gRPC's health checks with its own client, for servers that are well. What faults do to them is in tests/fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.harness import http2_bytes
from tests.harness.grpc_client import GrpcClient
from tests.harness.http_client import RawConnection
from tests.harness.server_process import ServerProcess, start_script

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
_CALLS = 1000
OVERALL = ("", "mindspore.serving.proto.MSService")


@pytest.fixture
def health(plain_server: ServerProcess) -> Iterator[health_pb2_grpc.HealthStub]:
    with GrpcClient(plain_server.grpc_address) as client:
        yield health_pb2_grpc.HealthStub(client.channel)


def request(service: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


@pytest.mark.parametrize("service", [*OVERALL, "basic", "slow"])
def test_check(health: health_pb2_grpc.HealthStub, service: str) -> None:
    assert health.Check(request(service), timeout=30).status == SERVING


@pytest.mark.parametrize("service", ["nobody", "basic/1", "Basic", "grpc.health.v1.Health", "\N{SNOWMAN}"])
def test_check_of_a_name_that_is_not_known(health: health_pb2_grpc.HealthStub, service: str) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        health.Check(request(service), timeout=30)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("name", ["x" * 20_000, "\N{SNOWMAN}" * 5000])
def test_check_of_a_very_long_name(health: health_pb2_grpc.HealthStub, name: str) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        health.Check(request(name), timeout=30)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    assert name[:300] in raised.value.details()


def test_clients_that_watch_keep_nobody_from_checking(
    plain_server: ServerProcess, health: health_pb2_grpc.HealthStub
) -> None:
    with GrpcClient(plain_server.grpc_address) as other:
        watches = [health_pb2_grpc.HealthStub(other.channel).Watch(request(""), timeout=60) for _ in range(_CALLS + 1)]
        assert all(next(watch).status == SERVING for watch in watches[:_CALLS])
        with pytest.raises(grpc.RpcError) as raised:
            next(watches[_CALLS])
        assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert f"There are {_CALLS} calls that watch or reflect" in raised.value.details()
        assert health.Check(request(""), timeout=30).status == SERVING
        assert health.List(health_pb2.HealthListRequest(), timeout=30).statuses


def test_checks_without_a_message_keep_nobody_from_checking(
    plain_server: ServerProcess, health: health_pb2_grpc.HealthStub
) -> None:
    """More than there may be; the oldest of them are ended."""
    path = "/grpc.health.v1.Health/Check"
    with RawConnection(plain_server.grpc_address) as raw:
        calls = [http2_bytes.head(stream, path) for stream in range(1, 2 * (_CALLS + 20), 2)]
        raw.send(http2_bytes.opening() + b"".join(calls))
        first_is_ended = http2_bytes.frame(http2_bytes.RST_STREAM, 0, 1, bytes(4))[:9]
        answer = b""
        while first_is_ended not in answer:
            answer += raw.socket.recv(4096) or pytest.fail(f"closed after {answer!r}")
        for _ in range(3):
            assert health.Check(request(""), timeout=30).status == SERVING


def test_list(health: health_pb2_grpc.HealthStub) -> None:
    answer = health.List(health_pb2.HealthListRequest(), timeout=30)
    names = [*OVERALL, "basic", "batches", "failing", "slow"]
    assert {name: status.status for name, status in answer.statuses.items()} == dict.fromkeys(names, SERVING)


def test_watch_tells_the_status_at_once(health: health_pb2_grpc.HealthStub) -> None:
    for service, status in (("", SERVING), ("basic", SERVING), ("nobody", UNKNOWN)):
        watch = health.Watch(request(service), timeout=30)
        assert next(watch).status == status
        watch.cancel()


def test_malformed_requests(plain_server: ServerProcess) -> None:
    with GrpcClient(plain_server.grpc_address) as client:
        for path in ("Check", "Watch"):
            with pytest.raises(grpc.RpcError) as raised:
                list(client.channel.unary_stream(f"/grpc.health.v1.Health/{path}")(b"\x0a\xff", timeout=30))
            assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        no_message = client.channel.stream_unary("/grpc.health.v1.Health/Check")
        with pytest.raises(grpc.RpcError) as raised:
            no_message(iter([]), timeout=30)
        assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_server_whose_servables_come_later(servables: Path, tmp_path: Path) -> None:
    """Nothing serves; then the name is known, and at last it serves. The end is told before the connection ends."""
    script = start_script(
        [{"servable_directory": str(servables), "servable_name": "basic"}],
        before="server.start_grpc_server('127.0.0.1:0')\nimport sys, time, os\n"
        "while not os.path.exists('go'):\n    time.sleep(0.01)",
        front_ends=False,
        after="os.remove('go')",
    )
    with ServerProcess(script, tmp_path / "later") as server, GrpcClient(server.grpc_address) as client:
        health = health_pb2_grpc.HealthStub(client.channel)
        assert health.Check(request(""), timeout=30).status == NOT_SERVING
        watches = [health.Watch(request(service), timeout=60) for service in ("", "basic")]
        assert [next(watch).status for watch in watches] == [NOT_SERVING, UNKNOWN]
        (server.directory / "go").touch()
        assert [next(watch).status for watch in watches] == [SERVING, NOT_SERVING]
        assert next(watches[1]).status == SERVING
        server.wait_ready()
        assert health.Check(request(""), timeout=30).status == SERVING
        server.stop()
        for watch in watches:
            assert next(watch).status == NOT_SERVING
            with pytest.raises(grpc.RpcError) as raised:
                next(watch)
            assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
