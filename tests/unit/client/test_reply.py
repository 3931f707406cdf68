"""What each reply becomes, and that the fast way gives what the generated messages give or leaves it to them."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindspore_serving.client import reply as reply_module
from mindspore_serving.client.plain_reply import NotPlain, decode_plain_reply
from mindspore_serving.client.reply import decode_reply, decode_reply_message
from mindspore_serving.proto import ms_service_pb2 as pb

SPEC = pb.ServableSpec(name="add", method_name="add_common")
ELEMENT_BYTES = {wire: dtype.itemsize for wire, dtype in reply_module.DTYPE_OF_WIRE.items()}


def reply_of(*instances: dict[str, pb.Tensor]) -> pb.PredictReply:
    return pb.PredictReply(servable_spec=SPEC, instances=[pb.Instance(items=items) for items in instances])


def numbers(wire: int, dims: list[int], fill: bytes = b"\1") -> pb.Tensor:
    count = int(np.prod(dims))
    data = (fill * ELEMENT_BYTES[wire])[: ELEMENT_BYTES[wire]] * count
    return pb.Tensor(dtype=wire, shape=pb.TensorShape(dims=dims), data=data)


DIMS = st.lists(st.integers(0, 3) | st.just(130), max_size=3).filter(lambda dims: np.prod(dims) <= 400)
TENSORS = st.one_of(
    st.builds(numbers, st.sampled_from(sorted(ELEMENT_BYTES)), DIMS, st.binary(min_size=8, max_size=8)),
    st.builds(lambda text: pb.Tensor(dtype=pb.MS_STRING, bytes_val=[text.encode()]), st.text(max_size=200)),
    st.builds(lambda value: pb.Tensor(dtype=pb.MS_BYTES, shape={"dims": [1]}, bytes_val=[value]), st.binary()),
)
PLAIN_REPLIES = st.builds(lambda some: reply_of(*some), st.lists(st.dictionaries(st.text(), TENSORS, max_size=3)))


def bits(value: Any) -> Any:
    """The same for the same results, with arrays by their bytes: NaN is not equal to itself."""
    if isinstance(value, np.ndarray):
        return (value.dtype, value.shape, value.tobytes(), value.flags.writeable)
    if isinstance(value, list):
        return [bits(one) for one in value]
    return {name: bits(one) for name, one in value.items()} if isinstance(value, dict) else value


@given(PLAIN_REPLIES)
def test_what_servers_write_takes_the_fast_way(reply: pb.PredictReply) -> None:
    assert bits(decode_plain_reply(reply.SerializeToString())) == bits(decode_reply_message(reply))


def assert_taken_alike(message: bytes) -> None:
    """The fast way gives up, or gives what the generated messages give."""
    try:
        plain = decode_plain_reply(message)
    except (NotPlain, IndexError, ValueError, OverflowError):
        return
    assert bits(plain) == bits(decode_reply_message(pb.PredictReply.FromString(message)))


def test_no_message_with_one_wrong_byte_is_taken_otherwise() -> None:
    text = pb.Tensor(dtype=pb.MS_STRING, bytes_val=[b"one"])
    value = pb.Tensor(dtype=pb.MS_BYTES, shape={"dims": [1]}, bytes_val=[b"two"])
    reply = reply_of({"y": numbers(pb.MS_INT16, [1, 200, 1]), "t": text}, {"v": value}, {"b": value})
    message = reply.SerializeToString()
    for at in range(SPEC.ByteSize() + 2, len(message)):  # nobody reads what the spec says
        others = {message[at] ^ 1 << bit for bit in range(8)} | {message[at] + 1, message[at] - 1, 0, 127, 128, 255}
        for byte in others & set(range(256)):
            assert_taken_alike(message[:at] + bytes([byte]) + message[at + 1 :])
        assert_taken_alike(message[:at])
    with pytest.raises(RuntimeError, match="no PredictReply message"):
        decode_reply(b"\x0a\x00\x1a" + b"\x80" * 10 + b"\x00")  # a length of eleven bytes


@given(PLAIN_REPLIES, st.data())
def test_no_changed_message_is_taken_otherwise(reply: pb.PredictReply, data: st.DataObject) -> None:
    changed = bytearray(reply.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(SPEC.ByteSize() + 2, len(changed)))
        changed[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    assert_taken_alike(bytes(changed))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_result_or_a_runtime_error(message: bytes) -> None:
    with contextlib.suppress(RuntimeError):
        decode_reply(message)


def test_other_orders_and_unknown_fields_are_left_to_the_generated_messages() -> None:
    reply = reply_of({"y": numbers(pb.MS_FLOAT32, [2])})
    (instance,) = reply.instances
    field = b"\x1a" + bytes([instance.ByteSize()]) + instance.SerializeToString()
    spec = b"\x0a" + bytes([SPEC.ByteSize()]) + SPEC.SerializeToString()
    expected = bits(decode_reply_message(reply))
    assert bits(decode_reply(spec + field)) == expected
    for message in (field, field + spec, spec + field + b"\xf8\x01\x05"):
        with pytest.raises((NotPlain, IndexError)):
            decode_plain_reply(message)
        assert bits(decode_reply(message)) == expected


def test_arrays_are_aligned_and_keep_only_their_own_bytes() -> None:
    large, small = numbers(pb.MS_UINT8, [400, 400]), numbers(pb.MS_FLOAT64, [3])
    (outputs,) = decode_reply(reply_of({"a": large, "odd": numbers(pb.MS_UINT8, [1]), "z": small}).SerializeToString())
    for value in outputs.values():
        assert value.flags.aligned
        assert len(value.base) == value.nbytes


def test_several_texts_in_one_tensor_are_a_list() -> None:
    strings = pb.Tensor(dtype=pb.MS_STRING, bytes_val=[b"a", b"b"])
    values = pb.Tensor(dtype=pb.MS_BYTES, bytes_val=[b"a", b"b"])
    assert decode_reply(reply_of({"y": strings}).SerializeToString()) == [{"y": ["a", "b"]}]
    assert decode_reply(reply_of({"y": values}).SerializeToString()) == [{"y": [b"a", b"b"]}]


@pytest.mark.parametrize(
    "tensor",
    [
        pb.Tensor(dtype=pb.MS_FLOAT32, data=b"123"),
        pb.Tensor(dtype=pb.MS_FLOAT32, data=b"1234", shape=pb.TensorShape(dims=[2])),
        pb.Tensor(dtype=pb.MS_FLOAT32, data=b"12345678", shape=pb.TensorShape(dims=[-1])),
        pb.Tensor(dtype=pb.MS_FLOAT32, data=b"", shape=pb.TensorShape(dims=[0, -1])),
        pb.Tensor(dtype=pb.MS_FLOAT32, data=b"", shape=pb.TensorShape(dims=[0, 2**63 - 1, 2**63 - 1])),
        pb.Tensor(dtype=pb.MS_FLOAT32, data=b"", shape=pb.TensorShape(dims=[0] * 65)),
        pb.Tensor(dtype=pb.MS_STRING, bytes_val=[b"\xff"]),
        pb.Tensor(dtype=pb.MS_UNKNOWN, data=b"1234"),
        pb.Tensor(dtype=99, data=b"1234"),
        pb.Tensor(),
    ],
)
def test_a_tensor_that_makes_no_sense_is_an_error(tensor: pb.Tensor) -> None:
    with pytest.raises(RuntimeError, match=r"The reply has a tensor of \w+ with wrong|Unknown data type"):
        decode_reply(reply_of({"y": tensor}).SerializeToString())


def test_bytes_that_are_no_reply_are_an_error() -> None:
    with pytest.raises(RuntimeError, match="The server's reply is no PredictReply message"):
        decode_reply(b"\x0a\xff")
