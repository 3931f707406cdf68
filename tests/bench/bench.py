"""What the cases share: the references, the servers under test, and how one is measured in turn with the other."""

from __future__ import annotations

import contextlib
import functools
import shutil
import time
from pathlib import Path
from typing import Any, Protocol

import grpc
import numpy as np

from ..harness import protocol
from ..harness.grpc_client import GrpcClient
from ..harness.server_process import ServerProcess, start_script
from . import children
from .load import GrpcLoad, Sample
from .rows import LoadRow, Target

_SERVABLES = Path(__file__).resolve().parent / "servables"
_WARM_UP_S = 0.5


class Measured(Protocol):
    """Anything a round can be measured of."""

    def measure(self, in_flight: int, seconds: float) -> Sample: ...


class Bench:
    """The references, one server at a time, and the length of a run. Use as a context manager."""

    def __init__(self, folder: Path, build_folder: Path, seconds: float, rounds: int) -> None:
        self.folder = folder
        self.seconds = seconds
        self.rounds = rounds
        self.build_folder = build_folder
        self._stack = contextlib.ExitStack()
        self._server_name = ""
        self._server: ServerProcess | None = None

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_server()
        self._stack.close()

    @functools.cached_property
    def grpc_echo(self) -> children.EchoServer:
        """The echo on the C++ gRPC library, built when it is first wanted."""
        return self._stack.enter_context(children.grpc_echo(self.build_folder))

    @functools.cached_property
    def aiohttp_echo(self) -> children.EchoServer:
        """The echo on aiohttp and uvloop."""
        return self._stack.enter_context(children.aiohttp_echo())

    @functools.cached_property
    def servables(self) -> Path:
        """A copy of `servables/`, for models to be exported into."""
        copy = self.folder / "servables"
        shutil.copytree(_SERVABLES, copy, ignore=shutil.ignore_patterns("__pycache__"))
        return copy

    def model(self, servable: str) -> Path:
        """The MindIR that adds two 2x2 tensors, as version 1 of the servable."""
        version = self.servables / servable / "1"
        if not version.exists():
            version.mkdir()
            children.export_model(version, "tensor_add")
        return version / "tensor_add.mindir"

    def server(self, name: str, **config: Any) -> ServerProcess:
        """The running server of a servable in `servables/`; the one of another servable is stopped."""
        if self._server is None or self._server_name != name:
            self.stop_server()
            self._server, self._server_name = self.start_server(name, **config), name
        return self._server

    def start_server(self, name: str, directory: Path | None = None, **config: Any) -> ServerProcess:
        """A new server of that servable, in `directory` or in `servables/`. `config`: as for ServableStartConfig."""
        return self.launch_server(name, directory, **config).wait_ready(300)

    def launch_server(self, name: str, directory: Path | None = None, **config: Any) -> ServerProcess:
        """The same, not awaited. Converted models are kept for this run of the benchmark only."""
        arguments = {"servable_directory": str(directory or self.servables), "servable_name": name, **config}
        own = self.folder / f"server-{name}-{time.monotonic_ns()}"
        return ServerProcess(start_script([arguments]), own, {"MINDSPORE_SERVING_CACHE_DIR": str(self.cache(name))})

    def cache(self, name: str) -> Path:
        """Where the servers of that servable keep converted models."""
        return self.folder / f"cache-{name}"

    def stop_server(self) -> None:
        """Stops the server that runs, if any."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def grpc_load(
        self,
        server: ServerProcess,
        servable: str,
        inputs: dict[str, Any],
        expected: dict[str, Any],
        method: str = "predict",
        credentials: grpc.ChannelCredentials | None = None,
    ) -> GrpcLoad:
        """The load on a server that has just answered a real client rightly."""
        request = protocol.make_request(servable, method, [inputs])
        with GrpcClient(server.grpc_address, credentials=credentials) as client:
            reply = client.predict(request)
        (values,) = reply.values
        for name, value in expected.items():
            if isinstance(value, str):
                assert values[name] == value, values
            else:
                np.testing.assert_allclose(values[name], value, rtol=1e-5)
        message, reply_bytes = request.SerializeToString(), reply.message.ByteSize()
        return GrpcLoad(server.grpc_address, message, reply_bytes, self.folder, tls=credentials is not None)

    def rounds_of(
        self, name: str, target: Target | None, in_flight: int, ours: Measured, reference: Measured
    ) -> LoadRow:
        """Measures ours and the reference in turn."""
        row = LoadRow(name, target, same_load=in_flight == 1 or not isinstance(reference, children.TimedLoop))
        for side in (ours, reference):
            side.measure(in_flight, _WARM_UP_S)
        for _ in range(self.rounds):
            row.ours.append(ours.measure(in_flight, self.seconds))
            row.reference.append(reference.measure(in_flight, self.seconds))
        return row
