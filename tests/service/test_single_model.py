"""A servable in the words of old releases, served: the calls that are stages under other names."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from tests.harness.callers import GrpcCaller
from tests.harness.server_process import ServerProcess, start_script

_CONFIG = """
import numpy as np

from mindspore_serving.server import register

register.declare_servable(servable_file="tensor_add.mindir", model_format="MindIR", with_batch_dim=True)


def to_float32(x1, x2):
    return x1.astype(np.float32), x2.astype(np.float32)


def to_float32_all(instances):
    for x1, x2 in instances:
        yield to_float32(x1, x2)


def to_int32(y):
    return y.astype(np.int32)


def to_int32_all(instances):
    return [y.astype(np.int32) for (y,) in instances]


@register.register_method(output_names=["y"])
def single(x1, x2):
    x1, x2 = register.call_preprocess(to_float32, x1, x2)
    y = register.call_servable(x1, x2)
    y = register.call_postprocess(to_int32, y)
    return y


@register.register_method(output_names=["y"])
def pipeline(x1, x2):
    x1, x2 = register.call_preprocess_pipeline(to_float32_all, x1, x2)
    y = register.call_servable(x1, x2)
    y = register.call_postprocess_pipeline(to_int32_all, y)
    return y
"""


def test_old_servables_run(exported_models: Path, tmp_path: Path) -> None:
    version = tmp_path / "old" / "1"
    version.mkdir(parents=True)
    shutil.copy(exported_models / "tensor_add.mindir", version)
    (tmp_path / "old" / "servable_config.py").write_text(_CONFIG)
    config = {"servable_directory": str(tmp_path), "servable_name": "old", "device_ids": 0}
    with ServerProcess(start_script([config]), tmp_path / "server") as server:
        caller = GrpcCaller(server.wait_ready())
        instances = [{"x1": np.array([i, 2]), "x2": np.array([3, 4])} for i in range(5)]
        for method in ("single", "pipeline"):
            results = caller.call("old", method, *instances)
            assert [result["y"].tolist() for result in results] == [[i + 3, 6] for i in range(5)]
            assert {result["y"].dtype for result in results} == {np.dtype(np.int32)}
        failed = caller.call("old", "single", {"x1": "a", "x2": np.array([1, 2])})
        caller.close()
        assert "Preprocess Failed" in str(failed)
        log = "".join(server.worker_logs().values())
    for name in ("declare_servable", "call_preprocess", "call_servable", "call_postprocess_pipeline"):
        assert log.count(f"'{name}' is deprecated, use '") == 1
