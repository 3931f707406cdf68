"""The cases of the benchmark: what is measured against which reference, and what is asked of it."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..harness import processes, protocol
from ..harness.grpc_client import GrpcClient
from ..harness.http_client import HttpClient
from ..harness.server_process import ServerProcess, start_script
from . import children
from .load import GrpcLoad, HttpLoad, Sample
from .rows import LoadRow, Target, ValueRow

_SERVABLES = Path(__file__).resolve().parent / "servables"
_SQUARE = np.array([[1, 2], [3, 4]], np.float32)
_IN_FLIGHT = (1, 16, 64)
_WARM_UP_S = 0.5

Row = LoadRow | ValueRow


class Measured(Protocol):
    """Anything a round can be measured of."""

    def measure(self, in_flight: int, seconds: float) -> Sample: ...


class Bench:
    """The references, one server at a time, and the length of a run. Use as a context manager."""

    def __init__(self, folder: Path, build_folder: Path, seconds: float, rounds: int) -> None:
        self.folder = folder
        self.seconds = seconds
        self.rounds = rounds
        self._build_folder = build_folder
        self._stack = contextlib.ExitStack()
        self._server_name = ""
        self._server: ServerProcess | None = None

    def __enter__(self) -> Bench:
        self.grpc_echo = self._stack.enter_context(children.grpc_echo(self._build_folder))
        self.aiohttp_echo = self._stack.enter_context(children.aiohttp_echo())
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_server()
        self._stack.close()

    def server(self, name: str) -> ServerProcess:
        """The running server of a servable in `servables/`; the one of another servable is stopped."""
        if self._server is None or self._server_name != name:
            self.stop_server()
            self._server, self._server_name = self.start_server(name), name
        return self._server

    def start_server(self, name: str) -> ServerProcess:
        """A new server of that servable, ready."""
        directory = self.folder / f"server-{name}-{time.monotonic_ns()}"
        models = {"device_ids": 0} if name == "add" else {}
        config = {"servable_directory": str(self._servables()), "servable_name": name, **models}
        return ServerProcess(start_script([config]), directory).wait_ready()

    def stop_server(self) -> None:
        """Stops the server that runs, if any."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def model(self) -> Path:
        """The MindIR of the add case, in the version directory of its servable."""
        return next(self._servables().glob("add/1/*.mindir"))

    def rounds_of(
        self, name: str, target: Target | None, in_flight: int, ours: Measured, reference: Measured
    ) -> LoadRow:
        """Measures ours and the reference in turn."""
        row = LoadRow(name, target, same_load=in_flight == 1 or not isinstance(reference, children.LoopChild))
        for side in (ours, reference):
            side.measure(in_flight, _WARM_UP_S)
        for _ in range(self.rounds):
            row.ours.append(ours.measure(in_flight, self.seconds))
            row.reference.append(reference.measure(in_flight, self.seconds))
        return row

    def _servables(self) -> Path:
        """A copy of `servables/` with the exported model in it."""
        copy = self.folder / "servables"
        if not copy.exists():
            shutil.copytree(_SERVABLES, copy, ignore=shutil.ignore_patterns("__pycache__"))
            (copy / "add" / "1").mkdir()
            children.export_model(copy / "add" / "1", "tensor_add")
        return copy


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
    ours, _ = _grpc_pair(bench, "add", {"x1": _SQUARE, "x2": _SQUARE}, _SQUARE * 2)
    targets = {64: Target("rate ratio", at_least=0.5)}
    with children.LoopChild("model_loop.py", str(bench.model())) as loop:
        return [
            bench.rounds_of(f"gRPC MindIR add 2x2, {n} in flight", targets.get(n), n, ours, loop) for n in _IN_FLIGHT
        ]


def rest_add(bench: Bench) -> list[Row]:
    """The model over HTTP, against the echo on aiohttp and uvloop."""
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
    ours, _ = _grpc_pair(bench, "pause", {"x": _SQUARE}, _SQUARE)
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


def memory(bench: Bench) -> list[Row]:
    """PSS of the processes, fresh and after load, against an aiohttp echo (master) and Python with numpy (worker)."""
    with (
        bench.start_server("identity") as server,
        children.aiohttp_echo() as echo,
        children.LoopChild("pause_loop.py", "1") as bare,
    ):
        (worker,) = server.workers()
        references = {server.pid: processes.pss_mb(echo.pid), worker: processes.pss_mb(bare.pid)}
        names = {server.pid: "master", worker: "worker"}
        rows: list[Row] = []
        for state in ("fresh", "after load"):
            if state == "after load":
                _grpc_load(bench, server, "identity", {"x": _SQUARE}, _SQUARE).measure(64, bench.seconds)
            for pid, name in names.items():
                target = Target("value", at_most=60) if (name, state) == ("master", "fresh") else None
                rows.append(
                    ValueRow(f"memory of the {name}, {state}", "MB", target, [processes.pss_mb(pid)], [references[pid]])
                )
    return rows


def startup(bench: Bench) -> list[Row]:
    """From the script's start to the last "listening on" line, servable without a model; against an aiohttp echo."""
    ours, reference = [], []
    for _ in range(bench.rounds):
        config = {"servable_directory": str(_SERVABLES), "servable_name": "identity"}
        with ServerProcess(start_script([config]), bench.folder / f"start-{time.monotonic_ns()}") as server:
            server.wait_for_line("RESTful server start success, listening on")
            ours.append(time.monotonic() - server.started_at)
            server.wait_ready()
        with children.aiohttp_echo() as echo:
            reference.append(echo.start_s)
    return [ValueRow("start, servable without a model", "s", Target("value", at_most=1.0), ours, reference)]


CASES: dict[str, Callable[[Bench], list[Row]]] = {
    case.__name__: case
    for case in (grpc_identity, rest_identity, grpc_add, rest_add, grpc_large, grpc_pause, client, memory, startup)
}


def _grpc_pair(bench: Bench, servable: str, inputs: dict[str, Any], expected: Any) -> tuple[GrpcLoad, GrpcLoad]:
    """The load on our server, and the same bytes for the echo."""
    message = protocol.make_request(servable, "predict", [inputs]).SerializeToString()
    reference = GrpcLoad(bench.grpc_echo.address, message, len(message), bench.folder)
    return _grpc_load(bench, bench.server(servable), servable, inputs, expected), reference


def _grpc_load(bench: Bench, server: ServerProcess, servable: str, inputs: dict[str, Any], expected: Any) -> GrpcLoad:
    """The load on a server that has just answered a real client rightly."""
    request = protocol.make_request(servable, "predict", [inputs])
    with GrpcClient(server.grpc_address) as grpc_client:
        reply = grpc_client.predict(request)
    np.testing.assert_allclose(reply.values[0]["y"], expected, rtol=1e-5)
    return GrpcLoad(server.grpc_address, request.SerializeToString(), reply.message.ByteSize(), bench.folder)


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
