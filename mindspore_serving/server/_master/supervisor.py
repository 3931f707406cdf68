"""Lives and deaths of the workers: starts them, notices their ends, replaces them, stops them."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mindspore_serving import log
from mindspore_serving.server._master.launch import WorkerSpec
from mindspore_serving.server._master.states import WorkerState
from mindspore_serving.server._master.worker import Worker, describe_exit
from mindspore_serving.server._master.worker_handle import WorkerHandle, WorkerListener
from mindspore_serving.server.control_messages import (
    EXIT_START_FAILED,
    Message,
    StopWorker,
    WorkerFailed,
    WorkerLeaving,
    WorkerReady,
)
from mindspore_serving.server.errors import StartError

if TYPE_CHECKING:
    from mindspore_serving.server._master._core import Dispatcher

_WAIT_FOR_REPLACEMENT_S = 10.0
"""Requests wait this long at most for a worker that is starting."""
_WAIT_FOR_EXIT_S = 1.0
"""A worker that has closed its control socket but does not end is given up after this long."""
_HEALTH_INTERVAL_S = 15.0
_SILENCE_S = 60.0
"""A worker that has work but completed nothing for this long is warned about. It is not killed: stages may be slow."""
_KEPT_SHARE = 8
"""An eighth of a worker's request memory that is kept for long is warned about, and then each time as much again."""
_KILL_WAIT_S = 5.0

Spawn = Callable[[WorkerSpec, bool, WorkerListener], WorkerHandle]
"""Starts a process for a worker; the flag says whether it is one more for the same worker. Raises `OSError`."""


