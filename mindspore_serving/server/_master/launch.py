"""Which workers to start for the servables, and how a worker's process is started."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from mindspore_serving.server._master.merging import Servable
from mindspore_serving.server.control_messages import StartWorker

_LOG_TAIL_BYTES = 4096
_LOG_TAIL_LINES = 20
WITHOUT_WORKING_DIRECTORY = "import sys; sys.path[:1] = [path for path in sys.path[:1] if path]; "
"""How a program for `python -c` begins, which looks for modules in the working directory first (as `-m` does, and there
it cannot be stopped): a file there may have the name of a standard module."""
_RUN_WORKER = WITHOUT_WORKING_DIRECTORY + "from mindspore_serving.server._worker.__main__ import main; main()"
"""One line, which `ps` shows as it is."""


@dataclasses.dataclass(frozen=True)
class WorkerSpec:
    """What one worker is to serve, and on what."""

    servable: Servable
    device_id: int | None
    """None for an extra worker."""
    extra_index: int | None
    """The number of an extra worker, None for a device worker."""
    own_device: bool
    """Whether it loads models itself."""
    enable_lite: bool = False
    worker_count: int = 1
    """Workers of the whole server that load models."""
    remote_models: tuple[dict[str, Any], ...] = ()
    """Without a device of its own: the models of the device workers."""

    @property
    def version(self) -> int:
        """The version it is going to serve."""
        return self.servable.version_number or 1

    @property
    def place(self) -> str:
        """`device<id>` or `extra<index>`."""
        return f"device{self.device_id}" if self.device_id is not None else f"extra{self.extra_index}"

    @property
    def label(self) -> str:
        """The worker's name in log lines and error texts."""
        return f"{self.servable.name} version {self.version} {self.place}"

    @property
    def arguments(self) -> list[str]:
        """What its command line says of it, for those who look at the processes."""
        place = f"--device={self.device_id}" if self.device_id is not None else f"--extra={self.extra_index}"
        return [f"--servable={self.servable.name}", f"--version={self.version}", place]

    @property
    def log_name(self) -> str:
        """Name of the file that its output goes to."""
        return f"log_{self.servable.name}_{self.place}_version{self.version}.log"

    def failure(self, text: str) -> str:
        """An error of this worker as `start_servables` reports it."""
        if self.device_id is not None:
            return f"{{servable name:{self.servable.name}, device id:{self.device_id}, <{text}>}}"
        return f"{{servable:{self.servable.name}, version:{self.version}, extra:{self.extra_index}, <{text}>}}"

    @property
    def dec_key(self) -> bytes | None:
        """The key that it needs to load its models."""
        return self.servable.dec_key if self.own_device else None

    def start_message(self, channel_fds: Sequence[int], dec_key_fd: int | None) -> StartWorker:
        """The first message to its process."""
        return StartWorker(
            servable_directory=self.servable.directory,
            servable_name=self.servable.name,
            version_number=self.servable.version_number,
            device_type=self.servable.device_type,
            device_id=self.device_id,
            extra_index=self.extra_index,
            own_device=self.own_device,
            enable_lite=self.enable_lite,
            channel_fds=tuple(channel_fds),
            worker_count=self.worker_count,
            dec_key_fd=dec_key_fd,
            dec_mode=self.servable.dec_mode,
            remote_models=self.remote_models,
        )


def plan_workers(servables: Sequence[Servable], enable_lite: bool) -> list[WorkerSpec]:
    """A device worker for each device, and extra workers up to the number of parallel workers."""
    specs = [spec for servable in servables for spec in _plan_servable(servable, enable_lite)]
    loading = sum(spec.own_device for spec in specs)
    return [dataclasses.replace(spec, worker_count=max(1, loading)) for spec in specs]


def _plan_servable(servable: Servable, enable_lite: bool) -> list[WorkerSpec]:
    # An extra worker loads the models itself on a CPU; otherwise its model stages run in a device worker.
    cpu = servable.device_type == "cpu" or (servable.device_type == "none" and not servable.device_ids)
    extra_count = max(0, servable.num_parallel_workers - len(servable.device_ids))
    devices = [WorkerSpec(servable, device, None, True, enable_lite) for device in servable.device_ids]
    return devices + [WorkerSpec(servable, None, index, cpu, enable_lite) for index in range(extra_count)]


def log_directory() -> str:
    """Where workers write to: SERVING_LOG_DIR, or `serving_logs` in the working directory. Made if missing."""
    directory = os.path.abspath(os.environ.get("SERVING_LOG_DIR", "").strip() or "serving_logs")
    os.makedirs(directory, exist_ok=True)
    return directory


def launch(
    spec: WorkerSpec, control_fd: int, other_fds: Sequence[int], log_path: str, append: bool
) -> subprocess.Popen[bytes]:
    """Starts a worker's process in a process group of its own, with its output in `log_path`. Raises `OSError`.

    It inherits the descriptors; the start message says what `other_fds` are.
    """
    environment = dict(os.environ)
    environment.pop("SERVING_DEVICE_ID", None)
    if spec.device_id is not None:
        environment["SERVING_DEVICE_ID"] = str(spec.device_id)
    with open(log_path, "ab" if append else "wb") as log_file:
        return subprocess.Popen(
            [sys.executable, "-c", _RUN_WORKER, *spec.arguments, f"--control-fd={control_fd}"],
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=(control_fd, *other_fds),
            start_new_session=True,
        )


def log_tail(log_path: str) -> str:
    """The last lines of a worker's output, for the message about its death."""
    try:
        with open(log_path, "rb") as log_file:
            log_file.seek(max(0, os.fstat(log_file.fileno()).st_size - _LOG_TAIL_BYTES))
            text = log_file.read().decode(errors="replace")
    except OSError as error:
        return f"({error})"
    return "\n".join(text.rstrip().splitlines()[-_LOG_TAIL_LINES:])
