"""Stand-ins for the master's C++ half and for worker processes."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
from typing import Any

from mindspore_serving.server._master.launch import WorkerSpec
from mindspore_serving.server._master.worker_handle import WorkerListener
from mindspore_serving.server.control_messages import (
    Message,
    MethodInfo,
    StopWorker,
    WorkerFailed,
    WorkerLeaving,
    WorkerReady,
)


class FakeChannel:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class FakeProcess:
    """A worker process that does what the test says, with the interface of `WorkerHandle`."""

    def __init__(self, spec: WorkerSpec, again: bool, listener: WorkerListener, pid: int) -> None:
        self.spec = spec
        self.again = again
        self.pid = pid
        self.pidfd = -1
        self.channel = FakeChannel()
        self.adopted = False
        self.log_path = "worker.log"
        self.sent: list[Message] = []
        self.killed = False
        self.stubborn = False
        """Does not end when it is asked to."""
        self._listener = listener
        self._ended = False

    def ready(self, only_model_stages: bool = False) -> None:
        method = MethodInfo("m", ("x",), ("y",), 0, 8, only_model_stages)
        self._listener.on_message(self, WorkerReady(self.spec.version, (method,)))

    def failed(self, text: str) -> None:
        self._listener.on_message(self, WorkerFailed(text))
        self.end(3)

    def leave(self) -> None:
        self._listener.on_message(self, WorkerLeaving("SIGTERM"))

    def close_socket(self) -> None:
        self._listener.on_eof(self)

    def end(self, returncode: int) -> None:
        if not self._ended:
            self._ended = True
            self._listener.on_eof(self)
            self._listener.on_exit(self, returncode)

    def send(self, message: Message) -> None:
        self.sent.append(message)
        if isinstance(message, StopWorker) and not self.stubborn:
            self.end(0)

    def terminate(self) -> None:
        if not self.stubborn:
            self.end(-signal.SIGTERM)

    def kill(self) -> None:
        self.killed = True
        self.end(-signal.SIGKILL)

    def log_tail(self) -> str:
        return "last words"


@dataclasses.dataclass
class Spawner:
    """Starts fake processes; `refusals` many starts fail."""

    processes: list[FakeProcess] = dataclasses.field(default_factory=list)
    refusals: int = 0

    def __call__(self, spec: WorkerSpec, again: bool, listener: WorkerListener) -> FakeProcess:
        if self.refusals:
            self.refusals -= 1
            raise OSError("no more processes")
        self.processes.append(FakeProcess(spec, again, listener, pid=100 + len(self.processes)))
        return self.processes[-1]


class FakeDispatcher:
    """Records what it is told, and answers RESTful calls when the test says so."""

    def __init__(self) -> None:
        self.workers: dict[int, Any] = {}
        self.waiting_for: dict[tuple[str, int], int] = {}
        self.told: list[tuple[Any, ...]] = []
        self.load = (0, 0, 0.0)
        self.memory = (0, 1 << 30)
        self.refuse_worker: str | None = None
        self.submitted: dict[int, tuple[str, str, int, bytes]] = {}
        self.cancelled: list[int] = []
        self._numbers = 0
        self._complete: list[tuple[int, int, bytes]] = []
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def declare_servable(self, servable: str) -> None:
        self.told.append(("declare", servable))

    def add_worker(self, channel, servable, version, methods, own_device, label, remote_methods=(), process=-1) -> int:
        if self.refuse_worker:
            raise RuntimeError(self.refuse_worker)
        self._numbers += 1
        self.workers[self._numbers] = channel
        self.told.append(("add", label))
        return self._numbers

    def drain_worker(self, worker: int) -> None:
        self.told.append(("drain", worker))

    def remove_worker(self, worker: int, end: str = "") -> None:
        self.workers.pop(worker).close()
        self.told.append(("remove", worker, end))

    def set_starting(self, servable: str, version: int, workers: int) -> None:
        self.waiting_for[servable, version] = workers
        self.told.append(("starting", workers))

    def fail_waiting(self, servable: str, version: int) -> None:
        self.told.append(("fail waiting", servable, version))

    def give_memory_back(self) -> None:
        self.told.append(("give memory back",))

    def worker_load(self, worker: int) -> tuple[int, int, float]:
        return self.load

    def look_at_memory(self, worker: int) -> tuple[int, int]:
        return self.memory

    def set_json_limits(self, max_instances: int, max_name_bytes: int, max_json_depth: int) -> None:
        self.told.append(("limits", max_instances, max_name_bytes, max_json_depth))

    def check_target(self, servable: str, method: str, version: int) -> tuple[int, str]:
        return (404, f"{servable} is not available") if servable == "nobody" else (200, "")

    def submit_json(self, servable: str, method: str, version: int, body: bytes) -> int:
        self._numbers += 1
        self.submitted[self._numbers] = (servable, method, version, body)
        return self._numbers

    def complete(self, call: int, status: int, body: bytes) -> None:
        self._complete.append((call, status, body))
        os.eventfd_write(self._event, 1)

    def cancel(self, call: int) -> None:
        self.cancelled.append(call)

    def completion_fd(self) -> int:
        return self._event

    def take_completions(self) -> list[tuple[int, int, bytes]]:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._event)
        taken, self._complete = self._complete, []
        return taken

    def close(self) -> None:
        os.close(self._event)
