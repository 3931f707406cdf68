"""Limits: requests at once, message sizes, deadlines, and clients that leave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from tests.harness.gates import gate_request, wait_entered
from tests.harness.grpc_client import GrpcClient, decode_reply
from tests.harness.http_client import HttpClient, RawConnection, post_bytes
from tests.harness.protocol import PREDICT, make_request
from tests.harness.server_process import ServerProcess, start_script
from tests.harness.settled import resources_come_back
from tests.harness.waiting import wait_until

LIMIT = 3


@pytest.fixture(scope="module")
def server(servables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """At most three requests at once, messages of at most 1 MiB."""
    script = start_script(
        [{"servable_directory": str(servables), "servable_name": name} for name in ("slow", "basic")],
        before=f"from mindspore_serving.server.master import context\ncontext.set_max_enqueued_requests({LIMIT})",
        grpc="max_msg_mb_size=1",
        rest="max_msg_mb_size=1",
    )
    with ServerProcess(script, tmp_path_factory.mktemp("limits")) as started:
        started.wait_ready()

        def warm_up() -> None:
            with GrpcClient(started.grpc_address) as grpc_client, HttpClient(started.rest_address) as http_client:
                grpc_client.call("slow", "echo", {"x": np.float32(1)})
                grpc_client.call("basic", "echo", {"x": np.float32(1)})
                http_client.call("slow", "echo", {"x": 1})
                http_client.call("slow", "echo", {"x": [1] * 100_000})  # decoded by a thread of its own

        with resources_come_back(started, warm_up):
            yield started


@pytest.fixture
def client(server: ServerProcess) -> Iterator[GrpcClient]:
    with GrpcClient(server.grpc_address) as made:
        wait_until(lambda: not made.call("slow", "echo", {"x": np.float32(1)}).errors, "a server with nothing to do")
        yield made


def _fill(server: ServerProcess, client: GrpcClient, gate: Path) -> list[grpc.Future]:
    """As many requests as the server takes, all waiting; returns when one more is refused."""
    waiting = [client.future(gate_request(gate)) for _ in range(LIMIT)]
    wait_entered(gate)
    wait_until(lambda: client.call("slow", "echo", {"x": np.float32(1)}).errors, "a full server")
    return waiting


def test_requests_above_the_limit_are_refused_at_once(
    server: ServerProcess, client: GrpcClient, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    waiting = _fill(server, client, gate)
    code, text = client.call("slow", "echo", {"x": np.float32(1)}).error
    assert code == 1
    assert f"enqueued requests count exceeds the limit {LIMIT}" in text
    with HttpClient(server.rest_address) as http_client:
        reply = http_client.call("slow", "echo", {"x": 1})
    assert reply.status == 429
    assert f"enqueued requests count exceeds the limit {LIMIT}" in reply.error
    gate.touch()
    for future in waiting:
        assert decode_reply(future.result()).values
    assert client.call("slow", "echo", {"x": np.float32(2)}).values == [{"y": np.float32(2)}]


def test_instances_are_not_what_is_limited(client: GrpcClient) -> None:
    results = client.call("slow", "echo", *[{"x": np.int32(i)} for i in range(200)]).values
    assert [int(result["y"]) for result in results] == list(range(200))


def test_an_expired_deadline_frees_the_place(server: ServerProcess, client: GrpcClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waiting = [client.future(gate_request(gate), timeout_s=0.5) for _ in range(LIMIT)]
    for future in waiting:
        with pytest.raises(grpc.RpcError) as raised:
            future.result()
        assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    # The stage still waits, so these places can only be free because the calls are over.
    again = client.future(gate_request(gate))
    gate.touch()
    assert decode_reply(again.result()).values


def test_a_deadline_that_passes_in_the_queue_is_kept(client: GrpcClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = client.future(gate_request(gate))
    wait_entered(gate)
    with pytest.raises(grpc.RpcError) as raised:
        client.send_bytes(gate_request(gate), timeout_s=0.2)
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    gate.touch()
    assert decode_reply(first.result()).values


def test_cancelled_calls_free_their_places(server: ServerProcess, client: GrpcClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waiting = _fill(server, client, gate)
    for future in waiting:
        future.cancel()
    wait_until(
        lambda: not _refused(client),
        "a place after the calls were cancelled",
        timeout_s=10,
    )
    gate.touch()
    assert client.call("slow", "echo", {"x": np.float32(2)}).values == [{"y": np.float32(2)}]


def _refused(client: GrpcClient) -> bool:
    """Whether a request meets the limit; one that is admitted may well run into its deadline, the stage being busy."""
    future = client.future(make_request("slow", "echo", [{"x": np.float32(1)}]).SerializeToString(), timeout_s=0.2)
    if future.exception() is None:
        return "exceeds the limit" in str(decode_reply(future.result()).errors)
    return future.code() != grpc.StatusCode.DEADLINE_EXCEEDED


def test_http_clients_that_leave_free_their_places(server: ServerProcess, client: GrpcClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    body = json.dumps({"instances": {"path": str(gate)}}).encode()
    connections = [RawConnection(server.rest_address) for _ in range(LIMIT)]
    for connection in connections:
        connection.send(post_bytes("/model/slow:gate", body))
    wait_entered(gate)
    for connection in connections:
        connection.__exit__()
    wait_until(lambda: not _refused(client), "a place after the clients left", timeout_s=10)
    gate.touch()


@pytest.mark.parametrize("size_bytes", [(1 << 20) + 1, 8 << 20])
def test_too_large_grpc_message(client: GrpcClient, size_bytes: int) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        client.call("slow", "echo", {"x": np.zeros(size_bytes, np.uint8)})
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in raised.value.details()


def test_grpc_message_just_within_the_limit(client: GrpcClient) -> None:
    x = np.ones((1 << 20) - 200, np.uint8)
    (result,) = client.call("slow", "echo", {"x": x}).values
    np.testing.assert_array_equal(result["y"], x)


def test_too_large_grpc_reply(client: GrpcClient) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        client.call("basic", "same_twice", {"x": np.zeros(700_000, np.uint8)})
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in raised.value.details()
    assert client.call("basic", "same_twice", {"x": np.zeros(500_000, np.uint8)}).values


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
@pytest.mark.parametrize("path", [PREDICT, "/grpc.health.v1.Health/Check"])
def test_compressed_grpc_messages_are_refused(client: GrpcClient, path: str, compression: grpc.Compression) -> None:
    """Few bytes may become very many, and only then is the size known."""
    call = client.channel.unary_unary(path)
    with pytest.raises(grpc.RpcError) as raised:
        call(bytes(8 << 20), compression=compression, timeout=30)
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "is disabled" in raised.value.details()


def test_too_large_http_body(server: ServerProcess) -> None:
    with HttpClient(server.rest_address) as http_client:
        reply = http_client.request("/model/slow:echo", b" " * ((1 << 20) + 1))
        assert reply.status == 413
        assert "http message is bigger than 1048576" in reply.error


def test_too_large_http_body_is_refused_before_it_is_sent(server: ServerProcess) -> None:
    with RawConnection(server.rest_address) as raw:
        raw.send(b"POST /model/slow:echo HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999999\r\n\r\n")
        assert raw.reply().status == 413


def test_too_large_chunked_body_is_refused_as_soon_as_it_passes_the_limit(server: ServerProcess) -> None:
    with RawConnection(server.rest_address) as raw:
        raw.send(b"POST /model/slow:echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        raw.send(chunk * 17)
        assert raw.reply().status == 413


def test_http_body_just_within_the_limit(server: ServerProcess) -> None:
    body = json.dumps({"instances": {"x": 1}}).encode()
    with HttpClient(server.rest_address) as http_client:
        assert http_client.request("/model/slow:echo", body + b" " * ((1 << 20) - len(body))).instances == [{"y": 1}]
