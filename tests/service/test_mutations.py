"""Thousands of damaged requests: each is answered, no process ends, and good requests between them are served."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from tests.harness.grpc_client import GrpcClient, decode_reply
from tests.harness.http_client import HttpClient
from tests.harness.protocol import make_request
from tests.harness.server_process import ServerProcess

_INSTANCES = [
    {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "z": "text"},
    {"x": np.zeros((0, 2), np.int64)},
    {"x": b"\x00\xff", "much": np.ones(40, np.uint8)},
]


def _damaged(message: bytes, generator: random.Random) -> bytes:
    """The message with one to four bytes changed, taken out, put in, or its end cut off."""
    data = bytearray(message)
    for _ in range(generator.randint(1, 4)):
        if len(data) < 2:
            break
        place = generator.randrange(len(data))
        what = generator.randrange(5)
        if what == 0:
            data[place] = generator.randrange(256)
        elif what == 1:
            data[place] ^= 1 << generator.randrange(8)
        elif what == 2:
            del data[place]
        elif what == 3:
            data.insert(place, generator.choice(b'\x00\x01\x7f\x80\xff"[]{}:,\\'))
        else:
            del data[max(place, 1) :]
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_protobuf(plain_server: ServerProcess, seed: int) -> None:
    generator = random.Random(seed)
    message = make_request("basic", "echo", _INSTANCES).SerializeToString(deterministic=True)
    workers = plain_server.workers()
    with GrpcClient(plain_server.grpc_address) as client:
        futures = [client.future(_damaged(message, generator)) for _ in range(1000)]
        for future in futures:
            reply = decode_reply(future.result())
            assert reply.errors or reply.instances
        assert len(client.call("basic", "echo", *_INSTANCES).values) == 3
    assert plain_server.workers() == workers


@pytest.mark.parametrize("seed", range(4))
def test_damaged_json(plain_server: ServerProcess, seed: int) -> None:
    generator = random.Random(seed)
    body = {"instances": [{"x": [[1.5, -2.0]], "z": "tä\n"}, {"x": {"b64": "AQI=", "type": "int8", "shape": [2]}}]}
    message = json.dumps(body, ensure_ascii=False).encode()
    workers = plain_server.workers()
    with HttpClient(plain_server.rest_address) as client:
        for _ in range(500):
            reply = client.request("/model/basic:echo", _damaged(message, generator))
            assert reply.status in (200, 400)
            assert reply.json
        assert len(client.request("/model/basic:echo", body).instances) == 2
    assert plain_server.workers() == workers
