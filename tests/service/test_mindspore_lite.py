"""The MindSpore Lite engine in real workers: against the stand-in, and without the package."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.harness.callers import Failure, GrpcCaller
from tests.harness.server_process import ServerProcess, start_script

_STAND_IN = Path(__file__).resolve().parents[1] / "stand_in_mindspore_lite"
_CONFIG = """
from mindspore_serving.server import register

context = register.Context(thread_num=2, thread_affinity_core_list=[0], enable_parallel=True)
context.append_device_info(register.CPUDeviceInfo(precision_mode="fp16"))
context.append_device_info(register.AscendDeviceInfo(precision_mode="force_fp16"))
rows = register.declare_model("rows.mindir", "MindIR", context=context, config_file="engine.cfg")
dynamic = register.declare_model("dynamic.ms", "MindIR_Lite")
whole = register.declare_model("whole.ms", "mindir_opt", with_batch_dim=False)


def keep_then_call(x):
    first = rows.call(x, x)
    rows.call(x + 100, x)
    return first


@register.register_method(output_names=["y"])
def add_rows(x1, x2):
    return register.add_stage(rows, x1, x2, outputs_count=1)


@register.register_method(output_names=["y", "total"])
def add_dynamic(x):
    y, total = register.add_stage(dynamic, x, outputs_count=2)
    return y, total


@register.register_method(output_names=["y"])
def negate(x):
    return register.add_stage(whole, x, outputs_count=1)


@register.register_method(output_names=["y"])
def kept(x):
    return register.add_stage(keep_then_call, x, outputs_count=1)
"""
_ADD = {"inputs": [["float32", [2, 3]]] * 2, "outputs": ["x0 + x1"]}
_MODELS = {
    "rows.mindir": _ADD,
    "dynamic.ms": {"inputs": [["float32", [-1, 2]]], "outputs": ["x0 * 2", "x0.sum(axis=1, keepdims=True)"]},
    "whole.ms": {"inputs": [["int32", [2, 2]]], "outputs": ["-x0"]},
}


def _write(folder: Path, config: str, models: dict[str, object]) -> Path:
    (folder / "lite" / "1").mkdir(parents=True)
    (folder / "lite" / "servable_config.py").write_text(config)
    (folder / "lite" / "engine.cfg").write_text("")
    (folder / "lite" / "1" / "notes.mindir").write_text("no model")
    for name, model in models.items():
        (folder / "lite" / "1" / name).write_text(json.dumps(model))
    return folder


def _script(folder: Path, **arguments: object) -> str:
    config = {"servable_directory": str(folder), "servable_name": "lite", "device_ids": 0, "device_type": "CPU"}
    text = start_script([config | arguments])
    assert "start_servables(configs)" in text
    return text.replace("start_servables(configs)", "start_servables(configs, enable_lite=True)")


def _with_stand_in() -> dict[str, str]:
    paths = [str(_STAND_IN), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = _write(tmp_path_factory.mktemp("lite"), _CONFIG, _MODELS)
    with ServerProcess(_script(folder), tmp_path_factory.mktemp("server"), _with_stand_in()) as server:
        yield server.wait_ready()


@pytest.fixture(scope="module")
def call(server: ServerProcess) -> Iterator[Callable[..., object]]:
    caller = GrpcCaller(server)
    yield lambda method, *instances: caller.call("lite", method, *instances)
    caller.close()


def _floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_batches_of_the_files_size(call):
    results = call("add_rows", *({"x1": _floats(i, i, i), "x2": _floats(1, 2, 3)} for i in range(5)))
    assert [result["y"].tolist() for result in results] == [[i + 1, i + 2, i + 3] for i in range(5)]


@pytest.mark.parametrize("count", [1, 3, 40])
def test_batches_of_any_size(call, count):
    results = call("add_dynamic", *({"x": _floats(i, 1)} for i in range(count)))
    assert [result["y"].tolist() for result in results] == [[2 * i, 2] for i in range(count)]
    assert [result["total"].tolist() for result in results] == [[i + 1] for i in range(count)]


def test_a_model_without_batch(call):
    (result,) = call("negate", {"x": np.arange(4, dtype=np.int32).reshape(2, 2)})
    assert result["y"].tolist() == [[0, -1], [-2, -3]]
    assert result["y"].dtype == np.int32


def test_results_outlive_the_next_run(call):
    (result,) = call("kept", {"x": _floats(1, 2, 3)})
    assert result["y"].tolist() == [2, 4, 6]


def test_wrong_inputs_are_refused_before_the_engine(call):
    answer = call("negate", {"x": np.zeros((2, 2), np.float32)})
    failure = answer if isinstance(answer, Failure) else answer[0]
    assert "data type kMSI_Float32 not match the data type kMSI_Int32" in failure.text


def test_the_engine_is_set_up_from_the_declaration(server):
    log = "".join(server.worker_logs().values())
    (rows,) = [line for line in log.splitlines() if "stand-in built rows.mindir" in line]
    assert "MINDIR ['cpu']" in rows
    assert "'thread_num': 2" in rows
    assert "'thread_affinity_core_list': [0]" in rows
    assert "'inter_op_parallel_num': 2" in rows
    assert "'precision_mode': 'preferred_fp16'" in rows
    assert "enforce_fp16" not in rows, "the options of another device"
    assert rows.endswith("config 'engine.cfg'")
    (dynamic,) = [line for line in log.splitlines() if "stand-in built dynamic.ms" in line]
    assert "MINDIR_LITE ['cpu']" in dynamic
    assert f"'thread_num': {len(os.sched_getaffinity(0))}" in dynamic
    assert dynamic.endswith("config ''")


_ONE_MODEL = """
from mindspore_serving.server import register

