"""`Client` against a real gRPC server in this process: what is sent, and what each kind of reply becomes."""

from __future__ import annotations

import importlib
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

import mindspore_serving.client.python.client as original_path
from mindspore_serving.client import Client, SSLConfig
from mindspore_serving.client.target import Target
from mindspore_serving.proto import ms_service_pb2 as pb
from mindspore_serving.proto import ms_service_pb2_grpc as pb_grpc
from mindspore_serving.server import SSLConfig as server_ssl_config
from tests.harness.waiting import wait_until

ONE = {"x": np.float32(1)}


def instance(**values: float) -> pb.Instance:
    made = pb.Instance()
    for name, value in values.items():
        made.items[name].dtype = pb.MS_FLOAT32
        made.items[name].data = np.float32(value).tobytes()
    return made


def error(code: int, text: bytes | str) -> pb.ErrorMsg:
    return pb.ErrorMsg(error_code=code, error_msg=text.encode() if isinstance(text, str) else text)


# What is sent


def test_a_request_names_its_target_and_carries_the_instances(server: Any, address: str) -> None:
    x = np.ones((2, 2), np.float32)
    result = Client(address, "add", "add_common", 3).infer([{"x1": x, "s": "a"}, {"x1": 2 * x, "s": "b"}])
    (request,) = server.requests
    assert request.servable_spec == pb.ServableSpec(name="add", method_name="add_common", version_number=3)
    assert [dict(one.items).keys() for one in request.instances] == [{"x1", "s"}] * 2
    assert [one["s"] for one in result] == ["a", "b"]
    assert [one["x1"].tolist() for one in result] == [x.tolist(), (2 * x).tolist()]


@pytest.mark.parametrize("instances", [ONE, [ONE], (ONE,)])
def test_one_instance_may_come_alone(address: str, instances: Any) -> None:
    assert Client(address, "add", "add_common").infer(instances) == [{"x": np.float32(1)}]


def test_a_request_without_instances_is_left_to_the_server(server: Any, address: str) -> None:
    assert Client(address, "add", "add_common").infer([]) == []
    assert not server.requests[0].instances


@pytest.mark.parametrize("instances", [1, "x", None, [1], [ONE, [ONE]], {1, 2}])
@pytest.mark.parametrize("call", ["infer", "infer_async"])
def test_an_instance_that_is_no_dict_is_refused_before_sending(
    server: Any, address: str, instances: Any, call: str
) -> None:
    with pytest.raises(RuntimeError, match="instance should be a map"):
        getattr(Client(address, "add", "add_common"), call)(instances)
    assert not server.requests


@pytest.mark.parametrize("call", ["infer", "infer_async"])
def test_a_value_that_cannot_be_sent_is_refused_before_sending(server: Any, address: str, call: str) -> None:
    with pytest.raises(RuntimeError, match="Not support value type <class 'list'>"):
        getattr(Client(address, "add", "add_common"), call)([ONE, {"x": [1.0]}])
    assert not server.requests


def test_an_input_name_that_is_no_str_is_a_type_error(address: str) -> None:
    with pytest.raises(TypeError):
        Client(address, "add", "add_common").infer({1: 1.0})


def test_a_message_of_more_than_four_mib_goes_both_ways(address: str) -> None:
    x = np.arange(6 << 20, dtype=np.uint8)
    assert np.array_equal(Client(address, "add", "add_common").infer({"x": x})[0]["x"], x)


