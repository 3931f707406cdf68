"""Puts a loaded servable together with its models and the executor, and runs it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from mindspore_serving import log
from mindspore_serving.server._worker import _core
from mindspore_serving.server._worker.backends.base import Backend, LoadedModel
from mindspore_serving.server._worker.backends.choice import EngineChoice, choose_engines
from mindspore_serving.server._worker.backends.conversion import Converted
from mindspore_serving.server._worker.backends.mindspore import MindSporeBackend, prepare_environment
from mindspore_serving.server._worker.backends.mindspore_lite import MINDSPORE_LITE, MindSporeLiteBackend
from mindspore_serving.server._worker.backends.onnxruntime import OnnxRuntimeBackend
from mindspore_serving.server._worker.backends.options import MINDSPORE, ONNXRUNTIME, engine_threads, mindspore_threads
from mindspore_serving.server._worker.batching import ModelBatching, batching_of
from mindspore_serving.server._worker.decryption_key import DecryptionKey
from mindspore_serving.server._worker.loader import CONFIG_FILE, choose_version, load_config
from mindspore_serving.server._worker.model_thread import ModelThread
from mindspore_serving.server._worker.plan import PYTHON_LANE, ExecutorPlan, PlannedModel, build_plan
from mindspore_serving.server._worker.time_cost import info_is_on, log_time_cost
from mindspore_serving.server.control_messages import MethodInfo, StartWorker
from mindspore_serving.server.failure_log import FailureLog
from mindspore_serving.server.register.declaration import serve
from mindspore_serving.server.register.signature import ModelDeclaration, ServableSignature

_MODEL_LANE = PYTHON_LANE + 1
_MODEL_LANES = 7
"""Lanes of the channel beside the Python thread's."""


class Pipeline:
    """A servable that is ready to run: its executor, its Python functions and its model threads."""

    def __init__(self, start: StartWorker) -> None:
        """Loads everything. Raises `RuntimeError` with the user's error message."""
        for descriptor in start.channel_fds:  # the user's code may start other programs
            os.set_inheritable(descriptor, False)
        key = DecryptionKey(start.dec_key_fd)
        if start.own_device and not start.enable_lite:
            prepare_environment(start.device_type)
        declaration, servable = load_config(start.servable_directory, start.servable_name)
        self.version_number = choose_version(
            start.servable_directory, start.servable_name, start.version_number, bool(servable.models)
        )
        self._threads: list[ModelThread] = []
        self._models: list[LoadedModel] = []
        self._choices: list[EngineChoice] = []
        with contextlib.closing(key):
            self._planned = (
                self._load_models(start, key, servable) if start.own_device else _remote_models(start, servable)
            )
        self._log_engines()
        self._plan: ExecutorPlan = _plan(start, servable, self._planned)
        self.executor = _core.Executor(start.channel_fds, self._plan.models, self._plan.methods)
        self._numbers = {model.key: number for number, model in enumerate(servable.models)}
        serve(declaration, self)

    def _load_models(self, start: StartWorker, key: DecryptionKey, servable: ServableSignature) -> list[PlannedModel]:
        choices = _choose_engines(start, key, servable, self.version_number)
        self._threads = _start_threads(start, key, servable, self.version_number, choices)
        loaded = {number: model for thread in self._threads for number, model in _loaded(thread, start).items()}
        lanes = {number: thread.lane for thread in self._threads for number in thread.numbers}
        self._models = [loaded[number] for number in range(len(servable.models))]
        # Loaded, the contents of converted files are needed no more.
        self._choices = [dataclasses.replace(choice, converted=()) for choice in choices]
        return [
            PlannedModel(model, lanes[number], _batching(start, model, loaded[number]))
            for number, model in enumerate(servable.models)
        ]

    @property
    def methods(self) -> tuple[MethodInfo, ...]:
        """In the order of the numbers by which the master asks for them."""
        return self._plan.infos

    def model_descriptions(self) -> tuple[dict[str, Any], ...]:
        """Key, engine and why, signature and batching of each model loaded here: for status pages, and for workers
        without a device."""
        return tuple(
            {
                "key": planned.declaration.key,
                "engine": model.engine,
                "why": choice.why,
                "state": list(model.state),
                "inputs": [[str(info) for info in subgraph.inputs] for subgraph in model.subgraphs],
                "outputs": [[str(info) for info in subgraph.outputs] for subgraph in model.subgraphs],
                "batching": planned.batching.as_json(),
            }
            for planned, model, choice in zip(self._planned, self._models, self._choices, strict=False)
        )

    @property
    def remote_methods(self) -> tuple[str, ...]:
        """The internal methods that models of other workers are called by, in the executor's order."""
        return self._plan.remote_methods

    def _log_engines(self) -> None:
        for planned, model, choice in zip(self._planned, self._models, self._choices, strict=False):
            log.info(f"Model '{planned.declaration.key}' is run by {model.engine}: {choice.why}")
            if model.state:
                _log_state(planned, ", ".join(model.state))

    def run(self) -> None:
        """Runs the Python stages in this thread, until the executor is stopped."""
        for thread in self._threads:
            thread.serve(self.executor)
        if any(model.remote for model in self._planned):
            # Takes in what other workers answer to Model.call: a Python function may be waiting for it in this thread.
            threading.Thread(
                target=self.executor.next_model_batch, args=(_MODEL_LANE,), name="remote-models", daemon=True
            ).start()
        on_batch = _log_stage if info_is_on() else None
        failures = FailureLog(log.error)

        def on_error(method: str, stage: int, text: str, exception: BaseException | None) -> None:
            failures.note(f"method '{method}', stage {stage}", text, exception)

        self.executor.run_python_lane(self._plan.functions, on_error, on_batch)
        failures.close()

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
        return None if number is None else [len(inputs) for inputs in self._planned[number].batching.inputs]


