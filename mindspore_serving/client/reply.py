"""The bytes of a `PredictReply` to Python values."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from mindspore_serving.client.dtypes import DTYPE_OF_WIRE, MS_BYTES, MS_STRING, array_of
from mindspore_serving.client.plain_reply import NotPlain, decode_plain_reply
from mindspore_serving.proto import ms_service_pb2 as pb

Result = list[dict[str, Any]] | dict[str, str]


def decode_reply(message: bytes) -> Result:
    """A dict of outputs for each instance, or `{"error": text}` for one that failed, or for all of the request.

    An output is a read-only array (0-d for a scalar), a `str` or `bytes`. Raises `RuntimeError` for bytes that are no
    reply, a wrong count of errors, and tensors whose dtype, shape and data do not belong together.
    """
    try:
        return decode_plain_reply(message)
    except (NotPlain, IndexError, ValueError, OverflowError):
        pass  # errors are told, bytes come in another order, or make no sense
    try:
        reply = pb.PredictReply.FromString(message)
    except DecodeError as error:
        raise RuntimeError(f"The server's reply is no PredictReply message: {error}") from error
    return decode_reply_message(reply)


def decode_reply_message(reply: pb.PredictReply) -> Result:
    """`decode_reply` for a message that is parsed already."""
    errors, instances = reply.error_msg, reply.instances
    if not errors:
        return [_outputs(instance) for instance in instances]
    if len(errors) == 1 and errors[0].error_code != 0:
        return _error(errors[0])
    if len(errors) != len(instances):
        raise RuntimeError(
            f"The reply's error msg result size {len(errors)} does not match its {len(instances)} instances"
        )
    return [
        _error(error) if error.error_code != 0 else _outputs(instance)
        for error, instance in zip(errors, instances, strict=True)
    ]


def _error(error: pb.ErrorMsg) -> dict[str, str]:
    return {"error": error.error_msg.decode(errors="replace")}


def _outputs(instance: pb.Instance) -> dict[str, Any]:
    return {name: _value(tensor) for name, tensor in instance.items.items()}


def _value(tensor: pb.Tensor) -> Any:
    dtype = DTYPE_OF_WIRE.get(tensor.dtype)
    try:
        if dtype is not None:
            return array_of(tuple(tensor.shape.dims), dtype, tensor.data)
        if tensor.dtype == MS_STRING:
            values = [value.decode() for value in tensor.bytes_val]
        elif tensor.dtype == MS_BYTES:
            values = list(tensor.bytes_val)
        else:
            raise RuntimeError(f"Unknown data type {tensor.dtype} in the reply")
    except (ValueError, OverflowError) as error:
        raise RuntimeError(f"The reply has a tensor of {dtype or 'text'} with wrong shape or data: {error}") from error
    return values[0] if len(values) == 1 else values
