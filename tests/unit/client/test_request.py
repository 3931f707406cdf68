"""What each Python value becomes on the wire, read with the generated messages, and that it comes back as it was."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mindspore_serving.client.reply import decode_reply
from mindspore_serving.client.request import encode_request
from mindspore_serving.proto import ms_service_pb2 as pb

DTYPES = {
    "bool": pb.MS_BOOL,
    "int8": pb.MS_INT8,
    "uint8": pb.MS_UINT8,
    "int16": pb.MS_INT16,
    "uint16": pb.MS_UINT16,
    "int32": pb.MS_INT32,
    "uint32": pb.MS_UINT32,
    "int64": pb.MS_INT64,
    "uint64": pb.MS_UINT64,
    "float16": pb.MS_FLOAT16,
    "float32": pb.MS_FLOAT32,
    "float64": pb.MS_FLOAT64,
}


def sent(value: Any) -> pb.Tensor:
    (instance,) = pb.PredictRequest.FromString(encode_request("add", "add_common", 0, {"x": value})).instances
    return instance.items["x"]


def decode(tensor: pb.Tensor) -> Any:
    reply = pb.PredictReply(servable_spec=pb.ServableSpec(name="add"), instances=[pb.Instance(items={"y": tensor})])
    (outputs,) = decode_reply(reply.SerializeToString())
    return outputs["y"]


def assert_same_array(got: Any, want: np.ndarray) -> None:
    assert isinstance(got, np.ndarray)
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    assert got.tobytes() == want.tobytes()


@given(st.sampled_from(sorted(DTYPES)).flatmap(lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=0, min_side=0))))
def test_arrays_come_back_as_they_were(array: np.ndarray) -> None:
    tensor = sent(array)
    assert tensor.dtype == DTYPES[array.dtype.name]
    assert list(tensor.shape.dims) == list(array.shape)
    assert not tensor.bytes_val
    assert_same_array(decode(tensor), array)


@pytest.mark.parametrize("name", sorted(DTYPES))
def test_numpy_scalars_have_an_empty_shape(name: str) -> None:
    scalar = np.dtype(name).type(1)
    tensor = sent(scalar)
    assert tensor.dtype == DTYPES[name]
    assert not tensor.shape.dims
    assert_same_array(decode(tensor), np.asarray(scalar))


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (True, "bool"),
        (False, "bool"),
        (3, "int64"),
        (-(2**63), "int64"),
        (2**63, "uint64"),
        (2**64 - 1, "uint64"),
        (0.5, "float64"),
        (enum.IntEnum("Colour", "RED").RED, "int64"),
    ],
)
def test_numbers_of_python_get_the_shape_of_one_element(value: Any, dtype: str) -> None:
    tensor = sent(value)
    assert tensor.dtype == DTYPES[dtype]
    assert list(tensor.shape.dims) == [1]
    assert_same_array(decode(tensor), np.array([value], dtype))


@given(st.text())
def test_text_comes_back_as_it_was(text: str) -> None:
    tensor = sent(text)
    assert (tensor.dtype, list(tensor.shape.dims), list(tensor.bytes_val)) == (pb.MS_STRING, [1], [text.encode()])
    assert decode(tensor) == text


@given(st.binary())
def test_bytes_come_back_as_they_were(value: bytes) -> None:
    tensor = sent(value)
    assert (tensor.dtype, list(tensor.shape.dims), list(tensor.bytes_val)) == (pb.MS_BYTES, [1], [value])
    assert decode(tensor) == value


@pytest.mark.parametrize(("name", "same"), [("longlong", "int64"), ("ulonglong", "uint64"), ("intc", "int32")])
def test_other_names_of_a_type_are_that_type(name: str, same: str) -> None:
    assert sent(np.ones(2, name)) == sent(np.ones(2, same))


def test_texts_of_numpy_are_texts() -> None:
    assert sent(np.str_("é")) == sent("é")
    assert sent(np.bytes_(b"\xff")) == sent(b"\xff")


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int32).reshape(2, 3).T,
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(10, dtype=np.uint8)[::3],
        np.broadcast_to(np.float32(1), (2, 2)),
    ],
)
def test_any_memory_order_is_sent_in_c_order(array: np.ndarray) -> None:
    assert_same_array(decode(sent(array)), np.ascontiguousarray(array))


def test_results_are_read_only() -> None:
    result = decode(sent(np.ones((2, 2), np.float32)))
    with pytest.raises(ValueError, match="read-only"):
        result[0, 0] = 2


@pytest.mark.parametrize("value", [[1], (1,), {"a": 1}, None, bytearray(b"a"), memoryview(b"a"), np.datetime64(1, "s")])
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(RuntimeError, match="Not support value type <class '") as error:
        sent(value)
    assert str(type(value)) in str(error.value)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (np.array(["a"]), "<U1"),
        (np.array([b"a"]), r"\|S1"),
        (np.array([1, "a"], object), "object"),
        (np.ones(2, ">f4"), ">f4"),
        (np.ones(2, np.complex64), "complex64"),
        (np.complex128(1), "complex128"),
        (np.ones(2, np.longdouble), "float128"),
        (2**64, "object"),
    ],
)
def test_other_dtypes_are_refused(value: Any, dtype: str) -> None:
    with pytest.raises(RuntimeError, match=f"Unknown data type {dtype}"):
        sent(value)


NAMES = st.text(max_size=200)
VALUES = st.one_of(st.text(), st.binary(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.booleans())


@given(NAMES, NAMES, st.integers(0, 2**64 - 1), st.lists(st.dictionaries(NAMES, VALUES)))
def test_the_bytes_are_those_of_the_generated_messages(
    servable: str, method: str, version: int, instances: list[dict[str, Any]]
) -> None:
    message = encode_request(servable, method, version, instances)
    request = pb.PredictRequest.FromString(message)
    assert (request.servable_spec.name, request.servable_spec.method_name) == (servable, method)
    assert request.servable_spec.version_number == version
    assert [set(instance.items) for instance in request.instances] == [set(instance) for instance in instances]
    for sent_instance, instance in zip(request.instances, instances, strict=True):
        for name, value in instance.items():
            assert sent_instance.items[name] == sent(value)
    assert len(message) == request.ByteSize() + 2 * (not servable) + 2 * (not method)  # no field twice, none unknown


@pytest.mark.parametrize("size", [0, 1, 100, 4095, 4096, 4097, 20_000, 3 << 20])
def test_arrays_of_any_size(size: int) -> None:
    array = np.arange(size, dtype=np.uint8)
    assert_same_array(decode(sent(array)), array)
    assert_same_array(decode(sent(array[::-1])), array[::-1])


def test_a_masked_array_is_sent_filled() -> None:
    array = np.ma.masked_greater(np.arange(5000), 10)
    assert_same_array(decode(sent(array)), array.filled())


@pytest.mark.parametrize("name", [1, b"x", None, ("x",)])
@pytest.mark.parametrize("value", [1, np.float32(1), "a", b"a"])
def test_the_name_of_an_input_is_a_text(name: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="The name of an input should be str"):
        encode_request("add", "add_common", 0, {name: value})


def test_texts_that_are_no_unicode_are_refused() -> None:
    with pytest.raises(RuntimeError, match="A str that is not valid Unicode cannot be sent"):
        sent("\ud800")
    with pytest.raises(RuntimeError, match="The name of an input is not valid Unicode"):
        encode_request("add", "add_common", 0, {"\ud800": 1})
