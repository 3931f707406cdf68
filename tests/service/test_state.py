"""A model with state: two MindIR files that share a cache, in a real server. Requests continue what others left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.harness.callers import GrpcCaller
from tests.harness.grpc_client import GrpcClient
from tests.harness.server_process import ServerProcess, start_script

_CONFIG = """
import numpy as np

from mindspore_serving.server import register

model = register.declare_model(["prefill.mindir", "step.mindir"], "MindIR", with_batch_dim=False)


def generate(x):
    # Fills the cache from x, then overwrites one row after the other.
    sums = [model.call(x)]
    for position in range(len(x)):
        y, cache = model.call(np.ones((1, 2), np.float32), np.array([position], np.int32), subgraph=1)
        sums.append(y)
    return np.stack(sums), cache


@register.register_method("y")
def prefill(x):
    return register.add_stage(model, x, outputs_count=1)


@register.register_method(["y", "cache"])
def step(x, position):
    return register.add_stage(model, x, position, outputs_count=2, subgraph=1)


@register.register_method(["sums", "cache"])
def generated(x):
    return register.add_stage(generate, x, outputs_count=2)
"""
_NAME = "stateful"
_ROW, _SECOND = np.ones((1, 2), np.float32), np.array([1], np.int32)


@pytest.fixture(scope="module")
def folder(exported_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("servables")
    (made / _NAME / "1").mkdir(parents=True)
    (made / _NAME / "servable_config.py").write_text(_CONFIG)
    for name in ("prefill.mindir", "step.mindir"):
        (made / _NAME / "1" / name).write_bytes((exported_models / name).read_bytes())
    return made


@pytest.fixture
def server(folder: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    config = {"servable_directory": str(folder), "servable_name": _NAME, "device_ids": 0}
    with ServerProcess(start_script([config]), tmp_path / "server", env={"GLOG_v": "1"}) as started:
        yield started.wait_ready(120)


def _expected_cache(low: float) -> list[list[float]]:
    return [[2 * low] * 2, [2, 2], [2 * low] * 2, [2 * low] * 2]


def test_requests_continue_from_the_state_until_the_worker_is_replaced(server: ServerProcess) -> None:
    caller = GrpcCaller(server)

    def ask(method: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        (result,) = caller.call(_NAME, method, inputs)
        return result

    # The state is what the files hold: the load has run nothing.
    assert ask("step", x=_ROW, position=_SECOND)["cache"].tolist() == _expected_cache(0)
    for low in (3, 5):
        assert ask("prefill", x=np.full((4, 2), low, np.float32))["y"].tolist() == [80 * low] * 2
        assert ask("step", x=_ROW, position=_SECOND)["cache"].tolist() == _expected_cache(low)
    log = server.worker_logs()[f"log_{_NAME}_device0_version1.log"]
    assert "has state, which begins as in its files and is this worker's own: cache" in log

    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    (replacement,) = server.wait_workers(1, other_than=[worker])
    server.wait_for_line(rf"Register success: .* pid {replacement}$")  # requests would not wait for it as long
    assert ask("step", x=_ROW, position=_SECOND)["cache"].tolist() == _expected_cache(0), "the replacement's own"
    caller.close()


def test_a_function_has_the_state_to_itself_from_one_call_to_the_next(server: ServerProcess) -> None:
    """Many clients at once; each of their instances is one run of the function, and the next one waits for its end."""

    def ask(number: int) -> bool:
        with GrpcClient(server.grpc_address) as client:
            for turn in range(20):
                low = number * 100 + turn
                (result,) = client.call(_NAME, "generated", {"x": np.full((4, 2), low, np.float32)}).values
                sums = [80 * low] + [100 * (2 * (i + 1) + 2 * low * (3 - i)) for i in range(4)]
                if result["sums"].tolist() != [[value] * 2 for value in sums]:
                    return False
                if result["cache"].tolist() != [[2, 2]] * 4:
                    return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, range(1, 7)))
