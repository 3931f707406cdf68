"""ONNX Runtime as the engine: runs ONNX files, and MindIR files that were converted.

It runs in C++, without the interpreter: `_core.OnnxSession` calls the shared library that the package `onnxruntime`
brings; the package itself is never imported.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

import numpy as np

from mindspore_serving import log
from mindspore_serving.server._worker import _core
from mindspore_serving.server._worker.backends.base import ANY, SubgraphInfo, TensorInfo
from mindspore_serving.server._worker.backends.conversion import Converted
from mindspore_serving.server._worker.backends.options import (
    THREADS_VARIABLE,
    asked_threads,
    check_config_file,
    engine_threads,
    log_unused_options,
    onnxruntime_library,
)
from mindspore_serving.server._worker.backends.samples import ones
from mindspore_serving.server._worker.batching import DYNAMIC_BATCH_SIZE, ModelBatching, batching_of
from mindspore_serving.server.register.signature import ModelDeclaration

_QUICK_INSTANCE_S = 50e-6
"""Models that take less for an instance are run on one thread: they cost less than the rest of a request does, and
handing parts of a run to other threads, which the server keeps busy, takes longer than it saves."""
_QUICK_FILE_BYTES = 16 << 20
"""Larger models are never that quick, and take long to load."""
_TRIES = 3
_LONGEST_TRIAL_S = 1.0
_FIRST_RUN_S = 10e-3
"""What a first run, which allocates, may take beside what its instances do."""


class OnnxRuntimeBackend:
    """ONNX Runtime in this process.

    Args:
        worker_count: workers of this machine, which share its cores.
        conversions: for each MindIR model that it is to run, by the model's key, its converted files.
    """

    def __init__(self, worker_count: int, conversions: Mapping[str, Sequence[Converted]]) -> None:
        self._threads = engine_threads(worker_count)
        self._conversions = conversions

    def load(self, declaration: ModelDeclaration, files: Sequence[str]) -> OnnxRuntimeModel:
        """Loads the model's converted files, or the ONNX files themselves."""
        check_config_file(declaration, "ONNX Runtime")
        log_unused_options(declaration, "ONNX Runtime", "thread_num")
        converted = self._conversions.get(declaration.key)
        if converted is None:
            sessions = [self._load(declaration, _File(file)) for file in files]
            return OnnxRuntimeModel(sessions, "ONNX Runtime", False)
        any_batch = all(one.any_batch for one in converted)
        engine = f"ONNX Runtime (converted{', any batch size' if any_batch else ''})"
        return OnnxRuntimeModel([self._load(declaration, _Content(one)) for one in converted], engine, any_batch)

    def _load(self, declaration: ModelDeclaration, source: _File | _Content) -> Session:
        """With as many threads as the user said; else with this worker's share of the cores, or one if it is quick."""
        asked = declaration.context.thread_num if declaration.context is not None else None
        threads = asked or self._threads
        why = f"Context(thread_num={asked})" if asked else THREADS_VARIABLE if asked_threads() else ""
        if threads > 1 and not why and source.size_bytes <= _QUICK_FILE_BYTES:
            session = source.load(1)
            instance_s = _instance_time_s(session, batching_of(declaration, [session.info], source.any_batch))
            if instance_s < _QUICK_INSTANCE_S:
                _log_threads(declaration, 1, f"an instance takes {instance_s * 1e6:.0f} us there")
                return session
        _log_threads(declaration, threads, why or "this worker's share of the cores")
        return source.load(threads)


def _log_threads(declaration: ModelDeclaration, threads: int, why: str) -> None:
    log.info(f"Model '{declaration.key}' is run on {threads} thread{'s' if threads > 1 else ''}: {why}")


