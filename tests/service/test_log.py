"""What a server says in its log about functions that do wrong for long, and how much of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.harness.callers import Failure, GrpcCaller
from tests.harness.server_process import ServerProcess, start_script

_INSTANCES = 200
LOOK_OFTEN = """
from mindspore_serving.server._master import supervisor
supervisor._HEALTH_INTERVAL_S = 0.05
"""


@pytest.fixture
def server(servables: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    """The failing servable in a server that looks at its workers twenty times a second."""
    config = {"servable_directory": str(servables), "servable_name": "failing"}
    with ServerProcess(start_script([config], before=LOOK_OFTEN), tmp_path / "server") as started:
        yield started.wait_ready()


def test_a_stage_that_fails_all_the_time_does_not_fill_the_log(server: ServerProcess) -> None:
    caller = GrpcCaller(server)
    for method in ("raises_tagged", "raises_key_error"):
        assert isinstance(caller.call("failing", method, *[{"x": np.float32(1)}] * _INSTANCES), Failure)
    caller.close()
    server.stop()
    (log,) = server.worker_logs().values()
    for error, method in (
        ("RuntimeError: always the same", "raises_tagged"),
        ("KeyError: 'no such key'", "raises_key_error"),
    ):
        logged = len(re.findall(f"^ *{error}$", log, re.MULTILINE))
        left_out = re.findall(rf"(\d+) failures of method '{method}', stage 1 were left out of the log", log)
        assert 10 <= logged < _INSTANCES
        assert logged + sum(map(int, left_out)) == _INSTANCES


def test_memory_that_functions_keep_is_warned_about(server: ServerProcess) -> None:
    """An eighth of 1 GiB; what is used and given back in between is not."""
    caller = GrpcCaller(server)
    megabytes = {"x": np.zeros(8 << 20, np.uint8)}
    for _ in range(20):
        caller.call("failing", "keeps", megabytes, {"x": np.zeros(8 << 20, np.int8)})
    line = server.wait_for_line(
        r"^\[WARNING\] .* worker failing .*: (\d+) of the 1024 MiB for its requests have been in use"
    )
    assert 128 <= int(line.group(1)) < 200
    caller.close()
