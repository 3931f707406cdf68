"""The fast way from the bytes of a `PredictReply` to Python values, for messages as servers write them.

All went well, the fields stand in the order of their numbers, each once, with nothing unknown between them. The
generated messages would do this too, but making and walking their objects takes a tenth of the time of a small call.
"""

from __future__ import annotations

from typing import Any

from mindspore_serving.client.dtypes import DTYPE_OF_WIRE, MS_BYTES, MS_STRING, array_of

# Field keys: number << 3 | wire type.
_FIRST_MESSAGE, _SECOND_MESSAGE, _THIRD_MESSAGE, _FOURTH_MESSAGE = 0x0A, 0x12, 0x1A, 0x22
_SECOND_NUMBER = 0x10


class NotPlain(Exception):
    """The message is written in another way, or is no `PredictReply`."""


def decode_plain_reply(message: bytes) -> list[dict[str, Any]]:
    """The outputs of each instance.

    Raises `NotPlain`, `IndexError`, `ValueError` or `OverflowError` for every other message.
    """
    end = len(message)
    _, at = _enter(message, 0, _FIRST_MESSAGE)  # servable_spec
    results = []
    while at < end:
        at, instance_end = _enter(message, at, _THIRD_MESSAGE)
        outputs = {}
        while at < instance_end:
            at, item_end = _enter(message, at, _FIRST_MESSAGE)
            at, name_end = _enter(message, at, _FIRST_MESSAGE)
            name = message[at:name_end].decode()
            at, tensor_end = _enter(message, name_end, _SECOND_MESSAGE)
            if tensor_end != item_end:
                raise NotPlain
            outputs[name] = _value(message, at, item_end)
            at = item_end
        if at != instance_end:
            raise NotPlain
        results.append(outputs)
    if at != end:
        raise NotPlain
    return results


def _value(message: bytes, at: int, end: int) -> Any:
    """The value of the tensor that lies from `at` to `end`."""
    shape: tuple[int, ...] = ()
    if message[at] == _FIRST_MESSAGE:
        at, shape_end = _enter(message, at, _FIRST_MESSAGE)
        if at != shape_end:
            at, dims_end = _enter(message, at, _FIRST_MESSAGE)
            if dims_end != shape_end:
                raise NotPlain
            shape = _dims(message, at, shape_end)
            at = shape_end
    if message[at] != _SECOND_NUMBER:
        raise NotPlain
    wire = message[at + 1]
    at += 2
    dtype = DTYPE_OF_WIRE.get(wire)
    if dtype is not None:
        # A slice and no view: its memory is aligned, and the rest of the reply is not kept alive by it.
        return array_of(shape, dtype, b"" if at == end else _last(message, at, _THIRD_MESSAGE, end))
    content = _last(message, at, _FOURTH_MESSAGE, end)
    if wire == MS_STRING:
        return content.decode()
    if wire == MS_BYTES:
        return content
    raise NotPlain


def _last(message: bytes, at: int, key: int, end: int) -> bytes:
    """The content of the field that ends the message it is in."""
    at, field_end = _enter(message, at, key)
    if field_end != end:
        raise NotPlain
    return message[at:end]


def _dims(message: bytes, at: int, end: int) -> tuple[int, ...]:
    packed = message[at:end]
    if packed.isascii():  # one byte each
        return tuple(packed)
    dims = []
    while at < end:
        dim, at = (message[at], at + 1) if message[at] < 128 else _varint(message, at)
        dims.append(dim)
    if at != end:
        raise NotPlain
    return tuple(dims)


def _enter(message: bytes, at: int, key: int) -> tuple[int, int]:
    """Where the content of a length-delimited field begins and ends."""
    if message[at] != key:
        raise NotPlain
    size = message[at + 1]
    at += 2
    if size >= 128:
        size, at = _varint(message, at - 1)
    return at, at + size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of more than one byte and less than 64 bits, and where it ends."""
    number = shift = 0
    while (byte := message[at]) >= 128:
        number |= (byte & 127) << shift
        shift += 7
        at += 1
    if byte == 0 or shift > 56:
        raise NotPlain
    return number | byte << shift, at + 1