class OnnxRuntimeModel:
    """The sessions of one declared model."""

    state = ()
    """Graphs with state are not converted, and ONNX files have none."""

    def __init__(self, sessions: Sequence[Session], engine: str, takes_any_batch: bool) -> None:
        self._sessions = sessions
        self.engine = engine
        self.takes_any_batch = takes_any_batch
        self.graphs = [session.graph for session in sessions]

    @property
    def subgraphs(self) -> Sequence[SubgraphInfo]:
        """The signature of each file."""
        return [session.info for session in self._sessions]

    def predict(self, subgraph: int, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs one batch."""
        return self._sessions[subgraph].run(inputs)


class Session:
    """One loaded ONNX graph. `model` is its content, or a path; without `info` its own signature holds."""

    def __init__(self, model: bytes | str, threads: int, info: SubgraphInfo | None = None) -> None:
        load = _core.load_onnx_file if isinstance(model, str) else _core.load_onnx
        self.graph = load(onnxruntime_library(), model, threads)
        self.info = info or self.own_signature()

    def own_signature(self) -> SubgraphInfo:
        """As the graph says. Raises `RuntimeError` for what cannot be served."""
        return SubgraphInfo(
            inputs=tuple(_tensor_info(*tensor) for tensor in self.graph.inputs),
            outputs=tuple(_tensor_info(*tensor) for tensor in self.graph.outputs),
        )

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs, in the graph's order."""
        return self.graph.run(inputs)

    def try_run(self, inputs: Sequence[np.ndarray]) -> None:
        """A run that is given up after a second, and that the engine logs nothing of. Raises `RuntimeError`."""
        self.graph.try_run(inputs, _LONGEST_TRIAL_S)


class _File:
    """An ONNX file, perhaps with weights in others beside it."""

    any_batch = False

    def __init__(self, path: str) -> None:
        self._path = path
        self.size_bytes = os.path.getsize(path)

    def load(self, threads: int) -> Session:
        try:
            return Session(self._path, threads)
        except Exception as error:
            name = os.path.basename(self._path)
            raise RuntimeError(f"model file '{name}' cannot be loaded as ONNX: {str(error).strip()}") from error


class _Content:
    """A converted file."""

    def __init__(self, converted: Converted) -> None:
        self._converted = converted
        self.any_batch = converted.any_batch
        self.size_bytes = len(converted.content)

    def load(self, threads: int) -> Session:
        return Session(self._converted.content, threads, self._converted.info)


def _tensor_info(name: str, dtype: str | None, type_name: str, shape: tuple[int, ...]) -> TensorInfo:
    if dtype is None:
        raise RuntimeError(f"'{name}' has data type {type_name}, which cannot be served")
    return TensorInfo(dtype, tuple(dim if dim >= 0 else ANY for dim in shape))


def _instance_time_s(session: Session, batching: ModelBatching) -> float:
    """What an instance of a batch of ones costs the calling thread; infinite where that cannot be told, or is soon seen
    to be more than a quick model takes."""
    rows = batching.batch_size if batching.pad else min(batching.batch_size, DYNAMIC_BATCH_SIZE)
    times = []
    try:
        # One row first, and no run after one that took too long: a batch may take seconds and gigabytes.
        for size in (rows if batching.pad else 1, *[rows] * _TRIES):
            inputs = _sample(batching, size)
            begin = time.thread_time()
            session.try_run(inputs)
            times.append(time.thread_time() - begin)
            if times[-1] > _FIRST_RUN_S + _QUICK_INSTANCE_S * rows:
                return float("inf")
    except RuntimeError as error:
        log.debug(f"A graph cannot be run with ones: {error}")
        return float("inf")
    return min(times[1:]) / rows


def _sample(batching: ModelBatching, rows: int) -> list[np.ndarray]:
    """Raises `RuntimeError` where a shape leaves more than the batch open."""
    (tensors,) = batching.inputs
    shapes = [(rows, *tensor.shape) if tensor.batched else tensor.shape for tensor in tensors]
    if any(ANY in shape for shape in shapes):
        raise RuntimeError(f"dimensions are open: {shapes}")
    return ones([TensorInfo(tensor.dtype, shape) for tensor, shape in zip(tensors, shapes, strict=True)])
