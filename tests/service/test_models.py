"""Real MindIR models on CPU: batch dimensions, padding, checks, functions around them, and `Model.call`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.harness.callers import Failure, GrpcCaller, RestCaller
from tests.harness.grpc_client import GrpcClient
from tests.harness.server_process import ServerProcess, start_script
from tests.harness.settled import resources_come_back

Caller = GrpcCaller | RestCaller
ROW, SQUARE = np.array([1, 2], np.float32), np.array([[1, 2], [3, 4]], np.float32)


@pytest.fixture(scope="module", params=[1, 3], ids=["device worker", "with extra workers"])
def server(
    request: pytest.FixtureRequest, servables_with_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    config = {
        "servable_directory": str(servables_with_models),
        "servable_name": "models",
        "device_ids": 0,
        "num_parallel_workers": request.param,
    }
    with ServerProcess(start_script([config]), tmp_path_factory.mktemp("models"), env={"GLOG_v": "1"}) as started:
        started.wait_ready(120)

        def warm_up() -> None:
            for caller in (GrpcCaller(started), RestCaller(started)):
                caller.call("models", "rows", {"x1": ROW, "x2": ROW})
                caller.close()

        with resources_come_back(started, warm_up):
            yield started


@pytest.fixture(params=["grpc", "rest"])
def caller(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[Caller]:
    made = GrpcCaller(server) if request.param == "grpc" else RestCaller(server)
    yield made
    made.close()


@pytest.mark.parametrize("method", ["rows", "dynamic", "from_a_slice", "called", "called_in_batches"])
@pytest.mark.parametrize("count", [1, 2, 3, 9, 40])
def test_rows_are_added(caller: Caller, method: str, count: int) -> None:
    inputs = [(ROW + i, ROW * i) for i in range(count)]
    results = caller.call("models", method, *({"x1": x1, "x2": x2} for x1, x2 in inputs))
    for (x1, x2), result in zip(inputs, results, strict=True):
        caller.assert_same(result, {"y": x1 + x2})


def test_a_model_without_batch_dimension_takes_whole_tensors(caller: Caller) -> None:
    x = SQUARE.astype(np.int32)
    results = caller.call("models", "whole", *({"x1": x * i, "x2": x} for i in range(3)))
    for i, result in enumerate(results):
        caller.assert_same(result, {"y": x * i + x})


@pytest.mark.parametrize("method", ["two_outputs", "called_for_two"])
def test_several_outputs(caller: Caller, method: str) -> None:
    results = caller.call("models", method, *({"x1": SQUARE * i, "x2": SQUARE} for i in range(3)))
    for i, result in enumerate(results):
        caller.assert_same(result, {"added": SQUARE * i + SQUARE, "subtracted": SQUARE * i - SQUARE})


@pytest.mark.parametrize("count", [1, 3, 4, 5])
def test_a_batch_that_is_not_full_is_padded(caller: Caller, count: int) -> None:
    inputs = [np.array([i, i + 0.5, -i], np.float32) for i in range(count)]
    for x, result in zip(inputs, caller.call("models", "scaled", *({"x": x} for x in inputs)), strict=True):
        caller.assert_same(result, {"y": x * 2 + 1})


def test_an_output_of_another_shape_than_the_input(caller: Caller) -> None:
    (result,) = caller.call("models", "summed", {"x": np.array([1, 2, 3.5], np.float32)})
    caller.assert_same(result, {"y": np.array([6.5], np.float32)})


def test_instances_with_different_inputs_without_batch_dimension_do_not_share_a_batch(caller: Caller) -> None:
    x = np.array([1, 2, 3], np.float32)
    results = caller.call("models", "with_table", *({"x": x, "table": x * (i // 2)} for i in range(6)))
    for i, result in enumerate(results):
        caller.assert_same(result, {"y": x + x * (i // 2)})


def test_functions_before_and_after_a_model(caller: Caller) -> None:
    x = ROW.astype(np.int32)
    results = caller.call("models", "cast_first", *({"x1": x * i, "x2": x} for i in range(5)))
    for i, result in enumerate(results):
        caller.assert_same(result, {"y": -(ROW * i + ROW)})


def test_models_one_after_the_other(caller: Caller) -> None:
    results = caller.call("models", "models_in_a_row", *({"x1": ROW * i, "x2": ROW} for i in range(5)))
    for i, result in enumerate(results):
        caller.assert_same(result, {"y": 2 * (ROW * i + 2 * ROW)})


@pytest.mark.parametrize("shape", [(2,), (1, 2), (2, 1), (1, 1, 2)])
def test_a_shape_of_the_right_size_will_do(caller: Caller, shape: tuple[int, ...]) -> None:
    x = ROW.reshape(shape)
    caller.assert_same(caller.call("models", "rows", {"x1": x, "x2": x})[0], {"y": ROW * 2})


@pytest.mark.parametrize(
    ("bad", "fragment"),
    [
        (np.zeros(3, np.float32), "Given model input 0 size 12 not match the size 8 defined in model"),
        (np.zeros((2, 2), np.float32), "Given model input 0 size 16 not match the size 8 defined in model"),
        (ROW.astype(np.int32), "Given model input 0 data type kMSI_Int32 not match the data type kMSI_Float32"),
        ("text", "Given model input 0"),
    ],
    ids=["too long", "too long, 2x2", "wrong dtype", "string"],
)
def test_one_input_that_does_not_fit_the_model_fails_alone(caller: Caller, bad: object, fragment: str) -> None:
    good = {"x1": ROW, "x2": ROW}
    first, failed, last = caller.call("models", "rows", good, {"x1": bad, "x2": ROW}, good)
    assert isinstance(failed, Failure)
    assert failed.code in (2, None)
    assert fragment in failed.text
    caller.assert_same(first, {"y": ROW * 2})
    caller.assert_same(last, {"y": ROW * 2})
    whole = caller.call("models", "rows", {"x1": bad, "x2": ROW})
    assert isinstance(whole, Failure)
    assert whole.code == 2 or whole.status == 400


@pytest.mark.parametrize(
    ("x1", "fragment"),
    [
        (np.zeros(3, np.float32), "size 12 not match"),
        (ROW.astype(np.int32), "data type kMSI_Int32 not match the data type kMSI_Float32"),
    ],
)
def test_a_model_with_dynamic_batch_checks_its_fixed_dims(caller: Caller, x1: np.ndarray, fragment: str) -> None:
    failure = caller.call("models", "dynamic", {"x1": x1, "x2": ROW})
    assert isinstance(failure, Failure)
    assert fragment in failure.text


@pytest.mark.parametrize(
    ("how", "fragment"),
    [
        (0, "no inputs provided"),
        (1, "Input instances count is 0"),
        (2, "inputs format invalid"),
        (3, "The inputs count 1 of instance 1 is not equal to the inputs count 2 of the model"),
        (4, "The model does not have subgraph of index 1, the subgraph count of the model is 1"),
        (5, "Given model input 0 size 12 not match the size 8 defined in model"),
        (6, "Given model input 0 data type kMSI_Int32 not match the data type kMSI_Float32"),
    ],
)
def test_wrong_model_calls_are_the_error_of_their_instance(caller: Caller, how: int, fragment: str) -> None:
    failure = caller.call("models", "called_wrongly", {"x1": ROW, "how": np.int32(how)})
    assert isinstance(failure, Failure)
    assert failure.code in (3, None)
    assert "Call Function 'models.call_wrongly' Failed" in failure.text
    assert "Model(tensor_add.mindir" in failure.text
    assert fragment in failure.text


def test_many_clients_of_one_model(server: ServerProcess) -> None:
    def ask(number: int) -> bool:
        with GrpcClient(server.grpc_address) as client:
            for turn in range(30):
                x1, x2 = ROW * number, ROW + turn
                method = ("rows", "dynamic", "cast_first")[turn % 3]
                sign = -1 if method == "cast_first" else 1
                (result,) = client.call("models", method, {"x1": x1, "x2": x2}).values
                if not np.array_equal(result["y"], sign * (x1 + x2)):
                    return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))


def test_the_worker_logs_each_batch_it_handled_and_which_engine_runs_the_models(server: ServerProcess) -> None:
    log = server.worker_logs()["log_models_device0_version1.log"]
    assert "WorkerRequestHandle Time Cost" in log
    assert "Model 'tensor_add.mindir' is run by " in log
    assert "ONEDNN_MAX_CPU_ISA" in log, "what is set in the user's stead is said"
    assert "compiled using NumPy 1" not in log


def test_the_start_is_announced(server: ServerProcess) -> None:
    assert "Serving: Master server start success, listening on" in server.output
    assert "Register success: worker address" in server.output
