"""Fixtures: a servable declared in the test, run by a worker process or in this one, asked over a real dispatcher."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindspore_serving.server._master import _core as master_core
from mindspore_serving.server._master.key_pipe import key_pipe
from mindspore_serving.server._worker import _core as worker_core
from mindspore_serving.server._worker.plan import PlannedModel, build_plan
from mindspore_serving.server.control_messages import (
    Message,
    MessageReader,
    MethodInfo,
    StartWorker,
    WorkerReady,
    encode,
)
from mindspore_serving.server.register.declaration import Declaration, declaring, serve

DEADLINE_S = 60.0
SERVABLE = "test"

_JSON_DTYPES = {"bool": "bool", "float16": "fp16", "float32": "fp32", "float64": "fp64"}


class Master:
    """The master's half: sends requests as JSON and reads the replies."""

    def __init__(self) -> None:
        self.channel = master_core.Channel(request_bytes=1 << 24, reply_bytes=1 << 24, ring_entries=256)
        self.dispatcher = master_core.Dispatcher()
        self.worker = 0
        """The worker's number at the dispatcher."""

    def add_worker(self, methods: tuple[MethodInfo, ...]) -> None:
        self.worker = self.dispatcher.add_worker(
            self.channel,
            SERVABLE,
            1,
            [(m.name, m.inputs, m.outputs, m.lane, m.credit, m.only_model_stages) for m in methods],
            True,
            "worker",
        )

    def submit(self, method: str, instances: list[dict[str, Any]]) -> int:
        body = json.dumps({"instances": [{name: _to_json(v) for name, v in i.items()} for i in instances]})
        return self.dispatcher.submit_json(SERVABLE, method, 0, body.encode())

    def wait(self, calls: list[int]) -> list[dict[str, Any]]:
        replies: dict[int, dict[str, Any]] = {}
        deadline = time.monotonic() + DEADLINE_S
        while set(calls) - set(replies):
            readable, _, _ = select.select([self.dispatcher.completion_fd()], [], [], deadline - time.monotonic())
            assert readable, "no reply in time"
            replies.update({call: json.loads(body) for call, _status, body in self.dispatcher.take_completions()})
        return [replies[call] for call in calls]

    def ask(self, method: str, *instances: dict[str, Any]) -> list[Any]:
        """The outputs of each instance, or its error's text; an error of the whole request stands for each."""
        (reply,) = self.wait([self.submit(method, list(instances))])
        if "instances" not in reply:
            return [reply["error_msg"]] * len(instances)
        return [i.get("error_msg", i) for i in reply["instances"]]

    def close(self) -> None:
        self.dispatcher.stop()
        if self.worker:
            self.dispatcher.remove_worker(self.worker)
        self.channel.close()


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, (np.ndarray, np.generic)):
        dtype = value.dtype.name
        return {
            "b64": base64.b64encode(np.asarray(value).tobytes()).decode(),
            "type": _JSON_DTYPES.get(dtype, dtype),
            "shape": list(value.shape),
        }
    return value


@pytest.fixture
def master() -> Iterator[Master]:
    master = Master()
    yield master
    master.close()


class Engine:
    """Stands for an engine: its models are Python functions over whole batches."""

    def __init__(self, models: dict[str, Callable[..., Any]]) -> None:
        self._models = list(models.values())
        self.runs: list[list[np.ndarray]] = []

    def serve(self, executor: worker_core.Executor) -> None:
        while (batch := executor.next_model_batch(1)) is not None:
            self._run_batch(batch)

    def _run_batch(self, batch: worker_core.ModelBatch) -> None:
        inputs = batch.inputs()
        self.runs.append([np.array(value) for value in inputs])
        try:
            batch.complete(self._models[batch.model](*inputs))
        except Exception as error:
            batch.fail(f"Predict Failed, {error}")


class NativeEngine:
    """Graphs that run without the interpreter, in a lane of their own, and what is told of their runs."""

    def __init__(self, graphs: dict[str, worker_core.Graph]) -> None:
        self._graphs = graphs
        self.runs: list[tuple[int, str | None]] = []
        """Of each run: the instances, and the text of its error."""
        self._error: str | None = None

    def make_lane(self, executor: worker_core.Executor) -> worker_core.ModelLane:
        graphs = {number: [graph] for number, graph in enumerate(self._graphs.values())}
        return worker_core.ModelLane(executor, 1, graphs, self._note_error, self._note_run)

    def _note_error(self, _model: int, _subgraph: int, text: str) -> None:
        self._error = text

    def _note_run(self, _model: int, _subgraph: int, instances: int, _seconds: float) -> None:
        self.runs.append((instances, self._error))
        self._error = None


class Caller:
    """What `Model.call` finds in this process."""

    def __init__(self, executor: worker_core.Executor, models: list[PlannedModel]) -> None:
        self._executor = executor
        self._models = models
        self._keys = [model.declaration.key for model in models]

    def call_model(self, key: str, subgraph: int, instances: Any) -> list[tuple[Any, ...]]:
        return self._executor.call_model(self._keys.index(key), subgraph, instances)

    def subgraph_input_counts(self, key: str) -> list[int] | None:
        return [len(i) for i in self._models[self._keys.index(key)].batching.inputs] if key in self._keys else None


