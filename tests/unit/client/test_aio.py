"""The asyncio client against a real gRPC server in this process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from mindspore_serving.client import SSLConfig
from mindspore_serving.client.aio import Client
from mindspore_serving.proto import ms_service_pb2 as pb

ONE = {"x": np.float32(1)}


def run_with_client(address: str, use: Callable[[Client], Awaitable[Any]], **arguments: Any) -> Any:
    """What `use` returns, given an open client."""

    async def main() -> Any:
        async with Client(address, "a", "m", **arguments) as client:
            return await use(client)

    return asyncio.run(asyncio.wait_for(main(), 60))


class Gate:
    """An answer that waits until it is opened, and knows how many calls wait and how many were given up."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.given_up = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, request: pb.PredictRequest, context: grpc.ServicerContext) -> pb.PredictReply:
        context.add_callback(lambda: self.open.is_set() or self.given_up.release())
        self.entered.release()
        self.open.wait(60)
        return pb.PredictReply(instances=request.instances)

    async def wait_entered(self, count: int) -> None:
        for _ in range(count):
            assert await asyncio.to_thread(self.entered.acquire, timeout=60)


@pytest.fixture
def gate(server: Any) -> Any:
    server.answer = Gate()
    yield server.answer
    server.answer.open.set()


def test_a_request_and_its_result(server: Any, address: str) -> None:
    x = np.ones((2, 2), np.float32)
    results = run_with_client(address, lambda client: client.infer([{"x": x, "s": "a"}, {"x": 2 * x, "s": "b"}]))
    (request,) = server.requests
    assert request.servable_spec == pb.ServableSpec(name="a", method_name="m")
    assert [one["s"] for one in results] == ["a", "b"]
    assert [one["x"].tolist() for one in results] == [x.tolist(), (2 * x).tolist()]


def test_calls_run_side_by_side(gate: Gate, address: str) -> None:
    async def use(client: Client) -> Any:
        calls = asyncio.gather(*(client.infer({"x": np.float32(i)}) for i in range(4)))
        await gate.wait_entered(4)
        gate.open.set()
        return await calls

    assert run_with_client(address, use) == [[{"x": np.float32(i)}] for i in range(4)]


def test_a_message_of_more_than_four_mib_goes_both_ways(address: str) -> None:
    x = np.arange(6 << 20, dtype=np.uint8)
    (result,) = run_with_client(address, lambda client: client.infer({"x": x}))
    assert np.array_equal(result["x"], x)


def test_errors_of_the_request_and_of_its_instances(server: Any, address: str) -> None:
    failed = pb.ErrorMsg(error_code=3, error_msg=b"Preprocess Failed")
    server.reply(pb.PredictReply(error_msg=[failed]))
    assert run_with_client(address, lambda client: client.infer([ONE, ONE])) == {"error": "Preprocess Failed"}
    server.reply(pb.PredictReply(instances=[pb.Instance()] * 2, error_msg=[pb.ErrorMsg(), failed]))
    assert run_with_client(address, lambda client: client.infer([ONE, ONE])) == [{}, {"error": "Preprocess Failed"}]
    server.reply(pb.PredictReply(instances=[pb.Instance()] * 3, error_msg=[pb.ErrorMsg(), failed]))
    with pytest.raises(RuntimeError, match="error msg result size 2"):
        run_with_client(address, lambda client: client.infer([ONE] * 3))


@pytest.mark.parametrize(
    ("instances", "text"), [([1], "instance should be a map"), ({"x": [1.0]}, "Not support value type <class 'list'>")]
)
def test_what_cannot_be_sent_is_refused_before_sending(server: Any, address: str, instances: Any, text: str) -> None:
    with pytest.raises(RuntimeError, match=text):
        run_with_client(address, lambda client: client.infer(instances))
    assert not server.requests


def test_a_server_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run_with_client(f"unix:{tmp_path}/nobody", lambda client: client.infer(ONE))
    assert result["error"].startswith("Grpc Error, (14, 'unavailable'), ")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("of_the_client", [True, False])
def test_a_call_is_given_up_after_its_time(gate: Gate, address: str, of_the_client: bool) -> None:
    given = {"timeout_s": 0.2}
    result = run_with_client(
        address,
        lambda client: client.infer(ONE, **({} if of_the_client else given)),
        **(given if of_the_client else {}),
    )
    assert result["error"].startswith("Grpc Error, (4, 'deadline exceeded')")
    assert gate.given_up.acquire(timeout=60)


