"""`python -m mindspore_serving.server._worker --control-fd N`: one worker, from its start message to its end."""

from __future__ import annotations

import argparse
import faulthandler
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from mindspore_serving import log
from mindspore_serving.server._worker.control import ControlSocket
from mindspore_serving.server._worker.signals import SignalThread, end_children
from mindspore_serving.server.control_messages import (
    EXIT_START_FAILED,
    EXIT_STOPPED,
    StartWorker,
    StopWorker,
    WorkerFailed,
    WorkerLeaving,
    WorkerReady,
)

if TYPE_CHECKING:
    from mindspore_serving.server._worker.pipeline import Pipeline

_SWITCH_INTERVAL_S = 0.0005
"""How long a pure-Python stage may keep the model thread from the interpreter; Python's default is 5 ms."""
_END_TIMEOUT_S = 0.5
"""How long an orderly end may take: a stage that runs longer is cut off, the master gives its instances to others."""
_EXIT_CRASHED = 1
_leaving = threading.Lock()
"""Taken for good by the first thread that ends the process: its exit code counts."""


class Worker:
    """What the threads of this process share: the executor to stop, and the way out."""

    def __init__(self, control: ControlSocket) -> None:
        self._control = control
        self._stop_executor: Callable[[], None] | None = None
        self._stopping = False
        self._lock = threading.Lock()

    def serves(self, stop_executor: Callable[[], None]) -> None:
        """From now on an end begins with this; at once, if it was asked for meanwhile."""
        with self._lock:
            self._stop_executor = stop_executor
            stopping = self._stopping
        if stopping:
            stop_executor()

    def leave_on_signal(self, number: int) -> None:
        """Tells the master and ends, unless that is where the signal comes from (see `end_children`)."""
        if _leaving.locked():
            return
        self._control.send(WorkerLeaving(f"signal {signal.Signals(number).name}"))
        self.end()

    def watch_master(self) -> None:
        """Body of the thread that reads the control socket."""
        parent = os.getppid()
        while (message := self._control.receive()) is not None:
            if isinstance(message, StopWorker):
                self.end()
        if not self._stopping:
            log.warning(f"Worker detect parent pid={parent} has exited")
        leave(EXIT_STOPPED)

    def end(self) -> None:
        """Stops the executor, so that the main thread comes to its end; sees to it that the process does."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            stop_executor = self._stop_executor
        if stop_executor is None:
            leave(EXIT_STOPPED)
        timer = threading.Timer(_END_TIMEOUT_S, leave, [EXIT_STOPPED])
        timer.daemon = True
        timer.start()
        stop_executor()


def leave(code: int) -> NoReturn:
    """Ends the process at once, from any thread."""
    sys.stdout.flush()
    sys.stderr.flush()
    _leaving.acquire()
    end_children()
    os._exit(code)


def load(start: StartWorker, control: ControlSocket) -> Pipeline:
    """Loads the servable; where that fails, tells the master and ends the process."""
    try:
        log_settings = log.native_settings()  # a wrong one is an error of the start, too
        from mindspore_serving.server._worker import _core
        from mindspore_serving.server._worker.pipeline import Pipeline

        _core.set_up_log(**log_settings)

        if start.device_id is not None:
            os.environ["SERVING_DEVICE_ID"] = str(start.device_id)
        return Pipeline(start)
    except Exception as error:
        traceback.print_exc()
        control.send(WorkerFailed(str(error)))
        leave(EXIT_START_FAILED)


def serve(start: StartWorker, pipeline: Pipeline, worker: Worker, control: ControlSocket) -> None:
    """Runs the servable until it is asked to stop."""
    print(
        f"Serving: Start servable success, servable directory: '{start.servable_directory}', servable name: "
        f"'{start.servable_name}', version number: {pipeline.version_number}",
        flush=True,
    )
    worker.serves(pipeline.executor.stop)
    control.send(
        WorkerReady(pipeline.version_number, pipeline.methods, pipeline.model_descriptions(), pipeline.remote_methods)
    )
    pipeline.run()
    pipeline.join(_END_TIMEOUT_S)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="mindspore_serving.server._worker")
    parser.add_argument("--control-fd", type=int, required=True)
    for name in ("--servable", "--version", "--device", "--extra"):  # the start message tells
        parser.add_argument(name, help="what the list of processes is to show")
    control = ControlSocket(parser.parse_args().control_fd)
    # The log file shows what happened until the end, however the process ends.
    sys.stdout.reconfigure(line_buffering=True)
    # A descriptor of its own: servables may close standard error, and another file then gets its number.
    faulthandler.enable(os.dup(sys.stderr.fileno()))
    worker = Worker(control)
    signals = SignalThread(worker.leave_on_signal)
    signals.start()
    start = control.receive()
    if not isinstance(start, StartWorker):
        leave(EXIT_STOPPED)
    threading.Thread(target=worker.watch_master, name="control", daemon=True).start()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    pipeline = load(start, control)
    signals.install()
    try:
        serve(start, pipeline, worker, control)
    except BaseException:
        traceback.print_exc()
        leave(_EXIT_CRASHED)
    leave(EXIT_STOPPED)


if __name__ == "__main__":
    main()
