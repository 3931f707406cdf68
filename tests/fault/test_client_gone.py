"""Clients vanish in the middle of their calls."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path

import numpy as np

from tests.fault.conftest import Start
from tests.harness.gates import gate_request, wait_entered
from tests.harness.grpc_client import GrpcClient
from tests.harness.http_client import HttpClient, RawConnection, post_bytes
from tests.harness.server_process import ServerProcess
from tests.harness.settled import resources_come_back
from tests.harness.waiting import wait_until


def _warm_up(server: ServerProcess) -> None:
    with GrpcClient(server.grpc_address) as grpc_client, HttpClient(server.rest_address) as http_client:
        assert grpc_client.call("slow", "echo", {"x": np.float32(1)}).values == [{"y": 1}]
        assert http_client.call("slow", "echo", {"x": 1}).instances == [{"y": 1}]


def test_nothing_is_kept_for_clients_that_are_gone(start: Start, gate: Path) -> None:
    """1. gRPC and HTTP clients wait. 2. They go: closed, reset, half a request sent. 3. The server is as before."""
    with start("slow") as server, resources_come_back(server, lambda: _warm_up(server)):
        with GrpcClient(server.grpc_address) as client:
            calls = [client.future(gate_request(gate)) for _ in range(10)]
            wait_entered(gate)
        assert all(call.exception() is not None for call in calls)
        body = json.dumps({"instances": {"path": str(gate)}}).encode()
        for end in ("close", "reset", "half", "head"):
            raw = RawConnection(server.rest_address)
            message = post_bytes("/model/slow:gate", body)
            raw.send({"half": message[:-5], "head": message[:20]}.get(end, message))
            if end == "reset":
                raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raw.__exit__()
        half_grpc = socket.create_connection(("127.0.0.1", int(server.grpc_address.rpartition(":")[2])))
        half_grpc.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        half_grpc.close()
        gate.touch()
        wait_until(lambda: _served(server), "an answer after the clients were gone")


def _served(server: ServerProcess) -> bool:
    with GrpcClient(server.grpc_address) as client:
        return not client.call("slow", "echo", {"x": np.float32(1)}).errors


def test_clients_that_never_read_their_answers(start: Start) -> None:
    """Large answers pile up for a client that does not read; others are served."""
    with start("slow") as server:
        silent = RawConnection(server.rest_address)
        body = json.dumps({"instances": [{"x": [0.5] * 1000}] * 200}).encode()
        message = post_bytes("/model/slow:echo", body)
        silent.socket.settimeout(1.0)
        try:
            for _ in range(50):
                silent.send(message)
        except TimeoutError:
            pass  # the server reads no more from it: as it should
        assert _served(server)
        silent.__exit__()
        assert _served(server)
