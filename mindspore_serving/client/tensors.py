"""Python values to the protocol's tensors and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from mindspore_serving.proto import ms_service_pb2 as pb

_NUMPY_TYPES = {
    pb.MS_BOOL: np.bool_,
    pb.MS_INT8: np.int8,
    pb.MS_UINT8: np.uint8,
    pb.MS_INT16: np.int16,
    pb.MS_UINT16: np.uint16,
    pb.MS_INT32: np.int32,
    pb.MS_UINT32: np.uint32,
    pb.MS_INT64: np.int64,
    pb.MS_UINT64: np.uint64,
    pb.MS_FLOAT16: np.float16,
    pb.MS_FLOAT32: np.float32,
    pb.MS_FLOAT64: np.float64,
}
_DTYPE_OF_WIRE = {wire: np.dtype(numpy_type) for wire, numpy_type in _NUMPY_TYPES.items()}
_WIRE_OF_DTYPE = {dtype: wire for wire, dtype in _DTYPE_OF_WIRE.items()}
_MS_STRING, _MS_BYTES = pb.MS_STRING, pb.MS_BYTES


def encode(value: Any, tensor: pb.Tensor) -> None:
    """Puts a value into an empty tensor message.

    Arrays and numpy scalars keep their shape (a scalar's is empty); Python's own `bool`, `int`, `float`, `str` and
    `bytes` get shape `[1]`. Raises `RuntimeError` for anything else, and for a dtype the protocol has no number for.
    """
    # Numbers of numpy first: float64 is also a `float`, str_ a `str`.
    if isinstance(value, (np.ndarray, np.number, np.bool_)):
        _encode_array(value, tensor)
    elif isinstance(value, str):
        try:
            _encode_text(_MS_STRING, value.encode(), tensor)
        except UnicodeEncodeError as error:
            raise RuntimeError(f"A str that is not valid Unicode cannot be sent: {error}") from error
    elif isinstance(value, bytes):
        _encode_text(_MS_BYTES, value, tensor)
    elif isinstance(value, (bool, int, float)):
        _encode_array(np.array((value,)), tensor)
    else:
        raise RuntimeError(f"Not support value type {type(value)}")


def decode(tensor: pb.Tensor) -> Any:
    """The value of a tensor message: a read-only array (0-d for a scalar), a `str` or `bytes`.

    Raises `RuntimeError` where dtype, shape and data do not belong together, which no server sends."""
    dtype = _DTYPE_OF_WIRE.get(tensor.dtype)
    if dtype is not None:
        try:
            return np.frombuffer(tensor.data, dtype).reshape(tensor.shape.dims)
        except ValueError as error:
            raise RuntimeError(f"The reply has a tensor of {dtype} with wrong shape or data: {error}") from error
    if tensor.dtype == _MS_STRING:
        values = [value.decode() for value in tensor.bytes_val]
    elif tensor.dtype == _MS_BYTES:
        values = list(tensor.bytes_val)
    else:
        raise RuntimeError(f"Unknown data type {tensor.dtype} in the reply")
    return values[0] if len(values) == 1 else values


def _encode_array(value: np.ndarray | np.generic, tensor: pb.Tensor) -> None:
    wire = _WIRE_OF_DTYPE.get(value.dtype)
    if wire is None:
        raise RuntimeError(f"Unknown data type {value.dtype}")
    tensor.dtype = wire
    tensor.data = value.tobytes()
    if value.shape:
        tensor.shape.dims.extend(value.shape)


def _encode_text(wire: int, value: bytes, tensor: pb.Tensor) -> None:
    tensor.dtype = wire
    tensor.bytes_val.append(value)
    tensor.shape.dims.append(1)
