"""Workers without a device, whose model stages run in a device worker, when one or the other dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.harness.grpc_client import GrpcClient, decode_reply
from tests.harness.protocol import make_request
from tests.harness.server_process import ServerProcess, start_script
from tests.harness.waiting import wait_until

ROW = np.array([1, 2], np.float32)


@pytest.fixture
def server(servables_with_models: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    config = {
        "servable_directory": str(servables_with_models),
        "servable_name": "models",
        "device_ids": 0,
        "num_parallel_workers": 2,
    }
    with ServerProcess(
        start_script([config]), tmp_path, env={"GLOG_v": "1", "MS_SUBMODULE_LOG_v": "{SERVING:1}"}
    ) as started:
        started.wait_ready(120)
        yield started


def _is_extra(pid: int) -> bool:
    return "SERVING_DEVICE_ID" not in Path(f"/proc/{pid}/environ").read_text()


@pytest.mark.parametrize("method", ["from_a_slice", "called"])
@pytest.mark.parametrize("extra", [True, False], ids=["extra worker", "device worker"])
def test_every_call_is_answered_rightly(server: ServerProcess, method: str, extra: bool) -> None:
    """1. Calls are on their way. 2. One of the two workers is killed. 3. All are answered rightly; it is replaced."""
    victims = [pid for pid in server.workers() if _is_extra(pid) == extra]
    assert len(victims) == 1
    with GrpcClient(server.grpc_address) as client:

        def send(count: int) -> list:
            return [
                client.future(make_request("models", method, [{"x1": ROW * i, "x2": ROW}]).SerializeToString())
                for i in range(count)
            ]

        calls = send(50)
        calls[0].result(60)
        os.kill(victims[0], signal.SIGKILL)
        calls += (late := send(50))
        for future, i in zip(calls, [*range(50), *range(len(late))], strict=True):
            (value,) = decode_reply(future.result(60)).values
            np.testing.assert_array_equal(value["y"], ROW * i + ROW)
        wait_until(lambda: len([p for p in server.workers() if _is_extra(p) == extra]) == 1, "the replacement", 30)