class LocalWorker:
    """Runs what a test declares: Python stages in one thread of this process, models (functions, too) in another."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._exits = contextlib.ExitStack()
        self.failures: list[tuple[str, BaseException | None]] = []
        self.turns: list[tuple[str, int, int]] = []
        self.engine: Engine | NativeEngine | None = None
        self.declaration: Declaration = self._exits.enter_context(declaring(SERVABLE, "/nowhere"))

    def start(self, models: dict[str, Any] | None = None) -> None:
        """`models`: by key the function that runs a batch, or a graph, and how it takes batches (a `ModelBatching`)."""
        models = models or {}
        signature = self.declaration.signature()
        planned = [PlannedModel(model, 1, models[model.key][1]) for model in signature.models]
        plan = build_plan(signature, planned)
        fds = [os.dup(fd) for fd in self._master.channel.peer_fds()]
        executor = worker_core.Executor(fds, plan.models, plan.methods)
        runs = {key: run for key, (run, _) in models.items()}
        native = bool(runs) and all(isinstance(run, worker_core.Graph) for run in runs.values())
        self.engine = NativeEngine(runs) if native else Engine(runs)
        lanes = [self.engine.make_lane(executor)] if isinstance(self.engine, NativeEngine) else []
        serve(self.declaration, Caller(executor, planned))

        def run() -> None:
            executor.run_python_lane(plan.functions, lambda *args: self.failures.append(args[2:]), self._note)

        threads = [threading.Thread(target=run), *(threading.Thread(target=lane.serve) for lane in lanes)]
        if isinstance(self.engine, Engine) and models:
            threads.append(threading.Thread(target=self.engine.serve, args=[executor]))
        for thread in threads:
            thread.start()
            self._exits.callback(thread.join)
        self._exits.callback(executor.stop)
        self._master.add_worker(plan.infos)

    def _note(self, method: str, stage: int, instances: int, _seconds: float) -> None:
        self.turns.append((method, stage, instances))

    def close(self) -> None:
        self._exits.close()


@pytest.fixture
def worker(master: Master) -> Iterator[LocalWorker]:
    worker = LocalWorker(master)
    yield worker
    worker.close()


class WorkerProcess:
    """A real worker process and the master's end of its control socket."""

    def __init__(self, master: Master, directory: Path, servable: str, **options: Any) -> None:
        self._master = master
        self.control, theirs = socket.socketpair()
        self._reader = MessageReader()
        self._messages: list[Message] = []
        fds = master.channel.peer_fds()
        dec_key = options.pop("dec_key", None)
        self._log = (directory / "worker.log").open("w+")
        with key_pipe(dec_key) as key_fd:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mindspore_serving.server._worker", "--control-fd", str(theirs.fileno())],
                pass_fds=[theirs.fileno(), *fds, *([] if key_fd is None else [key_fd])],
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        theirs.close()
        start = {
            "servable_directory": str(directory),
            "servable_name": servable,
            "version_number": 0,
            "device_type": "none",
            "device_id": 0,
            "extra_index": None,
            "own_device": True,
            "enable_lite": False,
            "channel_fds": tuple(fds),
            "worker_count": 1,
            "dec_key_fd": key_fd,
            **options,
        }
        self.control.settimeout(DEADLINE_S)
        self.control.sendall(encode(StartWorker(**start)))

    def message(self) -> Message | None:
        """The worker's next message; None when it has closed the socket."""
        while not self._messages:
            data = self.control.recv(65536)
            if not data:
                return None
            self._messages = self._reader.feed(data)
        return self._messages.pop(0)

    def ready(self) -> WorkerReady:
        message = self.message()
        assert isinstance(message, WorkerReady), f"{message}\n{self.log()}"
        self._master.add_worker(message.methods)
        return message

    def exit_code(self) -> int:
        return self.process.wait(DEADLINE_S)

    def log(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.control.close()
        self._log.close()


@pytest.fixture
def start_worker(master: Master, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """`start_worker(config, **options)`: a worker process with this text as its servable_config.py."""
    workers: list[WorkerProcess] = []

    def start(config: str, servable: str = SERVABLE, **options: Any) -> WorkerProcess:
        directory = tmp_path / servable
        directory.mkdir(exist_ok=True)
        (directory / "servable_config.py").write_text(config)
        workers.append(WorkerProcess(master, tmp_path, servable, **options))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models of export_models.py."""
    pytest.importorskip("mindspore", reason="MindSpore is not installed")
    directory = tmp_path_factory.mktemp("mindir")
    script = Path(__file__).with_name("export_models.py")
    subprocess.run([sys.executable, str(script), str(directory)], check=True, timeout=120)
    return directory


@pytest.fixture
def start(exported: Path, tmp_path: Path, start_worker: Callable[..., WorkerProcess]) -> Callable[..., WorkerProcess]:
    """`start_worker` for a servable with these models."""

    def start(config: str, **options: Any) -> WorkerProcess:
        version = tmp_path / SERVABLE / "1"
        if not version.exists():
            version.parent.mkdir()
            version.symlink_to(exported)
        return start_worker(config, **options)

    return start
