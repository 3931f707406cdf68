"""A worker's life over the processes that it has one after the other."""

from __future__ import annotations

import signal

from mindspore_serving.server._master.launch import WorkerSpec
from mindspore_serving.server._master.states import WorkerState, advance
from mindspore_serving.server._master.worker_handle import WorkerHandle
from mindspore_serving.server.control_messages import WorkerReady

RESTART_DELAYS_S = (0.0, 0.0, 0.0, 0.5, 1.0, 2.0, 4.0)
"""Wait before the next start after the first, second, ... quick death in a row. One more with nothing to do, and the
worker has failed; one that died of what it was asked to run goes on with the last delay, or a client could end the
server.

An instance that kills workers is tried three times: what waits behind it needs a worker that comes back at once."""
SERVED_WELL_S = 30.0
"""A death after this long in READY is not a quick one."""


class Worker:
    """What is known of a worker: its state, its present process, its number at the dispatcher, its deaths."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.state = WorkerState.STARTING
        self.handle: WorkerHandle | None = None
        self.number: int | None = None
        """At the dispatcher, while it is known there."""
        self.error: str | None = None
        """What it said about its failed start."""
        self.version = spec.version
        self.only_model_stages = False
        """Whether none of its methods runs a Python function."""
        self.starts = 0
        self.warned_at = -1
        """The count of completed instances at which its silence was last warned about."""
        self.kept_warned_bytes = 0
        """How much of its memory was kept for long when that was last warned about."""
        self.in_flight = 0
        """Instances that its last process had when it died."""
        self.completed = 0
        """Instances that its last process completed."""
        self._quick_deaths = 0
        self._ready_since: float | None = None

    @property
    def key(self) -> tuple[str, int]:
        """Servable and version that it serves."""
        return self.spec.servable.name, self.version

    def become(self, state: WorkerState) -> None:
        """Changes the state; asserts that it may follow the present one."""
        self.state = advance(self.state, state)

    def became_ready(self, ready: WorkerReady, number: int, now: float) -> None:
        """It is loaded and known to the dispatcher under `number`."""
        self.become(WorkerState.READY)
        self.number = number
        self.version = ready.version_number
        self.only_model_stages = all(method.only_model_stages for method in ready.methods)
        self.warned_at = -1
        self.kept_warned_bytes = 0
        self._ready_since = now

    def restart_delay(self, now: float) -> float | None:
        """Counts an unwanted death; seconds until the next start, None when it died too often.

        A death after work was done, or after a while, is the first in a row."""
        served_well = self._ready_since is not None and now - self._ready_since >= SERVED_WELL_S
        if served_well or self.completed > 0:
            self._quick_deaths = 0
        had_work = self.in_flight > 0
        self._ready_since = None
        self.in_flight = self.completed = 0
        self._quick_deaths += 1
        if self._quick_deaths <= len(RESTART_DELAYS_S):
            return RESTART_DELAYS_S[self._quick_deaths - 1]
        return RESTART_DELAYS_S[-1] if had_work else None


def describe_exit(returncode: int) -> str:
    """The end of a process in words."""
    if returncode >= 0:
        return f"exit code {returncode}"
    number = -returncode
    try:
        name = f" ({signal.Signals(number).name})"
    except ValueError:  # most real-time signals have none
        name = ""
    return f"killed by signal {number}{name}" + (", perhaps out of memory" if number == signal.SIGKILL else "")
