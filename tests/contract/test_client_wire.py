"""The bytes that the Python client puts on the wire, written out by hand from the protocol's description."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import numpy as np
import pytest

from mindspore_serving.client import Client

SPEC = b"\x0a\x11\x0a\x03add\x12\x0aadd_common"  # servable_spec: name and method_name; version 0 is not written


class RawServer:
    """Answers every unary call with the same bytes and keeps the bytes that it was sent."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.answer = b""
        self.server = grpc.server(futures.ThreadPoolExecutor(1))
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def handle(message: bytes, context: grpc.ServicerContext) -> bytes:
            self.received.append((details.method, message))
            return self.answer

        return grpc.unary_unary_rpc_method_handler(handle)


@pytest.fixture
def server() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.server.stop(0).wait()


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of at most 127 bytes."""
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def dims(*sizes: int) -> bytes:
    return field(1, field(1, bytes(sizes)))


def one_item(name: bytes, tensor: bytes) -> bytes:
    """An instance with one item, as field 2 of the request (and 3 of the reply, see `reply`)."""
    return field(1, field(1, name) + field(2, tensor))


def dtype(number: int) -> bytes:
    return bytes([2 << 3, number])


VALUES = [
    (np.array([[1, 2], [3, 4]], np.float32), dims(2, 2) + dtype(11) + field(3, bytes.fromhex(
        "0000803f 00000040 00004040 00008040"))),
    (np.float32(1), dtype(11) + field(3, bytes.fromhex("0000803f"))),
    (np.array([1, 0, 1], np.bool_), dims(3) + dtype(1) + field(3, b"\x01\x00\x01")),
    (np.bool_(True), dtype(1) + field(3, b"\x01")),
    (np.array([-1], np.int8), dims(1) + dtype(2) + field(3, b"\xff")),
    (np.array([255], np.uint8), dims(1) + dtype(3) + field(3, b"\xff")),
    (np.array([-2], np.int16), dims(1) + dtype(4) + field(3, b"\xfe\xff")),
    (np.array([258], np.uint16), dims(1) + dtype(5) + field(3, b"\x02\x01")),
    (np.array([1], np.int32), dims(1) + dtype(6) + field(3, b"\x01\0\0\0")),
    (np.array([1], np.uint32), dims(1) + dtype(7) + field(3, b"\x01\0\0\0")),
    (np.array([1], np.int64), dims(1) + dtype(8) + field(3, b"\x01" + bytes(7))),
    (np.array([1], np.uint64), dims(1) + dtype(9) + field(3, b"\x01" + bytes(7))),
    (np.array([1], np.float16), dims(1) + dtype(10) + field(3, b"\x00\x3c")),
    (np.array([1], np.float64), dims(1) + dtype(12) + field(3, bytes.fromhex("000000000000f03f"))),
    (True, dims(1) + dtype(1) + field(3, b"\x01")),
    (7, dims(1) + dtype(8) + field(3, b"\x07" + bytes(7))),
    (1.0, dims(1) + dtype(12) + field(3, bytes.fromhex("000000000000f03f"))),
    ("é", dims(1) + dtype(13) + field(4, b"\xc3\xa9")),
    ("", dims(1) + dtype(13) + field(4, b"")),
    (b"\xff", dims(1) + dtype(14) + field(4, b"\xff")),
    (np.zeros((2, 0), np.int32), dims(2, 0) + dtype(6) + field(3, b"")),
]  # fmt: skip


@pytest.mark.parametrize(("value", "tensor"), VALUES)
def test_request(server: RawServer, value: Any, tensor: bytes) -> None:
    assert Client(f"127.0.0.1:{server.port}", "add", "add_common").infer({"x": value}) == []
    ((method, message),) = server.received
    assert method == "/mindspore.serving.proto.MSService/Predict"
    assert message == SPEC + field(2, one_item(b"x", tensor))


def test_request_with_version_and_two_instances(server: RawServer) -> None:
    Client(f"127.0.0.1:{server.port}", "add", "add_common", 300).infer([{"x": "a"}, {"x": "b"}])
    spec = field(1, field(1, b"add") + field(2, b"add_common") + b"\x18\xac\x02")
    instances = b"".join(field(2, one_item(b"x", dims(1) + dtype(13) + field(4, text))) for text in (b"a", b"b"))
    assert server.received[0][1] == spec + instances


@pytest.mark.parametrize(("value", "tensor"), VALUES)
def test_reply(server: RawServer, value: Any, tensor: bytes) -> None:
    server.answer = SPEC + field(3, one_item(b"y", tensor))
    (result,) = Client(f"127.0.0.1:{server.port}", "add", "add_common").infer({"x": 1})
    got = result["y"]
    if isinstance(value, (str, bytes)):
        assert got == value
    else:
        want = np.asarray(value) if isinstance(value, (np.ndarray, np.generic)) else np.array([value])
        assert (got.dtype, got.shape, got.tolist()) == (want.dtype, want.shape, want.tolist())


def test_reply_of_zero_elements_without_data(server: RawServer) -> None:
    server.answer = field(3, one_item(b"y", dims(0, 2) + dtype(6)))
    (result,) = Client(f"127.0.0.1:{server.port}", "add", "add_common").infer({"x": 1})
    assert (result["y"].shape, result["y"].dtype) == ((0, 2), np.int32)


def test_errors(server: RawServer) -> None:
    server.answer = SPEC + field(4, b"\x08\x02" + field(2, b"no such input"))
    assert Client(f"127.0.0.1:{server.port}", "add", "add_common").infer({"x": 1}) == {"error": "no such input"}
