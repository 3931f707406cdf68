"""Batch functions: every way to return results, every `batch_size`, and batches filled from what is queued."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from tests.harness.callers import GrpcCaller, RestCaller
from tests.harness.gates import wait_entered
from tests.harness.grpc_client import GrpcClient, decode_reply
from tests.harness.protocol import make_request
from tests.harness.server_process import ServerProcess

Caller = GrpcCaller | RestCaller


@pytest.mark.parametrize(
    ("method", "change"),
    [
        ("one_by_one", lambda x: {"y": x + 1}),
        ("server_chooses", lambda x: {"y": x + 1}),
        ("twice", lambda x: {"y": x + 2}),
        ("lists", lambda x: {"more": x + 1, "less": x - 1}),
        ("generator", lambda x: {"y": x + 1}),
        ("generator_of_tuples", lambda x: {"more": x + 1, "less": x - 1}),
        ("surplus", lambda x: {"y": x}),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_each_instance_gets_its_own_result(caller: Caller, method: str, change: Any, count: int) -> None:
    inputs = [np.array([i, -i], np.int32) for i in range(count)]
    results = caller.call("batches", method, *({"x": x} for x in inputs))
    for x, result in zip(inputs, results, strict=True):
        caller.assert_same(result, change(x))


def test_a_function_may_ignore_an_input(caller: Caller) -> None:
    instances = [{"x": np.int32(i), "unused": "text"} for i in range(3)]
    for i, result in enumerate(caller.call("batches", "extra_input", *instances)):
        caller.assert_same(result, {"y": np.int32(i)})


@pytest.mark.parametrize(("method", "limit"), [("up_to_four", 4), ("up_to_sixteen", 16)])
def test_no_batch_is_larger_than_its_batch_size(caller: Caller, method: str, limit: int) -> None:
    results = caller.call("batches", method, *[{"x": np.float32(0)}] * 50)
    seen = [int(result["seen"]) for result in results]
    assert all(1 <= one <= limit for one in seen)
    assert sum(1 / one for one in seen) == pytest.approx(round(sum(1 / one for one in seen))), (
        "a batch of n is seen n times"
    )


def test_waiting_instances_of_several_requests_share_a_batch(plain_server: ServerProcess, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with GrpcClient(plain_server.grpc_address) as client:
        holding = client.future(make_request("batches", "gate_of_sixteen", [{"path": str(gate)}]).SerializeToString())
        wait_entered(gate)
        message = make_request("batches", "gate_of_sixteen", [{"path": ""}] * 4).SerializeToString()
        waiting = [client.future(message) for _ in range(8)]
        # A last one that runs into its deadline tells that the others have arrived.
        with pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
            client.send_bytes(message, timeout_s=1.0)
        gate.touch()
        assert not decode_reply(holding.result()).errors
        seen = [int(one["seen"]) for future in waiting for one in decode_reply(future.result()).values]
    assert len(seen) == 32
    assert max(seen) == 16, f"32 instances waited for a stage of batch size 16, the batches were {seen}"