def test_a_relative_unix_address(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    server.server.add_insecure_port("unix:serving.sock")
    server.server.start()
    with Client("unix:serving.sock", "add", "add_common") as client:
        assert client.infer(ONE) == [{"x": np.float32(1)}]


# What each kind of reply becomes


def test_an_error_of_the_whole_request_is_one_dict(server: Any, address: str) -> None:
    server.reply(pb.PredictReply(error_msg=[error(2, "Cannot find input x1 in instance input")]))
    assert Client(address, "a", "m").infer([ONE, ONE]) == {"error": "Cannot find input x1 in instance input"}


def test_errors_of_single_instances_stay_theirs(server: Any, address: str) -> None:
    server.reply(
        pb.PredictReply(
            instances=[instance(y=1), pb.Instance(), instance(y=3)],
            error_msg=[error(0, ""), error(3, "Preprocess Failed"), error(0, "")],
        )
    )
    result = Client(address, "a", "m").infer([ONE] * 3)
    assert result == [{"y": np.float32(1)}, {"error": "Preprocess Failed"}, {"y": np.float32(3)}]


def test_one_error_entry_of_code_zero_is_no_error(server: Any, address: str) -> None:
    server.reply(pb.PredictReply(instances=[instance(y=1)], error_msg=[error(0, "")]))
    assert Client(address, "a", "m").infer(ONE) == [{"y": np.float32(1)}]


def test_an_error_text_that_is_no_utf8_is_still_told(server: Any, address: str) -> None:
    server.reply(pb.PredictReply(error_msg=[error(3, b"bad \xff text")]))
    assert Client(address, "a", "m").infer(ONE) == {"error": "bad � text"}


def test_a_wrong_count_of_errors_raises(server: Any, address: str) -> None:
    server.reply(pb.PredictReply(instances=[instance(y=1)] * 3, error_msg=[error(0, ""), error(1, "a")]))
    with pytest.raises(RuntimeError, match="error msg result size 2"):
        Client(address, "a", "m").infer([ONE] * 3)
    with pytest.raises(RuntimeError, match="error msg result size 2"):
        Client(address, "a", "m").infer_async([ONE] * 3).result()


# Calls that fail


def test_a_server_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = Client(f"unix:{tmp_path}/nobody", "a", "m").infer(ONE)
    assert result["error"].startswith("Grpc Error, (14, 'unavailable'), ")
    details, name, value = capsys.readouterr().out.splitlines()[-3:]
    assert (name, value) == ("UNAVAILABLE", "(14, 'unavailable')")
    assert details
    assert result["error"].endswith(details)


def test_a_message_the_server_finds_too_large(server: Any, address: str) -> None:
    server.answer = lambda request, context: context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max")
    result = Client(address, "a", "m").infer(ONE)
    assert result == {"error": "Grpc Error, (8, 'resource exhausted'), larger than max"}


@pytest.mark.parametrize("of_the_client", [True, False])
def test_a_call_is_given_up_after_its_time(server: Any, address: str, of_the_client: bool) -> None:
    given_up = threading.Semaphore(0)

    def hang(request: pb.PredictRequest, context: grpc.ServicerContext) -> pb.PredictReply:
        cancelled = threading.Event()
        context.add_callback(cancelled.set)
        if cancelled.wait(60):
            given_up.release()
        return pb.PredictReply()

    server.answer = hang
    client = Client(address, "a", "m", timeout_s=0.2 if of_the_client else None)
    timeout_s = None if of_the_client else 0.2
    assert client.infer(ONE, timeout_s=timeout_s)["error"].startswith("Grpc Error, (4, 'deadline exceeded')")
    assert given_up.acquire(timeout=60)
    with pytest.raises(grpc.RpcError) as failure:
        client.infer_async(ONE, timeout_s=timeout_s).result()
    assert failure.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert given_up.acquire(timeout=60)


def test_the_time_of_a_call_goes_before_that_of_the_client(server: Any, address: str) -> None:
    remaining = []

    def answer(request: pb.PredictRequest, context: grpc.ServicerContext) -> pb.PredictReply:
        remaining.append(context.time_remaining())
        return pb.PredictReply(instances=request.instances)

    server.answer = answer
    client = Client(address, "a", "m", timeout_s=1000)
    client.infer(ONE)
    client.infer(ONE, timeout_s=5000)
    assert remaining == [pytest.approx(1000, rel=0.1), pytest.approx(5000, rel=0.1)]


def test_a_failed_asynchronous_call_raises(tmp_path: Path) -> None:
    call = Client(f"unix:{tmp_path}/nobody", "a", "m").infer_async(ONE)
    assert isinstance(call, original_path.ClientGrpcAsyncResult)
    with pytest.raises(grpc.RpcError) as failure:
        call.result()
    assert failure.value.code() == grpc.StatusCode.UNAVAILABLE


def test_an_asynchronous_call_that_does_not_start_gives_the_error_dict(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DoesNotStart(grpc.RpcError):
        def details(self) -> str:
            return "no channel"

        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.UNAVAILABLE

    def do_not_start(*_: Any, **__: Any) -> Any:
        raise DoesNotStart

    client = Client(address, "a", "m")
    monkeypatch.setattr(type(client._predict_async), "future", do_not_start)
    call = client.infer_async(ONE)
    assert isinstance(call, original_path.ClientGrpcAsyncError)
    assert call.result() == {"error": "Grpc Error, (14, 'unavailable'), no channel"}


# Asynchronous calls, and the end of a client


def test_asynchronous_calls_run_side_by_side(server: Any, address: str) -> None:
    both_there = threading.Barrier(2)

    def meet(request: pb.PredictRequest, context: grpc.ServicerContext) -> pb.PredictReply:
        both_there.wait(60)
        return pb.PredictReply(instances=request.instances)

    server.answer = meet
    client = Client(address, "a", "m")
    calls = [client.infer_async({"x": np.float32(i)}) for i in range(2)]
    assert [call.result() for call in calls] == [[{"x": np.float32(i)}] for i in range(2)]
    assert all(call.result_future.done() for call in calls)


def test_close_ends_the_connection(address: str) -> None:
    with Client(address, "a", "m") as client:
        client.infer(ONE)
    client.close()
    with pytest.raises(ValueError, match="closed channel"):
        client.infer(ONE)


def test_close_fails_the_calls_in_flight(server: Any, address: str) -> None:
    entered, done = threading.Event(), threading.Event()

    def hang(request: pb.PredictRequest, context: grpc.ServicerContext) -> pb.PredictReply:
        entered.set()
        done.wait(60)
        return pb.PredictReply()

    server.answer = hang
    client = Client(address, "a", "m")
    call = client.infer_async(ONE)
    results: list[Any] = []
    waiting = threading.Thread(target=lambda: results.append(client.infer(ONE)))
    waiting.start()
    assert entered.wait(60)
    wait_until(lambda: len(server.requests) == 2, "both calls in the server")
    client.close()
    waiting.join(60)
    (result,) = results
    assert result["error"].startswith("Grpc Error, (1, 'cancelled'), ")
    assert "Channel closed!" in result["error"]
    with pytest.raises((grpc.RpcError, grpc.FutureCancelledError)):
        call.result()
    done.set()


def test_a_proxy_is_obeyed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as nobody:  # bound, but it does not listen
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        assert "(14, 'unavailable')" in Client(address, "a", "m").infer(ONE)["error"]
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert Client(address, "b", "m").infer(ONE) == [{"x": np.float32(1)}]


@pytest.mark.parametrize("kind", ["grpc", "grpc.aio"])
def test_messages_of_512_mib_are_allowed(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    opened: list[dict[str, Any]] = []
    monkeypatch.setattr(f"{kind}.insecure_channel", lambda address, options: opened.append(dict(options)))
    Target("127.0.0.1:1", "a", "m", 0, None, None)._open_channel(importlib.import_module(kind))
    limits = {name: value for name, value in opened[0].items() if name.endswith("message_length")}
    assert limits == {"grpc.max_send_message_length": 512 << 20, "grpc.max_receive_message_length": 512 << 20}


# Arguments


@pytest.mark.parametrize("parameter", ["address", "servable_name", "method_name"])
@pytest.mark.parametrize(("value", "text"), [("", "should not be empty str"), (1, "should be str, but actually")])
def test_the_names_are_texts(parameter: str, value: Any, text: str) -> None:
    arguments = {"address": "127.0.0.1:1", "servable_name": "a", "method_name": "m"}
    with pytest.raises(RuntimeError, match=f"Parameter '{parameter}' {text}"):
        Client(**{**arguments, parameter: value})


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"version_number": -1}, "Parameter 'version_number' should be >= 0"),
        ({"version_number": 2**64}, "Parameter 'version_number' should be <= 18446744073709551615"),
        ({"version_number": True}, "Parameter 'version_number' should be int, but actually <class 'bool'>"),
        ({"version_number": np.int64(1)}, "Parameter 'version_number' should be int"),
        ({"version_number": None}, "Parameter 'version_number' should be int"),
        ({"timeout_s": 0}, "Parameter 'timeout_s' should be finite and > 0"),
        ({"timeout_s": float("nan")}, "Parameter 'timeout_s' should be finite and > 0"),
        ({"timeout_s": "1"}, "Parameter 'timeout_s' should be a number of seconds or None"),
        ({"timeout_s": True}, "Parameter 'timeout_s' should be a number of seconds or None"),
        ({"ssl_config": server_ssl_config("s.crt", "s.key")}, "The type of ssl_config should be type of SSLConfig"),
        ({"ssl_config": "ca.crt"}, "The type of ssl_config should be type of SSLConfig"),
    ],
)
def test_other_arguments(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(RuntimeError, match=text):
        Client("127.0.0.1:1", "a", "m", **arguments)


def test_ip_and_port_are_one_address_now() -> None:
    with pytest.raises(RuntimeError, match="Parameter 'servable_name' should be str"):
        Client("127.0.0.1", 5500, "add", "add_common")


def test_what_a_client_tells_about_itself() -> None:
    client = Client("127.0.0.1:1", "add", "add_common", 2)
    assert (client.address, client.servable_name, client.method_name) == ("127.0.0.1:1", "add", "add_common")
    assert client.version_number == 2
    assert isinstance(client.channel, grpc.Channel)
    assert isinstance(client.stub, pb_grpc.MSServiceStub)


def test_the_names_are_where_the_original_had_them() -> None:
    assert (original_path.Client, original_path.SSLConfig) == (Client, SSLConfig)


def test_the_client_loads_nothing_of_the_server() -> None:
    script = (
        "import sys, mindspore_serving.client.aio\n"
        "roots = ('mindspore_serving.server', 'mindspore', 'onnxruntime', 'aiohttp')\n"
        "print([name for name in sys.modules if any(name == r or name.startswith(r + '.') for r in roots)])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
