"""Our protobuf codec against protobuf's own library.

Any request, in any form that the wire format allows, is understood as that library understands it, and answered in the
bytes that it would write.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.grpc_client import GrpcClient, decode_reply
from tests.harness.protocol import make_request, messages
from tests.harness.server_process import ServerProcess
from tests.harness.strategies import VALUES

INSTANCES = st.lists(st.fixed_dictionaries({"x": VALUES}), min_size=1, max_size=4)
NOT_A_MESSAGE = "The request is not a PredictRequest message"


@pytest.fixture(scope="module")
def client(plain_server: ServerProcess) -> Iterator[GrpcClient]:
    with GrpcClient(plain_server.grpc_address) as made:
        yield made


def expected_reply(request: Any) -> Any:
    """What `pass_through` answers, which gives input x back as output y."""
    reply = messages().PredictReply(servable_spec=request.servable_spec)
    for instance in request.instances:
        given_tensor = instance.items["x"]
        tensor = reply.instances.add().items["y"]
        tensor.dtype = given_tensor.dtype
        tensor.shape.CopyFrom(given_tensor.shape)
        tensor.shape.SetInParent()
        tensor.bytes_val.extend(given_tensor.bytes_val)
        if given_tensor.data:
            tensor.data = given_tensor.data
    return reply


@given(instances=INSTANCES, version=st.sampled_from([0, 1]))
def test_any_request_is_answered_byte_for_byte(client: GrpcClient, instances: list[Any], version: int) -> None:
    request = make_request("basic", "pass_through", instances, version)
    reply = client.send_bytes(request.SerializeToString())
    assert reply == expected_reply(request).SerializeToString(deterministic=True)


class AnyForm:
    """Writes a message in one of the many forms that mean the same."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def varint(self, value: int, most_bytes: int = 10) -> bytes:
        """At times longer than needed."""
        groups = []
        while value >= 0x80:
            groups.append(value & 0x7F)
            value >>= 7
        groups.append(value)
        groups += [0] * self._random.choice([0, 0, 0, 1, most_bytes - len(groups)])
        groups = groups[:most_bytes]
        return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])

    def key(self, number: int, wire_type: int) -> bytes:
        return self.varint(number << 3 | wire_type, most_bytes=5)

    def field(self, number: int, content: bytes) -> bytes:
        return self.key(number, 2) + self.varint(len(content), most_bytes=5) + content

    def number(self, number: int, value: int) -> bytes:
        return self.key(number, 0) + self.varint(value)

    def unknown(self) -> bytes:
        """A field that nobody knows, or nothing."""
        number = self._random.choice([6, 15, 16, 2**29 - 1])
        kind = self._random.choice(["", "", "varint", "fixed32", "fixed64", "bytes", "group"])
        content = {
            "": b"",
            "varint": self.key(number, 0) + self.varint(7),
            "fixed32": self.key(number, 5) + bytes(4),
            "fixed64": self.key(number, 1) + bytes(8),
            "bytes": self.field(number, b"\x0a\x01"),
            "group": self.key(number, 3) + self.key(1, 0) + b"\x05" + self.key(number, 4),
        }
        return content[kind]

    def message(self, *fields: bytes) -> bytes:
        """Fields in any order, unknown ones between them."""
        return b"".join(self.unknown() + one for one in self._shuffled(*fields)) + self.unknown()

    def _shuffled(self, *fields: bytes) -> list[bytes]:
        return self._random.sample(fields, len(fields))

    def dims(self, dims: Any) -> bytes:
        """Packed, or not, or one part so."""
        cut = self._random.randint(0, len(dims))
        unpacked = b"".join(self.number(1, dim) for dim in dims[:cut])
        packed = self.field(1, b"".join(self.varint(dim) for dim in dims[cut:])) if cut < len(dims) else b""
        return unpacked + packed

    def tensor(self, tensor: Any) -> bytes:
        fields = [self.field(1, self.dims(tensor.shape.dims)), self.number(2, tensor.dtype)]
        fields += [self.field(3, tensor.data)] if tensor.HasField("tensor_data") else []
        fields += [self.field(4, text) for text in tensor.bytes_val]
        if self._random.random() < 0.5:  # of a number that is there twice the last counts
            fields[1] = self.number(2, 5) + fields[1]
        return self.message(*fields)

    def item(self, name: str, tensor: Any) -> bytes:
        # Nothing unknown here: protobuf's Python library takes an entry with such fields to be unknown as a whole.
        return self.field(1, b"".join(self._shuffled(self.field(1, name.encode()), self.field(2, self.tensor(tensor)))))

    def request(self, request: Any) -> bytes:
        spec = request.servable_spec
        # A message that is there twice is merged.
        specs = [
            self.field(1, self.field(1, spec.name.encode())),
            self.field(1, self.field(2, spec.method_name.encode())),
        ]
        instances = [
            self.field(2, self.message(*(self.item(name, tensor) for name, tensor in one.items.items())))
            for one in request.instances
        ]
        return self.message(*specs, b"".join(instances))


@given(instances=INSTANCES, random=st.randoms(use_true_random=True))
def test_any_form_of_a_request_means_the_same(client: GrpcClient, instances: list[Any], random: Random) -> None:
    request = make_request("basic", "pass_through", instances)
    form = AnyForm(random).request(request)
    understood = messages().PredictRequest.FromString(form)
    understood.DiscardUnknownFields()
    assert client.send_bytes(form) == expected_reply(request).SerializeToString(deterministic=True)
    assert expected_reply(understood) == expected_reply(request)


@st.composite
def damaged_requests(draw: st.DrawFn) -> bytes:
    """A request with some bytes changed, or cut off."""
    data = bytearray(make_request("basic", "pass_through", draw(INSTANCES)).SerializeToString(deterministic=True))
    for place, byte in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=3)):
        data[place] = byte
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@given(damaged_requests())
def test_what_protobuf_cannot_read_is_no_message(client: GrpcClient, message: bytes) -> None:
    try:
        messages().PredictRequest.FromString(message)
        readable = True
    except DecodeError:
        readable = False
    errors = decode_reply(client.send_bytes(message)).errors
    refused = any(text.startswith(NOT_A_MESSAGE) for _, text in errors)
    assert refused == (not readable), errors
