"""Thousands of damaged requests: each is answered, no process ends, and good requests between them are served."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from tests.harness.damage import damaged
from tests.harness.grpc_client import GrpcClient, decode_reply
from tests.harness.http_client import HttpClient
from tests.harness.protocol import make_request
from tests.harness.server_process import ServerProcess

_INSTANCES = [
    {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "z": "text"},
    {"x": np.zeros((0, 2), np.int64)},
    {"x": b"\x00\xff", "much": np.ones(40, np.uint8)},
]


@pytest.mark.parametrize("seed", range(4))
def test_damaged_protobuf(plain_server: ServerProcess, seed: int) -> None:
    generator = random.Random(seed)
    message = make_request("basic", "echo", _INSTANCES).SerializeToString(deterministic=True)
    workers = plain_server.workers()
    with GrpcClient(plain_server.grpc_address) as client:
        futures = [client.future(damaged(message, generator)) for _ in range(1000)]
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
            reply = client.request("/model/basic:echo", damaged(message, generator))
            assert reply.status in (200, 400)
            assert reply.json
        assert len(client.request("/model/basic:echo", body).instances) == 2
    assert plain_server.workers() == workers
