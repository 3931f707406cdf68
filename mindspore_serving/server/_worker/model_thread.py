"""The thread that loads models and runs them: engines such as MindSpore want both in the same one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from mindspore_serving import log
from mindspore_serving.server._worker import _core
from mindspore_serving.server._worker.backends.base import Backend, LoadedModel
from mindspore_serving.server._worker.time_cost import info_is_on, log_time_cost
from mindspore_serving.server.failure_log import FailureLog
from mindspore_serving.server.register.signature import ModelDeclaration

_FAILED = "Predict Failed, "
"""What clients are told begins with this."""


class ModelThread(threading.Thread):
    """Makes the engine, loads its models, waits for the executor, and takes its lane's turns until that stops."""

    def __init__(
        self,
        lane: int,
        make_backend: Callable[[], AbstractContextManager[Backend]],
        declarations: Mapping[int, ModelDeclaration],
        model_directory: str,
    ) -> None:
        """`make_backend`: the engine, inside a block that ends when all models are loaded.

        `declarations`: its models by the numbers that the executor knows them by.
        """
        super().__init__(name=f"model-{lane}", daemon=True)
        self.lane = lane
        self._make_backend: Callable[[], AbstractContextManager[Backend]] | None = make_backend
        self._declarations = declarations
        self._model_directory = model_directory
        self._models: dict[int, LoadedModel] = {}
        self._error: Exception | None = None
        self._loaded = threading.Event()
        self._executor: _core.Executor | None = None
        self._failures = FailureLog(log.error)
        self._may_serve = threading.Event()

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers of its models."""
        return list(self._declarations)

    def wait_loaded(self) -> Mapping[int, LoadedModel]:
        """The models by their numbers. Raises what loading them raised."""
        self._loaded.wait()
        if self._error is not None:
            raise self._error
        return self._models

    def serve(self, executor: _core.Executor) -> None:
        """Lets the thread take turns."""
        self._executor = executor
        self._may_serve.set()

    def run(self) -> None:
        try:
            self._load()
        except Exception as error:
            self._error = error
        finally:
            self._loaded.set()
        if self._error is None:
            self._may_serve.wait()
            assert self._executor is not None
            graphs = {number: model.graphs for number, model in self._models.items()}
            if all(graphs.values()):
                on_run = self._log_run if info_is_on() else None
                _core.ModelLane(self._executor, self.lane, graphs, self._note_failure, on_run).serve()
            else:
                while (batch := self._executor.next_model_batch(self.lane)) is not None:
                    self._run_batch(batch)
            self._failures.close()

    def _load(self) -> None:
        assert self._make_backend is not None
        with self._make_backend() as backend:
            for number, declaration in self._declarations.items():
                files = [os.path.join(self._model_directory, file) for file in declaration.files]
                self._models[number] = backend.load(declaration, files)
        self._make_backend = None  # it may hold the files' contents

    def _run_batch(self, batch: _core.ModelBatch) -> None:
        """Runs one turn of the lane. Raises nothing: the instances get whatever goes wrong."""
        begin = time.perf_counter()
        try:
            outputs = self._models[batch.model].predict(batch.subgraph, batch.inputs())
            batch.complete(outputs)
        except BaseException as error:
            # Whatever the engine raises, the instances get their answer and the thread goes on.
            text = f"{_FAILED}{error}"
            self._note_failure(batch.model, batch.subgraph, text, error)
            batch.fail(text)
        self._log_run(batch.model, batch.subgraph, batch.count, time.perf_counter() - begin)

    def _note_failure(self, model: int, subgraph: int, text: str, error: BaseException | None = None) -> None:
        place = f"model '{self._declarations[model].key}' subgraph {subgraph}"
        self._failures.note(place, f"Predict of {place} failed: {text.removeprefix(_FAILED)}", error)

    def _log_run(self, model: int, subgraph: int, instances: int, seconds: float) -> None:
        log_time_cost(f"model: {self._declarations[model].key}, subgraph: {subgraph}", instances, seconds)
