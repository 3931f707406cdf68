"""Bad requests get their answer: the right code, text and HTTP status, at once, over both protocols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from tests.harness import protocol
from tests.harness.callers import Failure, GrpcCaller, RestCaller
from tests.harness.grpc_client import GrpcClient, decode_reply
from tests.harness.server_process import ServerProcess

Caller = GrpcCaller | RestCaller
INVALID_INPUTS = 2
X = {"x": np.float32(1)}


@pytest.fixture
def client(plain_server: ServerProcess) -> Any:
    with GrpcClient(plain_server.grpc_address) as made:
        yield made


@pytest.mark.parametrize(
    ("servable", "method", "version", "instances", "status", "fragment"),
    [
        ("nobody", "echo", 0, [X], 404, "Request servable(nobody) method(echo)"),
        ("nobody", "echo", 0, [X], 404, "servable is not available"),
        ("basic", "echo", 9, [X], 404, "version(9)"),
        ("basic", "echo", 9, [X], 404, "servable is not available"),
        ("basic", "nothing_like_it", 0, [X], 404, "method is not available"),
        ("basic", "echo", 0, [{}], 400, None),
        ("basic", "echo", 0, [{"z": np.float32(1)}], 400, "Cannot find input x in instance input"),
        ("basic", "add_two", 0, [{"a": np.float32(1)}], 400, "Cannot find input b in instance input"),
        ("basic", "add_with_default", 0, [{"a": np.float32(1)}], 400, "Cannot find input b in instance input"),
        ("basic", "echo", 0, [X, {"z": np.float32(1)}, X], 400, "Cannot find input x in instance input"),
        ("basic", "@call_x_0", 0, [X], 404, "method is not available"),
    ],
)
def test_request_that_names_what_is_not_there(
    caller: Caller, servable: str, method: str, version: int, instances: list[Any], status: int, fragment: str | None
) -> None:
    failure = caller.call(servable, method, *instances, version=version)
    assert isinstance(failure, Failure)
    assert failure.code == INVALID_INPUTS or failure.status == status
    assert fragment is None or fragment in failure.text


def test_the_first_of_several_faults_is_told(client: GrpcClient) -> None:
    """Servable and version, then the method, then each instance in order, its inputs in the method's order."""
    wrong = _tensor(12, [2], b"")
    faults = [
        ("nobody", "nothing_like_it", 9, [{}], "servable is not available"),
        ("basic", "nothing_like_it", 9, [{}], "servable is not available"),
        ("basic", "nothing_like_it", 0, [{}], "method is not available"),
        ("basic", "nothing_like_it", 0, [], "method is not available"),
        ("basic", "add_two", 0, [{"a": wrong}], "input a"),
        ("basic", "add_two", 0, [{"b": wrong}], "Cannot find input a"),
        ("basic", "add_two", 0, [{"a": X["x"]}, {"a": wrong, "b": wrong}], "Cannot find input b"),
    ]
    for servable, method, version, instances, text in faults:
        code, told = client.call(servable, method, *instances, version=version).error
        assert code == INVALID_INPUTS
        assert text in told


def test_version_one_is_what_a_servable_without_versions_serves(caller: Caller) -> None:
    caller.assert_same(caller.call("basic", "echo", X, version=1)[0], {"y": np.float32(1)})


def _tensor(dtype: int, dims: list[int], data: bytes | None = b"", texts: list[bytes] | None = None) -> Any:
    tensor = protocol.messages().Tensor(dtype=dtype)
    tensor.shape.dims.extend(dims)
    if data is not None:
        tensor.data = data
    tensor.bytes_val.extend(texts or [])
    return tensor


def _named_shared_memory() -> Any:
    tensor = protocol.messages().Tensor(dtype=11)
    tensor.shape.dims.append(1)
    tensor.shm_data.memory_key = "some_segment"
    tensor.shm_data.bytes_size = tensor.shm_data.data_size = 4
    return tensor


