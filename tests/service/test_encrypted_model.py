"""A MindIR that was exported with a key: what loads it, and where neither the key nor the content must be found."""

from __future__ import annotations

import base64
import ctypes
import os
import shutil
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.harness import processes
from tests.harness.grpc_client import GrpcClient
from tests.harness.server_process import ServerProcess, start_script

KEY = bytes.fromhex("8e1fa7d05cb364290e77b8c1d24f9a63")  # that of tests/models/export.py
_FORMS = (KEY, base64.b64encode(KEY), KEY.hex().encode(), KEY.hex().upper().encode(), repr(KEY)[2:-1].encode())
_CONFIG = """
from mindspore_serving.server import register

model = register.declare_model(model_file="model.mindir", model_format="MindIR", with_batch_dim=False)


@register.register_method("y")
def add(x1, x2):
    return register.add_stage(model, x1, x2, outputs_count=1)
"""
_IN_CREATE, _IN_MOVED_TO, _IN_NONBLOCK = 0x100, 0x80, 0o4000
_EVENT = struct.Struct("iIII")


class CreatedFiles:
    """Notes the name of every file that appears in some directories, also of those that are gone again."""

    def __init__(self, *directories: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(_IN_NONBLOCK)
        assert self._fd >= 0, os.strerror(ctypes.get_errno())
        for directory in directories:
            watch = self._libc.inotify_add_watch(self._fd, os.fsencode(directory), _IN_CREATE | _IN_MOVED_TO)
            assert watch >= 0, os.strerror(ctypes.get_errno())

    def names(self) -> set[str]:
        """Those that appeared since the last call."""
        found = set()
        while True:
            try:
                events = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                return found
            while events:
                length = _EVENT.unpack_from(events)[3]
                found.add(os.fsdecode(events[_EVENT.size : _EVENT.size + length].rstrip(b"\0")))
                events = events[_EVENT.size + length :]

    def close(self) -> None:
        os.close(self._fd)


def _add(server: ServerProcess) -> None:
    x = np.array([[1, 2], [3, 4]], np.float32)
    with GrpcClient(server.grpc_address) as client:
        np.testing.assert_array_equal(client.call("secret", "add", {"x1": x, "x2": x}).values[0]["y"], x * 2)


@pytest.fixture(scope="module")
def folder(exported_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A servable directory with the servable `secret`."""
    made = tmp_path_factory.mktemp("encrypted")
    (made / "secret" / "1").mkdir(parents=True)
    # Python's tempfile would try out its directory with a file of its own.
    (made / "secret" / "servable_config.py").write_text(f"import tempfile\n\ntempfile.tempdir = '/tmp'\n{_CONFIG}")
    shutil.copy(exported_models / "tensor_add_encrypted.mindir", made / "secret" / "1" / "model.mindir")
    return made


def _config(folder: Path) -> dict[str, object]:
    return {"servable_directory": str(folder), "servable_name": "secret", "device_ids": 0}


def test_the_right_key_and_others(folder: Path, tmp_path: Path) -> None:
    base = _config(folder)
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
        _add(server)


@pytest.fixture(scope="module")
def watched(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, CreatedFiles]]:
    """A server whose script reads the key from a file, and what it creates where it might write."""
    tmp_path = tmp_path_factory.mktemp("watched")
    (tmp_path / "key").write_bytes(KEY)
    places = {name: tmp_path / name for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "MINDSPORE_SERVING_CACHE_DIR")}
    directory = tmp_path / "server"
    for place in (*places.values(), directory):
        place.mkdir()
    script = start_script(
        [_config(folder)],
        before=f"descriptor = os.open({str(tmp_path / 'key')!r}, os.O_RDONLY)\nkey = os.read(descriptor, 16)",
    )
    script = "import os\n" + script.replace(
        "ServableStartConfig(**arguments)", "ServableStartConfig(**arguments, dec_key=key)"
    )
    env = {name: str(place) for name, place in places.items()}
    created = CreatedFiles(*places.values(), directory, folder, folder / "secret", folder / "secret" / "1")
    with ServerProcess(script, directory, env | {"GLOG_v": "1", "PYTHONDONTWRITEBYTECODE": "1"}) as server:
        yield server.wait_ready(120), created
    created.close()


def test_the_key_is_in_no_arguments_environment_or_log(watched: tuple[ServerProcess, CreatedFiles]) -> None:
    server, _ = watched
    _add(server)
    (worker,) = server.workers()
    for pid in (server.pid, worker):
        for name in ("cmdline", "environ"):
            content = Path(f"/proc/{pid}/{name}").read_bytes()
            assert content
            assert not any(form in content for form in _FORMS)
    (log,) = (server.directory / "serving_logs").iterdir()
    assert b"secret" in log.read_bytes(), "the log that is looked into is the worker's"
    for content in (log.read_bytes(), server.output.encode()):
        assert not any(form in content for form in _FORMS)


def test_the_key_is_in_memory_where_the_user_put_it_and_nowhere_else(
    watched: tuple[ServerProcess, CreatedFiles],
) -> None:
    server, _ = watched
    (first,) = server.workers()
    os.kill(first, signal.SIGKILL)
    (worker,) = server.wait_workers(1, other_than=[first])
    server.wait_for_line(rf"Register success: .* pid {worker}$")  # requests would not wait for it as long
    _add(server)  # the replacement got the key, too
    try:
        assert processes.count_in_memory(worker, *_FORMS) == [0] * len(_FORMS)
    except PermissionError:
        pytest.skip("the memory of other processes may not be read")
    assert processes.count_in_memory(server.pid, *_FORMS) == [1] + [0] * (len(_FORMS) - 1)


def test_the_content_touches_no_disk(watched: tuple[ServerProcess, CreatedFiles]) -> None:
    server, created = watched
    assert created.names() <= {"serving_server.py", "serving_logs"}
    assert os.listdir(server.directory / "serving_logs") == ["log_secret_device0_version1.log"]
