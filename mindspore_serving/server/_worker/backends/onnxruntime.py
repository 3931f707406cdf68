"""ONNX Runtime as the engine: runs ONNX files, and MindIR files that were converted."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mindspore_serving.server._worker.backends.base import ANY, SubgraphInfo, TensorInfo
from mindspore_serving.server._worker.backends.conversion import Converted
from mindspore_serving.server._worker.backends.options import check_config_file, log_unused_options
from mindspore_serving.server.register.signature import ModelDeclaration

_DTYPES = {
    "tensor(bool)": "bool",
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


class OnnxRuntimeBackend:
    """ONNX Runtime in this process. Sessions are safe in any thread and run without the GIL.

    Args:
        threads: threads of each session, unless the model's `Context(thread_num=...)` says otherwise.
        conversions: for each MindIR model that it is to run, by the model's key, its converted files.
    """

    any_thread = True

    def __init__(self, threads: int, conversions: Mapping[str, Sequence[Converted]]) -> None:
        self._threads = threads
        self._conversions = conversions

    def load(self, declaration: ModelDeclaration, files: Sequence[str]) -> OnnxRuntimeModel:
        """Loads the model's converted files, or the ONNX files themselves."""
        check_config_file(declaration, "ONNX Runtime")
        threads = self._threads
        if declaration.context is not None and declaration.context.thread_num is not None:
            threads = declaration.context.thread_num
        log_unused_options(declaration, "ONNX Runtime", "thread_num")
        converted = self._conversions.get(declaration.key)
        if converted is None:
            return OnnxRuntimeModel([_load_file(file, threads) for file in files], "ONNX Runtime", False)
        any_batch = all(one.any_batch for one in converted)
        engine = f"ONNX Runtime (converted{', any batch size' if any_batch else ''})"
        return OnnxRuntimeModel([_load_converted(one, threads) for one in converted], engine, any_batch)


class OnnxRuntimeModel:
    """The sessions of one declared model."""

    state = ()
    """Graphs with state are not converted, and ONNX files have none."""

    def __init__(self, sessions: Sequence[Session], engine: str, takes_any_batch: bool) -> None:
        self._sessions = sessions
        self.engine = engine
        self.takes_any_batch = takes_any_batch

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
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Between runs, threads that wait actively would take the cores from the server's other threads and workers.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        # Patterns of memory hold for one batch size each, and batches are of all sizes.
        options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._names = [value.name for value in self._session.get_inputs()]
        self.info = info or self.own_signature()

    def own_signature(self) -> SubgraphInfo:
        """As the graph says. Raises `RuntimeError` for what cannot be served."""
        return SubgraphInfo(
            inputs=tuple(map(_tensor_info, self._session.get_inputs())),
            outputs=tuple(map(_tensor_info, self._session.get_outputs())),
        )

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs, in the graph's order."""
        return self._session.run(None, dict(zip(self._names, inputs, strict=True)))


def _load_file(file: str, threads: int) -> Session:
    try:
        return Session(file, threads)
    except Exception as error:
        raise RuntimeError(f"model file '{os.path.basename(file)}' cannot be loaded as ONNX: {error}") from error


def _load_converted(converted: Converted, threads: int) -> Session:
    return Session(converted.content, threads, converted.info)


def _tensor_info(value: Any) -> TensorInfo:
    dtype = _DTYPES.get(value.type)
    if dtype is None:
        raise RuntimeError(f"'{value.name}' has data type {value.type}, which cannot be served")
    return TensorInfo(dtype, tuple(dim if isinstance(dim, int) and dim >= 0 else ANY for dim in value.shape))