def _remote_models(start: StartWorker, servable: ServableSignature) -> list[PlannedModel]:
    """The models as the device workers have them, which run them for this one."""
    described = {model["key"]: model for model in start.remote_models}
    if missing := [model.key for model in servable.models if model.key not in described]:
        raise RuntimeError(
            f"Servable '{start.servable_name}' has models declared by declare_model, but parameter 'device_ids' of "
            f"ServableStartConfig is not set and no worker occupies a device, when the device target is not CPU: "
            f"{', '.join(missing)}"
        )
    if stateful := [key for key, model in described.items() if model.get("state")]:
        log.warning(
            f"Models with state, which each worker that runs them keeps for itself: {', '.join(stateful)}; calls from "
            f"this worker go to any of those workers, in between the calls of others"
        )
    return [
        PlannedModel(model, _MODEL_LANE, ModelBatching.from_json(described[model.key]["batching"]), remote=True)
        for model in servable.models
    ]


def _choose_engines(
    start: StartWorker, key: DecryptionKey, servable: ServableSignature, version_number: int
) -> list[EngineChoice]:
    if not servable.models:
        return []
    if start.enable_lite:
        return [EngineChoice(MINDSPORE_LITE, "enable_lite=True") for _ in servable.models]
    try:
        directory = _model_directory(start, version_number)
        return choose_engines(servable.models, directory, start.device_type, key.given)
    except RuntimeError as error:
        raise RuntimeError(_load_failure(start, error)) from error


def _model_directory(start: StartWorker, version_number: int) -> str:
    return os.path.join(start.servable_directory, start.servable_name, str(version_number))


def _start_threads(
    start: StartWorker,
    key: DecryptionKey,
    servable: ServableSignature,
    version_number: int,
    choices: Sequence[EngineChoice],
) -> list[ModelThread]:
    """MindSpore wants all its models in one thread; the others get one each, as long as there are lanes."""
    numbers = {engine: [n for n, c in enumerate(choices) if c.engine == engine] for engine in (MINDSPORE, ONNXRUNTIME)}
    groups: list[tuple[Callable[[], AbstractContextManager[Backend]], list[int]]] = []
    if numbers[MINDSPORE]:
        by_mindspore = [servable.models[number] for number in numbers[MINDSPORE]]
        groups.append((lambda: _mindspore(start, key, by_mindspore), numbers[MINDSPORE]))
    if lite := [n for n, choice in enumerate(choices) if choice.engine == MINDSPORE_LITE]:
        groups.append((lambda: _mindspore_lite(start, key), lite))
    conversions = {model.key: c.converted for model, c in zip(servable.models, choices, strict=True) if c.converted}
    free_lanes = _MODEL_LANES - len(groups)
    for first in range(min(free_lanes, len(numbers[ONNXRUNTIME]))):
        groups.append((lambda: _onnxruntime(start, conversions), numbers[ONNXRUNTIME][first::free_lanes]))
    directory = _model_directory(start, version_number)
    threads = [
        ModelThread(lane, make_backend, {number: servable.models[number] for number in group}, directory)
        for lane, (make_backend, group) in enumerate(groups, start=_MODEL_LANE)
    ]
    for thread in threads:
        thread.start()
    return threads


@contextlib.contextmanager
def _mindspore(start: StartWorker, key: DecryptionKey, models: Sequence[ModelDeclaration]) -> Iterator[Backend]:
    threads = mindspore_threads(models)
    with key.in_memory() as dec_key:
        yield MindSporeBackend(start.device_type, start.device_id, threads, dec_key, start.dec_mode)


@contextlib.contextmanager
def _mindspore_lite(start: StartWorker, key: DecryptionKey) -> Iterator[Backend]:
    yield MindSporeLiteBackend(start.device_type, start.device_id, engine_threads(start.worker_count), key.given)


@contextlib.contextmanager
def _onnxruntime(start: StartWorker, conversions: Mapping[str, Sequence[Converted]]) -> Iterator[Backend]:
    yield OnnxRuntimeBackend(start.worker_count, conversions)


def _loaded(thread: ModelThread, start: StartWorker) -> Mapping[int, LoadedModel]:
    try:
        return thread.wait_loaded()
    except Exception as error:
        traceback.print_exception(error)
        raise RuntimeError(_load_failure(start, error)) from error


def _batching(start: StartWorker, declaration: ModelDeclaration, model: LoadedModel) -> ModelBatching:
    try:
        batching = batching_of(declaration, model.subgraphs, model.takes_any_batch)
    except RuntimeError as error:
        raise RuntimeError(_load_failure(start, error)) from error
    if batching.pad and declaration.max_batch_size not in (None, batching.batch_size):
        log.warning(
            f"Model '{declaration.key}' runs batches of {batching.batch_size}, as exported, and not of max_batch_size="
            f"{declaration.max_batch_size}: it takes no other size"
        )
    return batching


def _log_state(planned: PlannedModel, parameters: str) -> None:
    key = planned.declaration.key
    log.info(f"Model '{key}' has state, which begins as in its files and is this worker's own: {parameters}")
    if planned.batching.batch_size > 1:
        log.warning(
            f"Model '{key}' has state ({parameters}) and runs batches of up to {planned.batching.batch_size}: rows of "
            f"one run may belong to several requests, and rows without an instance are copies of the first"
        )


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


def _log_stage(method: str, stage: int, instances: int, seconds: float) -> None:
    log_time_cost(f"method: {method}, stage: {stage}", instances, seconds)
