"""The thread that loads models and runs them: engines such as MindSpore want both in the same one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from mindspore_serving import log
from mindspore_serving.server._worker import _core
from mindspore_serving.server._worker.backends.base import Backend, LoadedModel
from mindspore_serving.server._worker.time_cost import log_time_cost
from mindspore_serving.server.register.signature import ModelDeclaration


class ModelThread(threading.Thread):
    """Makes the engine, loads its models, waits for the executor, and takes its lane's turns until that stops."""

    def __init__(
        self,
        lane: int,
        make_backend: Callable[[], Backend],
        declarations: Sequence[ModelDeclaration],
        model_directory: str,
    ) -> None:
        super().__init__(name=f"model-{lane}", daemon=True)
        self.lane = lane
        self._make_backend = make_backend
        self._declarations = declarations
        self._model_directory = model_directory
        self._models: list[LoadedModel] = []
        self._error: Exception | None = None
        self._loaded = threading.Event()
        self._executor: _core.Executor | None = None
        self._first_number = 0
        self._may_serve = threading.Event()

    def wait_loaded(self) -> list[LoadedModel]:
        """The models, in the order of the declarations. Raises what loading them raised."""
        self._loaded.wait()
        if self._error is not None:
            raise self._error
        return self._models

    def serve(self, executor: _core.Executor, first_number: int) -> None:
        """Lets the thread take turns; its models have the executor's numbers from `first_number` on."""
        self._executor = executor
        self._first_number = first_number
        self._may_serve.set()

    def run(self) -> None:
        try:
            backend = self._make_backend()
            for declaration in self._declarations:
                files = [os.path.join(self._model_directory, file) for file in declaration.files]
                self._models.append(backend.load(declaration, files))
        except Exception as error:
            self._error = error
        finally:
            self._loaded.set()
        if self._error is None:
            self._may_serve.wait()
            assert self._executor is not None
            while (batch := self._executor.next_model_batch(self.lane)) is not None:
                self._run_batch(batch)

    def _run_batch(self, batch: Any) -> None:
        begin = time.perf_counter()
        declaration = self._declarations[batch.model - self._first_number]
        try:
            outputs = self._models[batch.model - self._first_number].predict(batch.subgraph, batch.inputs())
            batch.complete(outputs)
        except BaseException as error:
            # Whatever the engine raises, the instances get their answer and the thread goes on.
            log.error(f"Predict of model '{declaration.key}' subgraph {batch.subgraph} failed: {error}", exc_info=True)
            batch.fail(f"Predict Failed, {error}")
        log_time_cost(f"model: {declaration.key}, subgraph: {batch.subgraph}", batch.count, time.perf_counter() - begin)
