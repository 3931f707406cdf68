"""More than 10,000 good, bad, cut-off and slow requests at once, over both protocols, and what they leave behind."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import chaos, processes
from tests.harness.callers import GrpcCaller, RestCaller
from tests.harness.server_process import ServerProcess, start_script
from tests.harness.settled import resources_come_back
from tests.harness.waiting import wait_until

SEED = int(os.environ.get("SERVING_CHAOS_SEED", "20260"))
PATIENCE = "limits=server.RequestLimits(request_timeout_s=600)"
"""On a machine that is busy with other things the slow clients may be very slow."""
GROWTH_MB = 2.0
"""Less than 200 bytes for each request."""


@pytest.fixture(scope="module")
def server(servables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Its memory comes from one heap: with one for each thread, free memory stays in all of them."""
    configs = [{"servable_directory": str(servables), "servable_name": name} for name in ("basic", "failing")]
    environment = {"MALLOC_ARENA_MAX": "1"}
    with ServerProcess(start_script(configs, rest=PATIENCE), tmp_path_factory.mktemp("chaos"), environment) as started:
        yield started.wait_ready()


def _memory_mb(server: ServerProcess) -> dict[int, float]:
    return {pid: processes.pss_mb(pid) for pid in [server.pid, *server.workers()]}


def test_chaos(server: ServerProcess) -> None:
    """1. A part of it warms the server up. 2. All of it. 3. Every good request was answered rightly, no process was
    restarted, and descriptors, threads and, once free memory has been given back, memory are what they were."""
    print(f"the seed is {SEED}; SERVING_CHAOS_SEED gives another")
    workers = server.workers()
    with resources_come_back(server, lambda: chaos.play(server, SEED + 1, part=0.05) and None):
        before = _memory_mb(server)
        assert chaos.play(server, SEED) > 10_000
    for caller in (GrpcCaller(server), RestCaller(server)):
        assert caller.call("basic", "echo", {"x": "still there"}) == [{"y": "still there"}]
        caller.close()
    assert server.workers() == workers
    assert not re.search(r"[^\n -~]", server.output), "what clients sent is in the server's output as it came"

    def grown() -> dict[int, str]:
        now = _memory_mb(server)
        return {pid: f"{before[pid]:.1f} -> {mb:.1f}" for pid, mb in now.items() if mb > before[pid] + GROWTH_MB}

    try:
        wait_until(lambda: not grown(), "memory to come back", timeout_s=40)
    except AssertionError:
        raise AssertionError(f"memory that did not come back: {grown()}") from None
