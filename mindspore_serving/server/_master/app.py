"""The composition root: builds, wires, starts and stops everything a server consists of, in the order written here.

Everything runs on one event loop in a thread of its own, so that it goes on after the user's main function has
returned. The interpreter is then in its final thread join, where neither executors nor, in some versions, new threads
are to be had.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError
from typing import Any

import uvloop

from mindspore_serving import log
from mindspore_serving.server._master import _core
from mindspore_serving.server._master.address import GRPC, RESTFUL, Address
from mindspore_serving.server._master.launch import WorkerSpec, log_directory
from mindspore_serving.server._master.rest import RestServer
from mindspore_serving.server._master.rest_listener import open_listening_socket
from mindspore_serving.server._master.script_failure import ScriptFailure
from mindspore_serving.server._master.supervisor import Supervisor
from mindspore_serving.server._master.tls import Tls
from mindspore_serving.server._master.worker_handle import WorkerHandle, WorkerListener
from mindspore_serving.server.errors import AlreadyRunning, StartError
from mindspore_serving.server.limits import RequestLimits

STOP_TIMEOUT_S = 10.0
"""The one deadline of a shutdown; what still runs then is killed."""
DRAIN_S = 2.0
"""How much of it requests that are under way get to finish."""
_CLOSE_S = 1.0
_LOOK_AGAIN_S = 0.2
_SECOND_SIGNAL_AFTER_S = 1.0
"""A signal that comes this long after the shutdown began means: at once. Sooner, it may be the same one sent twice."""


@dataclasses.dataclass(frozen=True)
class Listening:
    """Where an end point listens, and what it takes."""

    address: Address
    text: str
    """The address as the user wrote it."""
    max_message_bytes: int
    tls: Tls | None
    limits: RequestLimits


class App:
    """One server, from its first start call to its end; another can be made after that.

    Public methods may be called from any thread."""

    def __init__(self, max_enqueued_requests: int) -> None:
        _core.set_up_log(**log.native_settings())
        self._loop = uvloop.new_event_loop()
        self._dispatcher = _core.Dispatcher(max_enqueued_requests)
        self._supervisor = Supervisor(self._loop, self._dispatcher, self._spawn, self._on_gone)
        self._grpc: _core.GrpcServer | None = None
        self._rest: RestServer | None = None
        self._log_directory: str | None = None
        """Set by the first `start_servables`."""
        self._gate = threading.Lock()
        self._closed = False
        """Set under the gate when the loop takes no more calls."""
        self._main_waits = False
        """Whether the main thread is in `start_servables`, whose error will tell it of a signal."""
        self._signal_to_pass_on: int | None = None
        self._shutdown_task: asyncio.Task[None] | None = None
        self._shutdown_began = 0.0
        self._signals = _core.SignalWatch([signal.SIGINT, signal.SIGTERM])
        self._loop.add_reader(self._signals.fileno(), self._on_signals)
        # A daemon: what keeps the process alive is the keeper, once there are servables.
        self._keeper: threading.Thread | None = None
        self._script_failure: ScriptFailure | None = None
        self._stopping: list[threading.Thread] = []
        """What blocking work is done in during the shutdown."""
        self._thread = threading.Thread(target=self._run, name="serving-loop", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """False from the moment it begins to stop."""
        return self._shutdown_task is None and self._thread.is_alive()

    def set_max_enqueued_requests(self, limit: int) -> None:
        """How many requests may be under way at once."""
        with self._gate:
            if not self._closed:
                self._dispatcher.max_enqueued_requests = limit

    def check_no_servables(self) -> None:
        """Raises `AlreadyRunning` when `start_servables` was called before."""
        if self._log_directory is not None:
            raise AlreadyRunning("Serving Error: Master gRPC server is already running")

    def start_servables(self, specs: Sequence[WorkerSpec]) -> None:
        """Starts the workers and returns when all are ready; the process then lives until the server stops."""
        self._main_waits = threading.current_thread() is threading.main_thread()
        try:
            self._call(self._start_servables(specs))
        finally:
            self._main_waits = False
        self._keeper = threading.Thread(target=self._thread.join, name="serving-keeper")
        self._keeper.start()
        self._script_failure = ScriptFailure(self._stop_with_script)

    def start_grpc_server(self, listening: Listening) -> str:
        """Starts the gRPC end point; returns the address it listens on."""
        return self._call(self._start_grpc_server(listening))

    def start_restful_server(self, listening: Listening, always_200: bool) -> str:
        """Starts the RESTful end point; returns the address it listens on."""
        return self._call(self._start_restful_server(listening, always_200))

    def stop(self) -> None:
        """Stops everything and returns when it is gone; from the loop's own thread it only begins to. Idempotent."""
        with self._gate:
            if not self._closed:
                self._loop.call_soon_threadsafe(self._begin_shutdown)
        self._wait()

    def _stop_with_script(self) -> None:
        if self.running:
            log.error("the script that started the server has failed: the server stops")
            self.stop()

    def stop_if_idle(self) -> None:
        """Stops a server that nothing was started in."""
        try:
            stopping = self._call(self._begin_shutdown_if_idle())
        except StartError:
            stopping = True
        if stopping:
            self._wait()

    # From the callers' threads to the loop

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs `work` in the loop and gives its result or exception."""
        with self._gate:
            if self._closed:
                work.close()
                raise StartError("Serving Error: the server was stopped")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise StartError("Serving Error: the server was stopped") from None

    def _wait(self) -> None:
        if threading.current_thread() is self._thread:
            return
        self._thread.join()
        if self._keeper is not None:
            self._keeper.join()

    # In the loop's thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._finish()

    async def _begin_shutdown_if_idle(self) -> bool:
        if self._grpc is None and self._rest is None and self._log_directory is None:
            self._begin_shutdown()
        return not self.running

    def _check_running(self) -> None:
        if self._shutdown_task is not None:
            raise StartError("Serving Error: the server is being stopped")

    async def _start_servables(self, specs: Sequence[WorkerSpec]) -> None:
        self._check_running()
        self.check_no_servables()
        self._log_directory = log_directory()
        print(f"Serving: Master server start success, listening on the channels of process {os.getpid()}", flush=True)
        await self._supervisor.start(specs)

    def _spawn(self, spec: WorkerSpec, again: bool, listener: WorkerListener) -> WorkerHandle:
        assert self._log_directory is not None
        log_path = os.path.join(self._log_directory, spec.log_name)
        return WorkerHandle(self._loop, spec, _core.Channel(), log_path, again, listener)

    async def _start_grpc_server(self, listening: Listening) -> str:
        self._check_running()
        if self._grpc is not None:
            raise AlreadyRunning(GRPC.already_running())
        tls, limits = listening.tls, listening.limits
        pem = (tls.certificate, tls.private_key, tls.client_ca) if tls is not None else None
        try:
            self._grpc = _core.GrpcServer(
                self._dispatcher,
                listening.text,
                listening.max_message_bytes,
                pem,
                max_buffered_bytes=limits.buffered_bytes(listening.max_message_bytes),
                max_instances=limits.max_instances,
                max_name_bytes=limits.max_name_bytes,
                max_metadata_bytes=limits.max_header_bytes,
                handshake_timeout_s=limits.request_timeout_s,
                idle_timeout_s=limits.idle_timeout_s,
            )
        except RuntimeError as error:
            raise GRPC.cannot_bind(listening.text, error) from error
        return listening.address.text(self._grpc.port)

    async def _start_restful_server(self, listening: Listening, always_200: bool) -> str:
        self._check_running()
        if self._rest is not None:
            raise AlreadyRunning(RESTFUL.already_running())
        opened = open_listening_socket(listening.address, listening.text)
        port = opened.getsockname()[1]
        self._rest = RestServer(self._loop, self._dispatcher, listening.max_message_bytes, always_200, listening.limits)
        self._rest.listen(opened, listening.tls)
        return listening.address.text(port)

    def _on_gone(self) -> None:
        if self._shutdown_task is None:
            log.warning("no worker is left: the server stops")
            self._begin_shutdown()

    def _on_signals(self) -> None:
        """The server stops. What a signal would have done without us happens after that, unless main has ended or hears
        of it through the error of `start_servables`."""
        received = self._signals.take()
        if not received:
            return
        log.warning("received %s: the server stops", signal.Signals(received[0]).name)
        if self._shutdown_task is not None and self._loop.time() - self._shutdown_began >= _SECOND_SIGNAL_AFTER_S:
            self._supervisor.kill()
        start_aborted = self._supervisor.abort_start("signal SIGINT or SIGTERM")
        if not (start_aborted and self._main_waits):
            self._signal_to_pass_on = received[0]
        self._begin_shutdown()

    # The end

    def _begin_shutdown(self) -> None:
        if self._shutdown_task is None:
            self._shutdown_began = self._loop.time()
            self._shutdown_task = self._loop.create_task(self._shutdown())

    async def _shutdown(self) -> None:
        """The written list. A step that fails is logged and the next one runs."""
        deadline = self._shutdown_began + STOP_TIMEOUT_S
        grpc_stopped: list[asyncio.Future[None]] = []
        steps: list[tuple[str, Callable[[], Any]]] = [
            ("start nothing more", self._supervisor.prepare_stop),
            ("accept nothing more", lambda: self._stop_accepting(grpc_stopped)),
            ("let requests finish", lambda: self._drain(grpc_stopped)),
            ("answer the others", self._dispatcher.stop),
            ("close RESTful connections", self._close_rest),
            ("close gRPC connections", lambda: asyncio.wait(grpc_stopped, timeout=_CLOSE_S) if grpc_stopped else None),
            ("stop the workers", lambda: self._supervisor.stop(max(0.0, deadline - self._loop.time()))),
        ]
        for name, step in steps:
            try:
                pending = step()
                if pending is not None:
                    await pending
            except Exception:
                log.error("shutdown, step '%s' failed", name, exc_info=True)
        self._loop.stop()

    def _stop_accepting(self, grpc_stopped: list[asyncio.Future[None]]) -> None:
        if self._rest is not None:
            self._rest.stop_accepting()
        if self._grpc is not None:
            grpc_stopped.append(self._in_thread(self._grpc.stop, DRAIN_S + _CLOSE_S))

    async def _drain(self, grpc_stopped: list[asyncio.Future[None]]) -> None:
        pending: list[asyncio.Future[None]] = list(grpc_stopped)
        if self._rest is not None:
            pending.append(asyncio.ensure_future(self._rest.drain()))
        if pending:
            await asyncio.wait(pending, timeout=DRAIN_S)

    async def _close_rest(self) -> None:
        if self._rest is not None:
            await self._rest.close(_CLOSE_S)

    def _in_thread(self, work: Callable[..., None], *arguments: Any) -> asyncio.Future[None]:
        """Blocking work beside the loop; in the loop's thread where the interpreter gives no thread any more."""
        done: asyncio.Future[None] = self._loop.create_future()

        def run() -> None:
            try:
                work(*arguments)
            finally:
                with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
                    self._loop.call_soon_threadsafe(done.set_result, None)

        try:
            thread = threading.Thread(target=run, name="serving-stop", daemon=True)
            thread.start()
        except RuntimeError:
            run()
        else:
            self._stopping.append(thread)
        return done

    def _finish(self) -> None:
        """The last acts of the loop's thread: nothing of the server is left after it."""
        with self._gate:
            self._closed = True
        self._loop.run_until_complete(asyncio.sleep(0))  # what was called before the gate closed becomes a task
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=_CLOSE_S))
        for thread in self._stopping:  # the interpreter's end, which may come next, does not go well with them
            thread.join(_CLOSE_S)
        self._loop.remove_reader(self._signals.fileno())
        self._signals.restore()
        if self._script_failure is not None:
            self._script_failure.restore()
        self._loop.close()
        # They own descriptors and memory, which must not wait for a garbage collection.
        self._grpc = self._rest = None
        del self._signals, self._supervisor, self._dispatcher
        if self._signal_to_pass_on is not None and _main_goes_on():
            os.kill(os.getpid(), self._signal_to_pass_on)


def _main_goes_on() -> bool:
    """Whether the main function has not returned. Looks twice: one that has just returned may not have got as far as
    the interpreter's end, and its process is to end with code 0."""
    main = threading.main_thread()
    if main.is_alive():
        time.sleep(_LOOK_AGAIN_S)  # a join could hold, as it wakes, a lock that the end asserts to be free
    return main.is_alive()
