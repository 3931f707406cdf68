"""A MindIR that was exported with a key: it loads with that key and mode, and with no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.harness.grpc_client import GrpcClient
from tests.harness.server_process import ServerProcess, start_script

KEY = b"0123456789ABCDEF"
CONFIG = """
from mindspore_serving.server import register

model = register.declare_model(model_file="model.mindir", model_format="MindIR", with_batch_dim=False)


@register.register_method("y")
def add(x1, x2):
    return register.add_stage(model, x1, x2, outputs_count=1)
"""


@pytest.fixture(scope="module")
def folder(exported_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A servable directory with the servable `secret`."""
    made = tmp_path_factory.mktemp("encrypted")
    (made / "secret" / "1").mkdir(parents=True)
    (made / "secret" / "servable_config.py").write_text(CONFIG)
    (made / "secret" / "1" / "model.mindir").write_bytes((exported_models / "tensor_add_encrypted.mindir").read_bytes())
    return made


def test_the_right_key_and_others(folder: Path, tmp_path: Path) -> None:
    base = {"servable_directory": str(folder), "servable_name": "secret", "device_ids": 0}
    wrong = [{}, {"dec_key": KEY[::-1]}, {"dec_key": KEY, "dec_mode": "AES-CBC"}]
    before = f"""
for arguments in {[base | one for one in wrong]!r}:
    try:
        server.start_servables(server.ServableStartConfig(**arguments))
    except RuntimeError as error:
        print("RAISED", str(error).replace("\\n", " "), flush=True)
"""
    script = start_script([base | {"dec_key": KEY}], before=before)
    with ServerProcess(script, tmp_path / "server", env={"GLOG_v": "1"}) as server:
        server.wait_ready(120)
        raised = [line for line in server.output.splitlines() if line.startswith("RAISED ")]
        assert len(raised) == len(wrong)
        assert all("Load model failed, servable directory: " in line for line in raised)
        x = np.array([[1, 2], [3, 4]], np.float32)
        with GrpcClient(server.grpc_address) as client:
            np.testing.assert_array_equal(client.call("secret", "add", {"x1": x, "x2": x}).values[0]["y"], x * 2)
        everything = server.output + "".join(server.worker_logs().values())
        assert KEY.decode() not in everything, "the key is told to nobody"
        for pid in [server.pid, *server.workers()]:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
            assert KEY not in arguments
