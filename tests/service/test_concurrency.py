"""Many clients at once, over both protocols: each gets the answers to its own requests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np

from tests.harness.callers import GrpcCaller, RestCaller
from tests.harness.grpc_client import GrpcClient, decode_reply
from tests.harness.protocol import make_request
from tests.harness.server_process import ServerProcess


def _ask_repeatedly(server: ServerProcess, number: int) -> int:
    """Requests of one client, each with other values and another number of instances; returns how many were right."""
    caller = (GrpcCaller if number % 2 else RestCaller)(server)
    right = 0
    try:
        for turn in range(40):
            values = [np.int32(number * 100_000 + turn * 100 + i) for i in range(1 + turn % 7)]
            method, change = [("echo", 0), ("twice", 2), ("generator", 1)][turn % 3]
            servable = "basic" if method == "echo" else "batches"
            results = caller.call(servable, method, *({"x": value} for value in values))
            for value, result in zip(values, results, strict=True):
                caller.assert_same(result, {"y": value + np.int32(change)})
            right += 1
    finally:
        caller.close()
    return right


def test_answers_belong_to_their_requests(plain_server: ServerProcess) -> None:
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda number: _ask_repeatedly(plain_server, number), range(16))) == [40] * 16


def test_many_requests_on_one_channel(plain_server: ServerProcess) -> None:
    with GrpcClient(plain_server.grpc_address) as client:
        messages = [make_request("basic", "echo", [{"x": np.int64(i)}]).SerializeToString() for i in range(2000)]
        futures = [client.future(message) for message in messages]
        assert [int(decode_reply(future.result()).values[0]["y"]) for future in futures] == list(range(2000))


def test_large_tensors_at_once(plain_server: ServerProcess) -> None:
    """More bytes in flight than a few tensors: memory is given back, or requests wait for it."""
    x = np.random.default_rng(3).random((4, 1024, 1024), np.float32)  # 17 MB

    def ask(number: int) -> bool:
        with GrpcClient(plain_server.grpc_address) as client:
            return all(
                np.array_equal(client.call("basic", "echo", {"x": x + number}).values[0]["y"], x + number)
                for _ in range(3)
            )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))


def test_clients_that_give_up_do_not_disturb_the_others(plain_server: ServerProcess) -> None:
    message = make_request("basic", "echo", [{"x": np.int64(1)}] * 5).SerializeToString()

    def give_up(_: int) -> None:
        with GrpcClient(plain_server.grpc_address) as client:
            for _ in range(50):
                client.future(message).cancel()

    with ThreadPoolExecutor(8) as pool:
        givers = [pool.submit(give_up, number) for number in range(4)]
        askers = [pool.submit(_ask_repeatedly, plain_server, number) for number in range(4)]
        assert [asker.result() for asker in askers] == [40] * 4
        for giver in givers:
            giver.result()


def test_deadlines_far_too_short(plain_server: ServerProcess) -> None:
    with GrpcClient(plain_server.grpc_address) as client:
        message = make_request("basic", "echo", [{"x": np.int64(1)}] * 5).SerializeToString()
        for future in [client.future(message, timeout_s=0.0005 * (i % 8)) for i in range(400)]:
            error = future.exception()
            assert error is None or error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert len(client.call("basic", "echo", {"x": np.int64(1)}).values) == 1