FLOAT32 = 11
BAD_TENSORS: list[tuple[str, Callable[[], Any], str]] = [
    (
        "too little data",
        lambda: _tensor(FLOAT32, [2, 2], b"\0" * 15),
        "Tensor check failed: input data size 15 invalid",
    ),
    ("too much data", lambda: _tensor(FLOAT32, [2, 2], b"\0" * 20), "Tensor check failed: input data size 20 invalid"),
    ("no data", lambda: _tensor(FLOAT32, [2, 2], None), "Tensor check failed: input data size 0 invalid"),
    ("data for a shape without elements", lambda: _tensor(FLOAT32, [2, 0], b"\0" * 4), "input data size 4 invalid"),
    ("negative dim", lambda: _tensor(FLOAT32, [-1, 2], b"\0" * 8), "invalid"),
    ("product overflows to the data's size", lambda: _tensor(FLOAT32, [2**62, 4], b""), "invalid"),
    ("product over 2^32 without data", lambda: _tensor(FLOAT32, [2**31, 2**31], b""), "invalid"),
    ("dtype 0", lambda: _tensor(0, [1], b"\0" * 4), "invalid"),
    ("dtype 99", lambda: _tensor(99, [1], b"\0" * 4), "invalid"),
    ("dtype -1", lambda: _tensor(-1, [1], b"\0" * 4), "invalid"),
    ("string without a value", lambda: _tensor(13, [], None), "batch size can only be 1"),
    ("two strings", lambda: _tensor(13, [], None, [b"a", b"b"]), "batch size can only be 1"),
    (
        "string with shape [2]",
        lambda: _tensor(13, [2], None, [b"a"]),
        "shape can only be (1,) or empty, but given shape is [2]",
    ),
    ("bytes with shape [1, 1]", lambda: _tensor(14, [1, 1], None, [b"a"]), "shape can only be (1,) or empty"),
    ("string that is not UTF-8", lambda: _tensor(13, [], None, [b"\xff\xfe"]), "UTF-8"),
    ("string that is cut in a character", lambda: _tensor(13, [1], None, ["é".encode()[:1]]), "UTF-8"),
    ("shared memory", _named_shared_memory, "shm_data is not accepted from clients"),
]


@pytest.mark.parametrize(
    ("make", "fragment"), [case[1:] for case in BAD_TENSORS], ids=[case[0] for case in BAD_TENSORS]
)
def test_malformed_tensor_is_refused_with_the_inputs_name(
    client: GrpcClient, make: Callable[[], Any], fragment: str
) -> None:
    for method in ("echo", "pass_through"):
        code, text = client.call("basic", method, X, {"x": make()}).error
        assert code == INVALID_INPUTS
        assert "input x" in text or "'x'" in text
        assert fragment in text


def test_malformed_extra_item_is_ignored(client: GrpcClient) -> None:
    values = client.call("basic", "echo", {**X, "z": _tensor(99, [-5], b"12345")}).values
    assert values == [{"y": np.float32(1)}]


def test_zero_may_stand_anywhere_in_a_shape(client: GrpcClient) -> None:
    for dims in ([0, 2], [0, 0], [3, 0, 2]):
        for data in (b"", None):
            (result,) = client.call("basic", "echo", {"x": _tensor(FLOAT32, dims, data)}).values
            assert result["y"].shape == tuple(dims)


def test_string_of_shape_one_comes_back_with_its_shape(client: GrpcClient) -> None:
    reply = client.call("basic", "pass_through", {"x": _tensor(13, [1], None, [b"text"])})
    assert list(reply.message.instances[0].items["y"].shape.dims) == [1]
    assert reply.values == [{"y": "text"}]


def test_output_buffers_are_refused(client: GrpcClient) -> None:
    request = protocol.make_request("basic", "echo", [X])
    request.instances[0].output_buffers["y"].memory_key = "some_segment"
    code, _ = client.predict(request).error
    assert code == INVALID_INPUTS


def test_request_without_instances_is_answered(client: GrpcClient) -> None:
    code, text = client.predict(protocol.make_request("basic", "echo", [])).error
    assert code == INVALID_INPUTS
    assert "instances count" in text
    assert "0" in text


def test_request_without_anything_is_answered(client: GrpcClient) -> None:
    code, _ = decode_reply(client.send_bytes(b"")).error
    assert code == INVALID_INPUTS


MALFORMED = {
    "no protobuf at all": b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    "cut off": protocol.make_request("basic", "echo", [X]).SerializeToString()[:-3],
    "length beyond the end": b"\x12\x7f\x0a",
    "group that does not end": b"\x0b",
    "field number 0": b"\x00\x01",
    "servable name that is not UTF-8": b"\x0a\x04\x0a\x02\xff\xfe",
    "varint that never ends": b"\x08" + b"\x80" * 40,
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED)
def test_malformed_protobuf_gets_an_error_and_hurts_nobody(client: GrpcClient, message: bytes) -> None:
    code, text = decode_reply(client.send_bytes(message)).error
    assert code == INVALID_INPUTS
    assert text
    assert client.call("basic", "echo", X).values == [{"y": np.float32(1)}]


def test_unknown_fields_are_skipped(client: GrpcClient) -> None:
    # field 15, each wire type: varint, 64 bits, length-delimited, a group, 32 bits
    extra = b"\x78\x05" + b"\x79" + b"\0" * 8 + b"\x7a\x02ab" + b"\x7b\x08\x01\x7c" + b"\x7d" + b"\0" * 4
    message = protocol.make_request("basic", "echo", [X]).SerializeToString()
    assert decode_reply(client.send_bytes(extra + message + extra)).values == [{"y": np.float32(1)}]


def test_other_grpc_methods_are_unimplemented(client: GrpcClient) -> None:
    for path in ("/mindspore.serving.proto.MSService/NoSuchMethod", "/some.other.Service/Predict"):
        with pytest.raises(grpc.RpcError) as raised:
            client.channel.unary_unary(path)(b"", timeout=20)
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
