"""Puts a loaded servable together with its models and the executor, and runs it."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from typing import Any

from mindspore_serving import log
from mindspore_serving.server._worker import _core
from mindspore_serving.server._worker.backends.base import Backend, LoadedModel
from mindspore_serving.server._worker.backends.mindspore import MindSporeBackend, prepare_environment
from mindspore_serving.server._worker.backends.mindspore_lite import MindSporeLiteBackend
from mindspore_serving.server._worker.batching import ModelBatching, batching_of
from mindspore_serving.server._worker.loader import CONFIG_FILE, choose_version, load_config
from mindspore_serving.server._worker.model_thread import ModelThread
from mindspore_serving.server._worker.plan import PYTHON_LANE, ExecutorPlan, PlannedModel, build_plan
from mindspore_serving.server._worker.time_cost import info_is_on, log_time_cost
from mindspore_serving.server.control_messages import MethodInfo, StartWorker
from mindspore_serving.server.register.declaration import serve
from mindspore_serving.server.register.signature import ModelDeclaration, ServableSignature

_MODEL_LANE = PYTHON_LANE + 1


class Pipeline:
    """A servable that is ready to run: its executor, its Python functions and its model threads."""

    def __init__(self, start: StartWorker) -> None:
        """Loads everything. Raises `RuntimeError` with the user's error message."""
        if start.own_device:
            prepare_environment(start.device_type)
        declaration, servable = load_config(start.servable_directory, start.servable_name)
        self.version_number = choose_version(
            start.servable_directory, start.servable_name, start.version_number, bool(servable.models)
        )
        self._threads = _load_models(start, servable, self.version_number)
        self._models = [model for thread in self._threads for model in _loaded(thread, start)]
        self._declarations = servable.models
        planned = [
            PlannedModel(model, _MODEL_LANE, _batching(start, model, loaded))
            for model, loaded in zip(servable.models, self._models, strict=True)
        ]
        self._plan: ExecutorPlan = _plan(start, servable, planned)
        self.executor = _core.Executor(start.channel_fds, self._plan.models, self._plan.methods)
        self._numbers = {model.key: number for number, model in enumerate(servable.models)}
        serve(declaration, self)

    @property
    def methods(self) -> tuple[MethodInfo, ...]:
        """In the order of the numbers by which the master asks for them."""
        return self._plan.infos

    def model_descriptions(self) -> tuple[dict[str, Any], ...]:
        """Each model's key, engine and signature, for status pages."""
        return tuple(
            {
                "key": declaration.key,
                "engine": model.engine,
                "inputs": [[str(info) for info in subgraph.inputs] for subgraph in model.subgraphs],
                "outputs": [[str(info) for info in subgraph.outputs] for subgraph in model.subgraphs],
            }
            for declaration, model in zip(self._declarations, self._models, strict=True)
        )

    def run(self) -> None:
        """Runs the Python stages in this thread, until the executor is stopped."""
        for thread in self._threads:
            thread.serve(self.executor, 0)
        on_batch = _log_stage if info_is_on() else None
        self.executor.run_python_lane(self._plan.functions, _log_failure, on_batch)

    def join(self, timeout_s: float) -> None:
        """Waits for the model threads to end what they run."""
        for thread in self._threads:
            thread.join(timeout_s)

    def call_model(self, key: str, subgraph: int, instances: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """For `Model.call`: runs the instances and waits without the GIL."""
        return self.executor.call_model(self._numbers[key], subgraph, instances)

    def subgraph_input_counts(self, key: str) -> Sequence[int] | None:
        """For `Model.call`: the number of inputs of each subgraph, or None for an unknown model."""
        number = self._numbers.get(key)
        return None if number is None else [len(subgraph.inputs) for subgraph in self._models[number].subgraphs]


def _load_models(start: StartWorker, servable: ServableSignature, version_number: int) -> list[ModelThread]:
    if not servable.models:
        return []
    if not start.own_device:
        raise RuntimeError(
            f"Servable '{start.servable_name}' has models declared by declare_model, but this worker has no device of "
            f"its own and cannot load them"
        )
    directory = os.path.join(start.servable_directory, start.servable_name, str(version_number))
    thread = ModelThread(_MODEL_LANE, lambda: _make_backend(start), servable.models, directory)
    thread.start()
    return [thread]


def _make_backend(start: StartWorker) -> Backend:
    if start.enable_lite:
        threads = max(1, len(os.sched_getaffinity(0)) // start.worker_count)
        return MindSporeLiteBackend(start.device_type, start.device_id, threads, start.dec_key is not None)
    return MindSporeBackend(start.device_type, start.device_id, start.worker_count, start.dec_key, start.dec_mode)


def _loaded(thread: ModelThread, start: StartWorker) -> list[LoadedModel]:
    try:
        return thread.wait_loaded()
    except Exception as error:
        traceback.print_exception(error)
        raise RuntimeError(_load_failure(start, error)) from error


def _batching(start: StartWorker, declaration: ModelDeclaration, model: LoadedModel) -> ModelBatching:
    try:
        return batching_of(declaration, model.subgraphs)
    except RuntimeError as error:
        raise RuntimeError(_load_failure(start, error)) from error


def _plan(start: StartWorker, servable: ServableSignature, models: Sequence[PlannedModel]) -> ExecutorPlan:
    try:
        return build_plan(servable, models)
    except RuntimeError as error:
        file = os.path.join(start.servable_directory, start.servable_name, CONFIG_FILE)
        raise RuntimeError(f"{error} (in file '{file}')") from error


def _load_failure(start: StartWorker, error: Exception) -> str:
    return (
        f"Load model failed, servable directory: {start.servable_directory}, servable name: {start.servable_name}, "
        f"load error details: {error}"
    )


def _log_failure(text: str, exception: BaseException | None) -> None:
    log.error(text, exc_info=exception)


def _log_stage(method: str, stage: int, instances: int, seconds: float) -> None:
    log_time_cost(f"method: {method}, stage: {stage}", instances, seconds)
