"""What several modules of tests/service share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.harness.callers import GrpcCaller, RestCaller
from tests.harness.server_process import ServerProcess, start_script
from tests.harness.settled import resources_come_back

Caller = GrpcCaller | RestCaller
_PLAIN = ("basic", "batches", "failing", "slow")


@pytest.fixture(scope="module")
def plain_server(servables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The servables without models in one server; at the end of the module it holds no more than at its start."""
    configs = [{"servable_directory": str(servables), "servable_name": name} for name in _PLAIN]
    with ServerProcess(start_script(configs), tmp_path_factory.mktemp("plain")) as server:
        server.wait_ready()
        with resources_come_back(server, lambda: touch_every_servable(server)):
            yield server


def touch_every_servable(server: ServerProcess) -> None:
    """A request to each worker over each protocol."""
    for caller in (GrpcCaller(server), RestCaller(server)):
        caller.call("basic", "echo", {"x": np.float32(1)})
        caller.call("basic", "echo", {"x": np.zeros(100_000, np.uint8)})  # large JSON is decoded by a thread of its own
        caller.call("batches", "up_to_four", {"x": np.float32(1)})
        caller.call("failing", "raises", {"x": np.float32(1)})
        caller.call("slow", "echo", {"x": np.float32(1)})
        caller.close()


@pytest.fixture(params=["grpc", "rest"])
def caller(request: pytest.FixtureRequest, plain_server: ServerProcess) -> Iterator[Caller]:
    """A caller of the plain server, once for each protocol."""
    made = GrpcCaller(plain_server) if request.param == "grpc" else RestCaller(plain_server)
    yield made
    made.close()
