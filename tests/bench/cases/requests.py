"""Requests over gRPC and HTTP whose work is small or known, and the Python client."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ...harness import protocol
from ...harness.http_client import HttpClient
from .. import children
from ..bench import Bench
from ..load import GrpcLoad, HttpLoad
from ..rows import Row, Target

_SQUARE = np.array([[1, 2], [3, 4]], np.float32)
_IN_FLIGHT = (1, 16, 64)


def grpc_identity(bench: Bench) -> list[Row]:
    """A Python stage that does nothing, against the echo on the C++ gRPC library."""
    ours, reference = _grpc_pair(bench, "identity", {"x": _SQUARE}, _SQUARE)
    targets = {1: Target("mean ratio", at_most=2.5), 64: Target("rate ratio", at_least=0.35)}
    return [
        bench.rounds_of(f"gRPC identity 2x2, {n} in flight", targets.get(n), n, ours, reference) for n in _IN_FLIGHT
    ]


def rest_identity(bench: Bench) -> list[Row]:
    """The same over HTTP, against the echo on aiohttp and uvloop."""
    ours, reference = _rest_pair(bench, "identity", {"x": _SQUARE.tolist()}, _SQUARE.tolist())
    targets = {64: Target("rate ratio", at_least=0.45)}
    return [
        bench.rounds_of(f"RESTful identity 2x2, {n} in flight", targets.get(n), n, ours, reference) for n in _IN_FLIGHT
    ]


def grpc_add(bench: Bench) -> list[Row]:
    """A MindIR model, against a bare loop over the same compiled model."""
    model = bench.model("add")
    server = bench.server("add", device_ids=0)
    ours = bench.grpc_load(server, "add", {"x1": _SQUARE, "x2": _SQUARE}, {"y": _SQUARE * 2})
    targets = {64: Target("rate ratio", at_least=0.5)}
    with children.LoopChild("model_loop.py", str(model)) as loop:
        return [
            bench.rounds_of(f"gRPC MindIR add 2x2, {n} in flight", targets.get(n), n, ours, loop) for n in _IN_FLIGHT
        ]


def rest_add(bench: Bench) -> list[Row]:
    """The model over HTTP, against the echo on aiohttp and uvloop."""
    bench.model("add")
    bench.server("add", device_ids=0)
    values = {"x1": _SQUARE.tolist(), "x2": _SQUARE.tolist()}
    ours, reference = _rest_pair(bench, "add", values, (_SQUARE * 2).tolist())
    return [bench.rounds_of(f"RESTful MindIR add 2x2, {n} in flight", None, n, ours, reference) for n in _IN_FLIGHT]


def grpc_large(bench: Bench) -> list[Row]:
    """602 kB in, one number out, against the echo, which sends the 602 kB back."""
    x = np.random.default_rng(1).random((1, 3, 224, 224), np.float32)
    ours, reference = _grpc_pair(bench, "total", {"x": x}, x.sum(dtype=np.float32))
    targets = {1: Target("rate ratio", at_least=0.8)}
    return [
        bench.rounds_of(f"gRPC sum of 1x3x224x224, {n} in flight", targets.get(n), n, ours, reference) for n in (1, 8)
    ]


def grpc_pause(bench: Bench) -> list[Row]:
    """A stage that sleeps 5 ms a batch, against a bare loop over the same function."""
    ours = bench.grpc_load(bench.server("pause"), "pause", {"x": _SQUARE}, {"y": _SQUARE})
    rows: list[Row] = []
    for in_flight, instances, target in (
        (1, 1, Target("mean ratio", at_most=1.1)),
        (64, 16, Target("rate ratio", at_least=0.95)),
    ):
        with children.LoopChild("pause_loop.py", str(instances), items_per_call=instances) as loop:
            rows.append(
                bench.rounds_of(f"gRPC 5 ms stage, batch 16, {in_flight} in flight", target, in_flight, ours, loop)
            )
    return rows


def client(bench: Bench) -> list[Row]:
    """The Python client, one call after the other, against a bare grpcio call with the same bytes to the C++ echo."""
    message = bench.folder / "client-request"
    message.write_bytes(protocol.make_request("identity", "predict", [{"x": _SQUARE}]).SerializeToString())
    with (
        children.LoopChild("client_loop.py", bench.server("identity").grpc_address) as ours,
        children.LoopChild("grpcio_loop.py", bench.grpc_echo.address, str(message)) as reference,
    ):
        return [
            bench.rounds_of(
                "Client.infer 2x2, one after the other", Target("mean ratio", at_most=2.2), 1, ours, reference
            )
        ]


def _grpc_pair(bench: Bench, servable: str, inputs: dict[str, Any], expected: Any) -> tuple[GrpcLoad, GrpcLoad]:
    """The load on our server, and the same bytes for the echo."""
    message = protocol.make_request(servable, "predict", [inputs]).SerializeToString()
    reference = GrpcLoad(bench.grpc_echo.address, message, len(message), bench.folder)
    return bench.grpc_load(bench.server(servable), servable, inputs, {"y": expected}), reference


def _rest_pair(bench: Bench, servable: str, inputs: dict[str, Any], expected: Any) -> tuple[HttpLoad, HttpLoad]:
    server = bench.server(servable)
    with HttpClient(server.rest_address) as http_client:
        reply = http_client.call(servable, "predict", inputs)
    if reply.status != 200 or reply.instances != [{"y": expected}]:
        raise RuntimeError(f"wrong answer: {reply}")
    body = _json_body(inputs)
    path = f"/model/{servable}:predict"
    return HttpLoad(server.rest_address, path, body, bench.folder), HttpLoad(
        bench.aiohttp_echo.address, path, body, bench.folder
    )


def _json_body(inputs: dict[str, Any]) -> bytes:
    """The JSON body of a request with one instance."""
    return json.dumps({"instances": [inputs]}).encode()