def test_cancelling_a_task_cancels_its_call_alone(gate: Gate, address: str) -> None:
    async def use(client: Client) -> Any:
        cancelled, kept = (asyncio.create_task(client.infer(ONE)) for _ in range(2))
        await gate.wait_entered(2)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert await asyncio.to_thread(gate.given_up.acquire, timeout=60)
        gate.open.set()
        return await kept

    assert run_with_client(address, use) == [{"x": np.float32(1)}]


def test_closing_fails_the_calls_in_flight_and_all_later_ones(gate: Gate, address: str) -> None:
    async def use(client: Client) -> Any:
        call = asyncio.create_task(client.infer(ONE))
        await gate.wait_entered(1)
        await client.close()
        await client.close()
        with pytest.raises(ValueError, match="closed channel"):
            await client.infer(ONE)
        return await call

    assert run_with_client(address, use) == {"error": "Grpc Error, (1, 'cancelled'), Channel closed!"}
    assert gate.given_up.acquire(timeout=60)


def test_a_cancelled_task_is_cancelled_though_the_client_is_closed_as_well(gate: Gate, address: str) -> None:
    async def use(client: Client) -> None:
        call = asyncio.create_task(client.infer(ONE))
        await gate.wait_entered(1)
        call.cancel()
        await client.close()
        with pytest.raises(asyncio.CancelledError):
            await call

    run_with_client(address, use)


def test_a_task_that_was_not_to_be_cancelled_hears_of_the_closed_client(gate: Gate, address: str) -> None:
    async def go_on_and_call(client: Client) -> Any:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return await client.infer(ONE)

    async def use(client: Client) -> Any:
        call = asyncio.create_task(go_on_and_call(client))
        await asyncio.sleep(0)
        call.cancel()
        await gate.wait_entered(1)
        await client.close()
        return await call

    assert run_with_client(address, use) == {"error": "Grpc Error, (1, 'cancelled'), Channel closed!"}


def test_a_client_closed_before_its_call_has_begun(address: str) -> None:
    async def use(client: Client) -> Any:
        call = asyncio.create_task(client.infer(ONE))
        await asyncio.sleep(0)
        await client.close()
        return await call

    assert run_with_client(address, use) == {"error": "Grpc Error, (1, 'cancelled'), Channel closed!"}


def test_a_client_that_was_never_used_closes_too(address: str) -> None:
    async def use(client: Client) -> None:
        assert client.channel is None

    run_with_client(address, use)


def test_a_client_is_for_one_event_loop_and_may_be_made_outside(server: Any, address: str) -> None:
    client = Client(address, "a", "m")

    async def close_after_use() -> Any:
        result = await client.infer(ONE)
        with pytest.raises(RuntimeError, match="belongs to the event loop of its first call"):
            await asyncio.to_thread(asyncio.run, client.infer(ONE))
        await client.close()
        return result

    assert asyncio.run(close_after_use()) == [{"x": np.float32(1)}]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("", "a", "m"), "Parameter 'address' should not be empty str"),
        (("h:1", 1, "m"), "Parameter 'servable_name' should be str"),
        (("h:1", "a", None), "Parameter 'method_name' should be str"),
        (("h:1", "a\ud800", "m"), "Parameter 'servable_name' is not valid Unicode"),
        (("h:1", "a", "m", True), "Parameter 'version_number' should be int"),
        (("h:1", "a", "m", 0, "ca.crt"), "The type of ssl_config should be type of SSLConfig"),
    ],
)
def test_arguments_are_checked_as_the_other_client_does(arguments: tuple[Any, ...], text: str) -> None:
    with pytest.raises(RuntimeError, match=text):
        Client(*arguments)


def test_files_and_times_are_checked_as_the_other_client_does(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Parameter 'timeout_s' should be finite and > 0"):
        Client("h:1", "a", "m", timeout_s=-1)
    with pytest.raises(FileNotFoundError):
        Client("h:1", "a", "m", ssl_config=SSLConfig(custom_ca=str(tmp_path / "none")))
    with pytest.raises(RuntimeError, match="Parameter 'timeout_s' should be a number of seconds"):
        run_with_client("h:1", lambda client: client.infer(ONE, timeout_s="1"))