model = register.declare_model({declaration})


@register.register_method(output_names=["y"])
def predict(x1, x2):
    return register.add_stage(model, x1, x2, outputs_count=1)
"""
_FILES = {"a.mindir": _ADD, "b.mindir": _ADD, "complex.mindir": {"inputs": [["unknown", [1]]] * 2, "outputs": ["x0"]}}


@pytest.mark.parametrize(
    ("declaration", "arguments", "stand_in", "text"),
    [
        ("'a.mindir', 'MindIR'", {}, False, "MindSpore Lite is needed for enable_lite=True and cannot be imported"),
        ("'a.mindir', 'MindIR'", {"dec_key": b"k" * 16}, True, "MindSpore Lite cannot decrypt models"),
        ("['a.mindir', 'b.mindir'], 'MindIR'", {}, True, "MindSpore Lite runs models of one file"),
        ("'a.mindir', 'OM'", {}, True, "Not support device type CPU and model type OM. "),
        ("'c.mindir', 'MindIR'", {}, True, "c.mindir' does not exist"),
        ("'notes.mindir', 'MindIR'", {}, True, "build_from_file failed! Error is Graph load failed"),
        ("'a.mindir', 'MindIR', config_file='no.cfg'", {}, True, "no.cfg failed, the file does not exist"),
        ("'complex.mindir', 'MindIR'", {}, True, "complex.mindir input 0 has data type unknown"),
    ],
    ids=["not installed", "key", "two files", "om", "no file", "no model", "no config file", "dtype"],
)
def test_what_ends_the_start(tmp_path, declaration, arguments, stand_in, text):
    folder = _write(tmp_path / "servables", _ONE_MODEL.format(declaration=declaration), _FILES)
    env = _with_stand_in() if stand_in else None
    with ServerProcess(_script(folder, **arguments), tmp_path / "server", env) as server:
        assert server.wait_exit(60) != 0
        server.expected_exit_code = server.process.returncode
        error = server.output.splitlines()[-1]
    assert "Fail to start workers: " in error
    assert "Load model failed, servable directory: " in error
    assert text in error


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            "model, x1, x1, x2, outputs_count=1",
            "The inputs count 3 in register_method not equal to the count 2 defined in model, method: 'predict', stage "
            "index(begin with 1): 1, model: a.mindir, inputs of the model: float32[3], float32[3]; give the stage that "
            "many (in file '{file}')",
        ),
        (
            "model, x1, outputs_count=1",
            "The inputs count 1 in register_method not equal to the count 2 defined in model, method: 'predict'",
        ),
        (
            "model, x1, x2, outputs_count=2",
            "The outputs count 2 in register_method not equal to the count 1 defined in model, method: 'predict', "
            "stage index(begin with 1): 1, model: a.mindir, outputs of the model: float32[3]; declare it with "
            "outputs_count=1 (in file '{file}')",
        ),
    ],
    ids=["many inputs", "few inputs", "many outputs"],
)
def test_stages_that_do_not_fit_the_model(tmp_path, wrong, text):
    config = _ONE_MODEL.format(declaration="'a.mindir', 'MindIR'").replace("model, x1, x2, outputs_count=1", wrong)
    config = config.replace("return register", "y = register") + "    return x1\n"
    folder = _write(tmp_path / "servables", config, _FILES)
    with ServerProcess(_script(folder), tmp_path / "server", _with_stand_in()) as server:
        assert server.wait_exit(60) != 0
        server.expected_exit_code = server.process.returncode
        assert text.format(file=folder / "lite" / "servable_config.py") in server.output.splitlines()[-1]


@pytest.mark.parametrize("device_type", [None, "CPU"])
def test_a_machine_without_mindspore(tmp_path, device_type):
    """MindSpore Lite alone is enough, and nothing of it loads MindSpore."""
    blocker = tmp_path / "blocker"
    blocker.mkdir()
    (blocker / "mindspore.py").write_text("raise ImportError('MindSpore is not installed here')")
    env = _with_stand_in()
    env["PYTHONPATH"] = os.pathsep.join([str(blocker), env["PYTHONPATH"]])
    folder = _write(tmp_path / "servables", _CONFIG, _MODELS)
    with ServerProcess(_script(folder, device_type=device_type), tmp_path / "server", env | {"GLOG_v": "1"}) as server:
        server.wait_ready()
        caller = GrpcCaller(server)
        (result,) = caller.call("lite", "negate", {"x": np.arange(4, dtype=np.int32).reshape(2, 2)})
        assert result["y"].tolist() == [[0, -1], [-2, -3]]
        caller.close()
        assert "ONEDNN" not in "".join(server.worker_logs().values())


def test_an_ascend_that_is_not_there_needs_no_mindspore_to_be_refused(tmp_path):
    if any(Path("/dev").glob("davinci[0-9]*")):
        pytest.skip("there is one")
    (tmp_path / "mindspore.py").write_text("raise ImportError('MindSpore is not installed here')")
    env = _with_stand_in()
    env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), env["PYTHONPATH"]])
    folder = _write(tmp_path / "servables", _CONFIG, _MODELS)
    with ServerProcess(_script(folder, device_type="Ascend"), tmp_path / "server", env) as server:
        assert server.wait_exit(60) != 0
        server.expected_exit_code = server.process.returncode
        text = (
            "The device type 'ascend' of servable name lite is inconsistent with current running environment, supported"
        )
        assert text in server.output
