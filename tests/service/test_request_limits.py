"""The limits that users set for each port: what is beyond them is refused, and who is too slow is let go."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from tests.harness.grpc_client import GrpcClient, decode_reply
from tests.harness.http_client import HttpClient, RawConnection
from tests.harness.protocol import make_request
from tests.harness.server_process import ServerProcess, start_script
from tests.harness.settled import resources_come_back
from tests.harness.waiting import wait_until

CONNECTIONS = 3
SIZES = (
    "max_instances=4, max_name_bytes=12, max_json_depth=8, max_header_bytes=1500, max_headers=10, "
    f"max_connections={CONNECTIONS}, max_buffered_mb=8"
)
TIMES = "request_timeout_s=2, idle_timeout_s=1"
X = {"x": np.int32(1)}
REFUSALS = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
ECHO = "/model/basic:echo"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"


@contextlib.contextmanager
def running(servables: Path, directory: Path, limits: str) -> Iterator[ServerProcess]:
    configs = [{"servable_directory": str(servables), "servable_name": name} for name in ("basic", "slow")]
    arguments = f"limits=server.RequestLimits({limits})"
    with ServerProcess(start_script(configs, grpc=arguments, rest=arguments), directory) as started:
        started.wait_ready()

        def warm_up() -> None:
            with GrpcClient(started.grpc_address) as grpc_client, HttpClient(started.rest_address) as http_client:
                assert grpc_client.call("basic", "echo", X).values
                assert http_client.call("basic", "echo", {"x": 1}).instances

        with resources_come_back(started, warm_up):
            yield started


@pytest.fixture(scope="module")
def server(servables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running(servables, tmp_path_factory.mktemp("sizes"), SIZES) as started:
        yield started


@pytest.fixture(scope="module")
def hasty_server(servables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running(servables, tmp_path_factory.mktemp("times"), TIMES) as started:
        yield started


@pytest.fixture
def client(server: ServerProcess) -> Iterator[GrpcClient]:
    with GrpcClient(server.grpc_address) as made:
        yield made


@pytest.fixture
def http(server: ServerProcess) -> Iterator[HttpClient]:
    with HttpClient(server.rest_address) as made:
        yield made


def test_instances(client: GrpcClient, http: HttpClient) -> None:
    text = "The request has more instances than the limit of 4"
    assert len(client.call("basic", "echo", *[X] * 4).values) == 4
    assert client.call("basic", "echo", *[X] * 5).error == (2, text)
    assert len(http.call("basic", "echo", *[{"x": 1}] * 4).instances) == 4
    reply = http.call("basic", "echo", *[{"x": 1}] * 5)
    assert (reply.status, reply.error) == (413, f"Parser request failed, {text}")


def test_names(client: GrpcClient, http: HttpClient) -> None:
    long, fitting = "thirteen_long", "twelve__bytes"[:12]
    assert client.call("basic", "echo", {**X, fitting: np.int32(1)}).values
    text = "has 13 bytes, more than the limit of 12"
    assert client.call("basic", "echo", {**X, long: np.int32(1)}).error == (2, f"the name of an input {text}")
    assert client.call(long, "echo", X).error == (2, f"the servable's name {text}")
    assert client.call("basic", long, X).error == (2, f"the method's name {text}")
    assert http.call("basic", "echo", {"x": 1, fitting: 1}).instances
    reply = http.call("basic", "echo", {"x": 1, long: 1})
    assert reply.status == 400
    assert f"the name of an input {text}" in reply.error
    assert http.call("basic", long, {"x": 1}).status == 404


def test_depth_of_json(http: HttpClient) -> None:
    assert http.request(ECHO, '{"instances":[{"x":[[[[[1]]]]]}]}').status == 200
    reply = http.request(ECHO, '{"instances":[{"x":[[[[[[1]]]]]]}]}')
    assert reply.status == 400
    assert reply.error == "Illegal JSON format. Objects and lists are nested deeper than the limit of 8"


def test_headers(server: ServerProcess, http: HttpClient) -> None:
    assert http.request(ECHO, {"instances": {"x": 1}}, headers={"Some": "a" * 1400}).status == 200
    for headers in ({"Some": "a" * 1501}, {f"Some-{i}": "1" for i in range(10)}):
        with HttpClient(server.rest_address) as client:
            assert client.request(ECHO, {"instances": {"x": 1}}, headers=headers).status == 431


def test_metadata(server: ServerProcess, client: GrpcClient) -> None:
    call = client.channel.unary_unary("/mindspore.serving.proto.MSService/Predict")
    message = make_request("basic", "echo", [X]).SerializeToString()
    assert call(message, metadata=[("some", "a" * 100)], timeout=20)
    with pytest.raises(grpc.RpcError) as raised:
        call(message, metadata=[("some", "a" * 1400)], timeout=20)
    # The library refuses the call, or ends the connection that it came by.
    assert raised.value.code() in REFUSALS
    with GrpcClient(server.grpc_address) as other:
        assert other.call("basic", "echo", X).values


def test_messages_held(server: ServerProcess, tmp_path: Path) -> None:
    """A message is refused that would take more than seven eighths of the memory, and costs nobody else anything."""
    gate = tmp_path / "gate"
    message = make_request("slow", "gate", [{"path": str(gate), "more": bytes(1 << 20)}]).SerializeToString()
    with GrpcClient(server.grpc_address) as client, GrpcClient(server.grpc_address) as other:
        futures = [client.future(message) for _ in range(7)]
        try:
            wait_until(lambda: any(future.done() for future in futures), "the end of a call")
            assert sum(future.done() for future in futures) == 1
            assert other.call("basic", "echo", X).values
        finally:
            gate.touch()
        errors = [decode_reply(future.result()).errors for future in futures]
    text = f"would take more than the limit of {7 << 20} bytes (max_buffered_mb), try again later"
    assert sorted(errors) == [[]] * 6 + [[(1, "Serving Error: the requests that wait for their answers " + text)]]


def test_messages_in_memory(server: ServerProcess, tmp_path: Path) -> None:
    """Of 20 requests of 1 MiB at once some are refused or ended, and then all is well, each time."""
    for round_ in range(10):
        gate = tmp_path / f"gate{round_}"
        message = make_request("slow", "gate", [{"path": str(gate), "more": bytes(1 << 20)}]).SerializeToString()
        with GrpcClient(server.grpc_address) as client:
            futures = [client.future(message) for _ in range(20)]
            try:
                wait_until(lambda futures=futures: any(future.done() for future in futures), "the end of a call")
            finally:
                gate.touch()
            codes = [future.code() for future in futures]
            assert set(codes) <= {grpc.StatusCode.OK, *REFUSALS}
            errors = [decode_reply(future.result()).errors for future in futures if future.code() is grpc.StatusCode.OK]
            assert set(codes) & set(REFUSALS) or any(errors)
        wait_until(lambda message=message: answers(server, message, 20), "20 answers in a row")


def answers(server: ServerProcess, message: bytes, count: int) -> bool:
    """Whether a new client gets so many answers. gRPC may still end a call or two that had no part in the strain."""
    with GrpcClient(server.grpc_address) as client:
        try:
            return all(decode_reply(client.send_bytes(message)).errors == [] for _ in range(count))
        except grpc.RpcError as error:
            if error.code() not in REFUSALS or server.process.poll() is not None:
                raise
            return False


def test_connections(server: ServerProcess) -> None:
    body = {"instances": {"x": 1}}

    def free() -> bool:
        with HttpClient(server.rest_address) as probe:
            return probe.request(ECHO, body).status == 200

    wait_until(free, "the end of earlier connections")
    clients = [HttpClient(server.rest_address) for _ in range(CONNECTIONS)]
    try:
        for client in clients:
            wait_until(lambda client=client: client.request(ECHO, body).status == 200, "a free connection")
        with RawConnection(server.rest_address) as raw:
            reply = raw.reply()
            assert (reply.status, reply.headers["connection"]) == (503, "close")
            assert reply.error == f"there are {CONNECTIONS} connections, which is the limit, try again later"
    finally:
        for client in clients:
            client.__exit__()
    wait_until(free, "a place after the clients left")


def test_slow_and_silent_clients(hasty_server: ServerProcess) -> None:
    """Each is let go, in the middle of a request with an answer, while a client that lives keeps its connection."""
    head = b"POST /model/basic:echo HTTP/1.1\r\nHost: test\r\n"
    with contextlib.ExitStack() as open_ones:
        client = open_ones.enter_context(GrpcClient(hasty_server.grpc_address))
        states: list[grpc.ChannelConnectivity] = []
        client.channel.subscribe(states.append)
        assert client.call("basic", "echo", X).values
        late = [RawConnection(hasty_server.rest_address) for _ in range(2)]
        silent = [RawConnection(hasty_server.rest_address) for _ in range(2)]
        silent += [RawConnection(hasty_server.grpc_address) for _ in range(3)]
        for connection in late + silent:
            open_ones.enter_context(connection)
        late[0].send(head)
        late[1].send(head + b"Content-Length: 9\r\n\r\n{")
        silent[1].send(head + b"Content-Length: 21\r\n\r\n" + b'{"instances":{"x":1}}')
        assert silent[1].reply().status == 200
        silent[3].send(PREFACE[:9])
        silent[4].send(PREFACE + SETTINGS)
        for connection in late:
            assert connection.reply().status == 408
        for connection in late + silent:
            while connection.socket.recv(4096):
                pass
        assert grpc.ChannelConnectivity.READY in states
        assert client.call("basic", "echo", X).values
        assert states[-1] == grpc.ChannelConnectivity.READY
        assert grpc.ChannelConnectivity.IDLE not in states[1:], "the connection was never lost"


def test_a_time_out_over_http(http: HttpClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    body = {"instances": {"path": str(gate)}}
    reply = http.request("/model/slow:gate", body, headers={"Grpc-Timeout": "50m"})
    assert (reply.status, reply.error) == (504, "the time that the header Grpc-Timeout gives has passed")
    gate.touch()
    assert http.request(ECHO, {"instances": {"x": 1}}, headers={"Grpc-Timeout": "10S"}).instances == [{"y": 1}]