class Supervisor:
    """Keeps the workers of a server running and tells the dispatcher about them. Used in the loop's thread only.

    A worker whose process dies unasked is started again, at once and then after growing delays. One that was told to
    end by a signal, and one that says it cannot start, is not. `on_gone` is called when no worker is left that
    counts."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, dispatcher: Dispatcher, spawn: Spawn, on_gone: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._dispatcher = dispatcher
        self._spawn = spawn
        self._on_gone = on_gone
        self._workers: list[Worker] = []
        self._models: dict[tuple[str, int], tuple[dict[str, Any], ...]] = {}
        """The models that device workers told of; their servable's workers without device are told when they start."""
        self._owners: dict[WorkerHandle, Worker] = {}
        """The workers by their living processes."""
        self._started: asyncio.Future[None] | None = None
        """Pending while `start` waits for a group of workers."""
        self._ending = False
        """Nothing is started any more, whatever dies."""
        self._all_exited: asyncio.Future[None] | None = None
        self._restart_timers: dict[Worker, asyncio.TimerHandle] = {}
        self._wait_timers: dict[tuple[str, int], asyncio.TimerHandle] = {}
        self._health_timer: asyncio.TimerHandle | None = None

    @property
    def states(self) -> list[tuple[str, WorkerState]]:
        """Label and state of every worker."""
        return [(worker.spec.label, worker.state) for worker in self._workers]

    # Starting

    async def start(self, specs: Sequence[WorkerSpec]) -> None:
        """Starts the device workers together, then the extra ones; returns when all are READY, however long it takes.

        Raises `StartError` as soon as one fails; what was started is then left to `stop`."""
        for name in {spec.servable.name for spec in specs}:
            self._dispatcher.declare_servable(name)
        await self._start_group([spec for spec in specs if spec.device_id is not None])
        await self._start_group([spec for spec in specs if spec.device_id is None and self._is_needed(spec)])
        self._health_timer = self._loop.call_later(_HEALTH_INTERVAL_S, self._check_health)

    def abort_start(self, reason: str) -> bool:
        """Makes `start` raise; False when no start is under way."""
        return self._fail_start(f"Fail to start workers because of {reason}")

    async def _start_group(self, specs: Iterable[WorkerSpec]) -> None:
        group = [Worker(spec) for spec in specs]
        if not group:
            return
        self._started = self._loop.create_future()
        try:
            for worker in group:
                self._workers.append(worker)
                try:
                    self._launch(worker)
                except OSError as error:
                    worker.become(WorkerState.FAILED)
                    raise StartError(f"Start worker failed: {worker.spec.failure(str(error))}") from error
            await self._started
        finally:
            self._started = None

    def _launch(self, worker: Worker) -> None:
        spec = worker.spec
        if not spec.own_device:
            spec = dataclasses.replace(spec, remote_models=self._models.get(worker.key, ()))
        worker.handle = self._spawn(spec, worker.starts > 0, self)
        worker.starts += 1
        self._owners[worker.handle] = worker

    def _is_needed(self, spec: WorkerSpec) -> bool:
        """An extra worker without models has nothing to do where all methods consist of model stages."""
        key = (spec.servable.name, spec.version)
        device_workers = [worker for worker in self._workers if worker.key == key]
        if spec.own_device or not device_workers or not all(worker.only_model_stages for worker in device_workers):
            return True
        log.warning("There is no need to startup additional worker processes, all stages of %s are models", key[0])
        return False

    def _fail_start(self, text: str) -> bool:
        if self._started is None or self._started.done():
            return False
        self._ending = True
        self._started.set_exception(StartError(text))
        return True

    # What the processes tell

    def on_message(self, handle: WorkerHandle, message: Message) -> None:
        """A worker said something."""
        worker = self._owners[handle]
        if isinstance(message, WorkerReady):
            self._on_ready(worker, message)
        elif isinstance(message, WorkerFailed):
            worker.error = message.error
            self._fail_start(f"Fail to start workers: {worker.spec.failure(message.error)}")
        elif isinstance(message, WorkerLeaving):
            self._on_leaving(worker, message)
        else:
            log.error("worker %s sent a message that is not a worker's: %s", worker.spec.label, type(message).__name__)

    def _on_ready(self, worker: Worker, ready: WorkerReady) -> None:
        assert worker.handle is not None
        if worker.state is not WorkerState.STARTING:  # it was told to stop in between
            return
        try:
            number = self._dispatcher.add_worker(
                worker.handle.channel,
                worker.spec.servable.name,
                ready.version_number,
                [(m.name, m.inputs, m.outputs, m.lane, m.credit, m.only_model_stages) for m in ready.methods],
                worker.spec.own_device,
                worker.spec.label,
                ready.remote_methods,
                worker.handle.pidfd,
            )
        except (RuntimeError, ValueError, TypeError) as error:
            worker.error = str(error)
            self._fail_start(f"Fail to start workers: {worker.spec.failure(worker.error)}")
            worker.handle.kill()
            return
        worker.handle.adopted = True
        if worker.spec.own_device:
            self._models[worker.spec.servable.name, ready.version_number] = ready.models
        key_before = worker.key
        worker.became_ready(ready, number, self._loop.time())
        log.info("Register success: worker address: %s, pid %d", worker.spec.label, worker.handle.pid)
        for key in {key_before, worker.key}:  # a restart may serve another version
            self._update_waiting(key)
        starting = any(other.state is WorkerState.STARTING for other in self._workers)
        if self._started is not None and not self._started.done() and not starting:
            self._started.set_result(None)

    def _on_leaving(self, worker: Worker, message: WorkerLeaving) -> None:
        log.warning("worker %s leaves: %s", worker.spec.label, message.reason)
        if worker.number is not None:
            self._dispatcher.drain_worker(worker.number)
        if worker.state is not WorkerState.DRAINING:
            worker.become(WorkerState.DRAINING)
        self._update_waiting(worker.key)

    def on_eof(self, handle: WorkerHandle) -> None:
        """A worker closed its control socket: its process is ending, so nothing more goes there. What it had is looked
        at when its exit, which follows at once as a rule, has told why."""
        worker = self._owners[handle]
        if worker.number is not None:
            # A replacement is taken to be starting, so nothing is answered yet.
            self._dispatcher.set_starting(*worker.key, self._count(worker.key, WorkerState.STARTING) + 1)
            self._dispatcher.drain_worker(worker.number)
            self._loop.call_later(_WAIT_FOR_EXIT_S, self._leave_dispatcher, worker, worker.number)

    def on_exit(self, handle: WorkerHandle, returncode: int) -> None:
        """A process has ended."""
        worker = self._owners.pop(handle)
        self._leave_dispatcher(worker, worker.number, describe_exit(returncode))
        if not handle.adopted:
            handle.channel.close()
        worker.handle = None
        if self._ending:
            self._dispatcher.set_starting(*worker.key, 0)
            self._on_exit_at_end(worker)
        elif self._started is not None:
            self._on_exit_at_start(worker, handle, returncode)
        else:
            self._on_exit_while_serving(worker, handle, returncode)

    def _on_exit_at_end(self, worker: Worker) -> None:
        worker.become(WorkerState.FAILED if worker.error and worker.state.has_future else WorkerState.STOPPED)
        if not self._owners and self._all_exited is not None and not self._all_exited.done():
            self._all_exited.set_result(None)

    def _on_exit_at_start(self, worker: Worker, handle: WorkerHandle, returncode: int) -> None:
        left = worker.state is WorkerState.DRAINING
        worker.become(WorkerState.STOPPED if left else WorkerState.FAILED)
        if returncode == EXIT_START_FAILED and worker.error is None:
            self._fail_start(f"Fail to start workers: {worker.spec.failure(handle.log_tail())}")
        self._fail_start(
            "Fail to start workers because of death of one worker: "
            f"{worker.spec.failure(describe_exit(returncode))}; the end of {handle.log_path}:\n{handle.log_tail()}"
        )

    def _on_exit_while_serving(self, worker: Worker, handle: WorkerHandle, returncode: int) -> None:
        label, end = worker.spec.label, describe_exit(returncode)
        if worker.state is WorkerState.DRAINING or returncode in (-signal.SIGINT, -signal.SIGTERM):
            log.warning("worker %s, pid %d, has ended as told: %s", label, handle.pid, end)
            worker.become(WorkerState.STOPPED)
        elif worker.error is not None or (returncode == EXIT_START_FAILED and worker.state is WorkerState.STARTING):
            log.error("worker %s, pid %d, cannot start again: %s", label, handle.pid, worker.error or handle.log_tail())
            worker.become(WorkerState.FAILED)
        else:
            log.error("worker %s, pid %d, has died: %s; its log: %s", label, handle.pid, end, handle.log_path)
            self._restart(worker)
        self._update_waiting(worker.key)
        self._check_gone()

    def _leave_dispatcher(self, worker: Worker, number: int | None, end: str = "") -> None:
        """The dispatcher takes a replacement to be starting until it is told otherwise, so nothing is answered yet."""
        if number is not None and number == worker.number:
            worker.number = None
            worker.in_flight, worker.completed, _ = self._dispatcher.worker_load(number)
            self._dispatcher.remove_worker(number, end)

    # Restarting

    def _restart(self, worker: Worker) -> None:
        """Starts a dead worker again, now or later, or gives it up."""
        delay = worker.restart_delay(self._loop.time())
        if delay is None:
            log.error("worker %s died too often in a row and is given up", worker.spec.label)
            worker.become(WorkerState.FAILED)
        elif delay == 0:
            worker.become(WorkerState.STARTING)
            self._launch_again(worker)
        else:
            worker.become(WorkerState.BACKOFF)
            self._restart_timers[worker] = self._loop.call_later(delay, self._end_backoff, worker)

    def _end_backoff(self, worker: Worker) -> None:
        del self._restart_timers[worker]
        worker.become(WorkerState.STARTING)
        self._launch_again(worker)
        self._update_waiting(worker.key)
        self._check_gone()

    def _launch_again(self, worker: Worker) -> None:
        try:
            self._launch(worker)
        except OSError as error:
            log.error("worker %s cannot be started: %s", worker.spec.label, error)
            self._restart(worker)

    def _count(self, key: tuple[str, int], state: WorkerState) -> int:
        return sum(worker.key == key and worker.state is state for worker in self._workers)

    def _update_waiting(self, key: tuple[str, int]) -> None:
        """Tells the dispatcher how many workers of a servable are starting; limits how long requests wait for them."""
        starting = self._count(key, WorkerState.STARTING)
        self._dispatcher.set_starting(*key, starting)
        waiting = starting > 0 and self._count(key, WorkerState.READY) == 0
        if waiting and key not in self._wait_timers:
            self._wait_timers[key] = self._loop.call_later(_WAIT_FOR_REPLACEMENT_S, self._end_wait, key)
        elif not waiting and key in self._wait_timers:
            self._wait_timers.pop(key).cancel()

    def _end_wait(self, key: tuple[str, int]) -> None:
        del self._wait_timers[key]
        log.warning("no worker of servable %s version %d came back in time, waiting requests are refused", *key)
        self._dispatcher.fail_waiting(*key)
        self._update_waiting(key)

    def _check_gone(self) -> None:
        """Reports when no worker that owns a device (or none at all, where no worker does) is alive or going to be."""
        counting = [worker for worker in self._workers if worker.spec.own_device] or self._workers
        if not any(worker.state.has_future or worker.state is WorkerState.DRAINING for worker in counting):
            self._on_gone()

    def _check_health(self) -> None:
        self._health_timer = self._loop.call_later(_HEALTH_INTERVAL_S, self._check_health)
        self._dispatcher.give_memory_back()
        for worker in self._workers:
            if worker.number is None:
                continue
            in_flight, completed, silence_s = self._dispatcher.worker_load(worker.number)
            if in_flight and silence_s >= _SILENCE_S and completed != worker.warned_at:
                worker.warned_at = completed
                log.warning(
                    "worker %s has %d instances but completed none for %.0f s", worker.spec.label, in_flight, silence_s
                )
            self._check_memory(worker, worker.number)

    def _check_memory(self, worker: Worker, number: int) -> None:
        kept_bytes, total_bytes = self._dispatcher.look_at_memory(number)
        if kept_bytes >= max(total_bytes // _KEPT_SHARE, 2 * worker.kept_warned_bytes):
            worker.kept_warned_bytes = kept_bytes
            log.warning(
                "worker %s: %d of the %d MiB for its requests have been in use for more than %.0f s by none that runs: "
                "its functions keep arrays that they were given (copies, numpy.array(x), can be kept for ever), or "
                "clients do not read their replies. Without room, requests wait",
                *(worker.spec.label, kept_bytes >> 20, total_bytes >> 20, _HEALTH_INTERVAL_S),
            )

    # Stopping

    def prepare_stop(self) -> None:
        """From now on nothing is started any more. A start that is under way fails."""
        self._ending = True
        self._fail_start("Fail to start workers because the server was stopped")
        for timer in [*self._restart_timers.values(), *self._wait_timers.values(), self._health_timer]:
            if timer is not None:
                timer.cancel()

    async def stop(self, timeout_s: float) -> None:
        """Asks every worker to end, kills what is left after `timeout_s`, and returns when all are gone. The dispatcher
        was stopped before, so nothing waits for them."""
        for worker in self._workers:
            self._ask_to_stop(worker)
        if not await self._wait_for_exits(timeout_s):
            log.warning("%d workers did not end within %.1f s and are killed", len(self._owners), timeout_s)
            self.kill()
            if not await self._wait_for_exits(_KILL_WAIT_S):
                log.error("%d workers could not be killed", len(self._owners))

    def kill(self) -> None:
        """SIGKILL to all workers that still run."""
        for handle in list(self._owners):
            handle.kill()

    def _ask_to_stop(self, worker: Worker) -> None:
        if worker.state is WorkerState.BACKOFF:
            worker.become(WorkerState.STOPPED)
        state, handle = worker.state, worker.handle
        if handle is None or state not in (WorkerState.READY, WorkerState.STARTING):
            return
        worker.become(WorkerState.DRAINING)
        if state is WorkerState.READY:
            handle.send(StopWorker())
        else:
            handle.terminate()

    async def _wait_for_exits(self, timeout_s: float) -> bool:
        if not self._owners:
            return True
        self._all_exited = self._loop.create_future()
        await asyncio.wait([self._all_exited], timeout=timeout_s)
        return not self._owners
