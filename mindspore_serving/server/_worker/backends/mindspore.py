"""MindSpore as the engine: loads MindIR files and runs them in one thread, which is all that MindSpore allows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from mindspore_serving import log
from mindspore_serving.server._worker.backends import mindir
from mindspore_serving.server._worker.backends.base import ANY, SubgraphInfo, TensorInfo
from mindspore_serving.server._worker.backends.options import check_config_file, log_unused_options
from mindspore_serving.server._worker.backends.shared_parameters import LoadedGraph, share_parameters
from mindspore_serving.server.register.signature import ModelDeclaration

_DEVICE_TARGETS = {"cpu": "CPU", "none": "CPU", "ascend": "Ascend", "gpu": "GPU"}
_ONEDNN_ISA = "ONEDNN_MAX_CPU_ISA"

Call = Callable[..., Any]


class MindSporeBackend:
    """MindSpore in this process.

    Args:
        device_type: 'cpu', 'gpu', 'ascend', or 'none' for the CPU.
        device_id: None where the device has no number.
        threads: how many MindSpore uses on the CPU, for all models together.
        dec_key: key of encrypted files.
        dec_mode: 'AES-GCM' or 'AES-CBC'.
    """

    def __init__(
        self, device_type: str, device_id: int | None, threads: int, dec_key: bytes | None, dec_mode: str
    ) -> None:
        self._target = _DEVICE_TARGETS[device_type]
        self._dec_key = dec_key
        self._dec_mode = dec_mode
        self._mindspore = _import_mindspore()
        ms = self._mindspore
        ms.set_context(mode=ms.GRAPH_MODE)
        if self._target == "CPU":
            ms.set_device(self._target)
            _set_threads(ms, threads)
        else:
            ms.set_device(self._target, *([] if device_id is None else [device_id]))

    def load(self, declaration: ModelDeclaration, files: Sequence[str]) -> MindSporeModel:
        """Loads and compiles the model; runs each subgraph without side effects once."""
        if declaration.format != "mindir":
            model_format = {"om": "OM", "mindir_lite": "MindIR_Lite", "onnx": "ONNX"}[declaration.format]
            raise RuntimeError(f"Not support device type {self._target} and model type {model_format}. ")
        check_config_file(declaration, "MindSpore")
        log_unused_options(declaration, "MindSpore", *(["thread_num"] if self._target == "CPU" else []))
        read = [self._read(file) for file in files]
        state = share_parameters([graph for graph, _, _ in read])
        subgraphs = [
            Subgraph(self._mindspore, graph.network, info, has_side_effects) for graph, info, has_side_effects in read
        ]
        return MindSporeModel(subgraphs, state)

    def _read(self, file: str) -> tuple[LoadedGraph, SubgraphInfo, bool]:
        """The graph, its signature, and whether it does more than compute outputs."""
        if not os.path.isfile(file):
            raise RuntimeError(f"model file '{file}' does not exist")
        ms = self._mindspore
        name = os.path.basename(file)
        message = mindir.read_message(file, self._dec_key, self._dec_mode)
        key = {} if self._dec_key is None else {"dec_key": self._dec_key, "dec_mode": self._dec_mode}
        try:
            network = ms.nn.GraphCell(ms.load(file, **key))
        except (RuntimeError, ValueError) as error:
            raise RuntimeError(f"model file '{file}' cannot be loaded as MindIR: {error}") from error
        graph = LoadedGraph(name, network, mindir.changed_parameters(message))
        return graph, mindir.signature_of(message, name), bool(mindir.operators_with_side_effects(message))


class MindSporeModel:
    """The subgraphs of one declared model."""

    takes_any_batch = False
    graphs = ()
    """Where the file says so alone."""

    def __init__(self, subgraphs: Sequence[Subgraph], state: tuple[str, ...]) -> None:
        self._subgraphs = subgraphs
        self.state = state

    @property
    def subgraphs(self) -> Sequence[SubgraphInfo]:
        """The signature of each file."""
        return [subgraph.info for subgraph in self._subgraphs]

    @property
    def engine(self) -> str:
        """'MindSpore', and which call is used."""
        calls = sorted({subgraph.call_name for subgraph in self._subgraphs})
        return f"MindSpore ({', '.join(calls)})"

    def predict(self, subgraph: int, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs one batch."""
        return self._subgraphs[subgraph].run(inputs)


class Subgraph:
    """One loaded graph and the quickest way to call it that gives the right results."""

    def __init__(self, ms: ModuleType, network: Any, info: SubgraphInfo, has_side_effects: bool) -> None:
        self.info = info
        self.call_name = "public call"
        self._to_tensor = ms.Tensor.from_numpy
        self._tensor_type = ms.Tensor
        self._network = network  # the compiled graph goes when this does
        self._call: Call = network
        if any(ANY in tensor.shape for tensor in info.inputs):
            # Without this, the graph is compiled for the shapes of the first call, and again for each other shape.
            network.set_inputs(*[placeholder(ms, tensor) for tensor in info.inputs])
        samples = [_sample(info, rows, fill) for rows in _sample_rows(info) for fill in (np.zeros, _ramp)]
        # What compiling the graph raises is the load error.
        if has_side_effects:
            _compile(network, [self._to_tensor(array) for array in samples[0]])
            return
        self._run_with(network, samples[0])
        self._choose_call(network, samples)

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs one batch."""
        return self._run_with(self._call, inputs)

    def _run_with(self, call: Call, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        result = call(*map(self._to_tensor, inputs))
        if isinstance(result, self._tensor_type):
            return [result.asnumpy()]
        return [item.asnumpy() for item in result]

    def _choose_call(self, network: Any, samples: Sequence[list[np.ndarray]]) -> None:
        # The public call spends most of a small graph's time on finding out again that it is compiled. The calls below
        # skip that, but are private to MindSpore: they are used only where they exist and give the same results.
        for name, make_call in (("direct call", _direct_call), ("executor call", _executor_call)):
            try:
                call = make_call(network)
                same = all(_equal(self._run_with(call, s), self._run_with(network, s)) for s in samples)
            except Exception as error:
                log.info(f"MindSpore's {name} cannot be used: {error}")
                continue
            if same:
                self._call, self.call_name = call, name
                return
            log.info(f"MindSpore's {name} is not used, its results differ from the public call's")


def _compile(network: Any, inputs: Sequence[Any]) -> None:
    """Compiles a graph that no sample may run: it would change the state that the first request is to find."""
    network.compile_and_run = network.compile
    try:
        result = network(*inputs)
    finally:
        del network.compile_and_run
    if result is not None:
        raise RuntimeError("this version of MindSpore cannot compile a graph with side effects without running it")


def _direct_call(network: Any) -> Call:
    from mindspore.graph import api

    run = api._cell_graph_executor._graph_executor
    phase = api._real_phase(network.phase, network)
    return lambda *tensors: run(tensors, phase)


def _executor_call(network: Any) -> Call:
    from mindspore.graph.api import _cell_graph_executor

    phase = network.phase
    return lambda *tensors: _cell_graph_executor.run(network, *tensors, phase=phase)


def placeholder(ms: ModuleType, tensor: TensorInfo) -> Any:
    """What stands for an input with open dimensions when a graph is compiled."""
    dtype = ms.bool_ if tensor.dtype == "bool" else getattr(ms, tensor.dtype)
    return ms.Tensor(shape=[None if dim == ANY else dim for dim in tensor.shape], dtype=dtype)


def prepare_environment(device_type: str) -> None:
    """Sets what MindSpore reads when it is loaded; to be called before the user's code may import it."""
    if _DEVICE_TARGETS[device_type] == "CPU" and _ONEDNN_ISA not in os.environ:
        # With AVX-512, the oneDNN inside MindSpore falls back to its reference convolutions, up to 100 times slower.
        os.environ[_ONEDNN_ISA] = "AVX2"
        log.info(
            f"{_ONEDNN_ISA} is set to AVX2, since MindSpore's oneDNN has only slow reference convolutions for AVX-512; "
            f"set the variable yourself to choose otherwise"
        )


def _import_mindspore() -> ModuleType:
    try:
        import mindspore
    except ImportError as error:
        raise RuntimeError(f"MindSpore is needed to run models and cannot be imported: {error}") from error
    return mindspore


def _set_threads(ms: ModuleType, threads: int) -> None:
    try:
        ms.device_context.cpu.op_tuning.threads_num(threads)
    except RuntimeError as error:  # it can be set only once in a process, and the user's code may have done so
        log.warning(f"MindSpore's number of threads is not set to {threads}: {error}")


def _sample_rows(info: SubgraphInfo) -> tuple[int, ...]:
    """Values for the open dimensions of sample inputs: two, where there are any, to see that one graph serves both."""
    return (1, 2) if any(ANY in tensor.shape for tensor in info.inputs) else (1,)


def _sample(info: SubgraphInfo, rows: int, fill: Callable[..., np.ndarray]) -> list[np.ndarray]:
    return [
        fill([rows if dim == ANY else dim for dim in tensor.shape], dtype=np.dtype(tensor.dtype))
        for tensor in info.inputs
    ]


def _ramp(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """0 and 1 for integers, which may be indices; values between 0 and 1 for the rest."""
    numbers = np.arange(int(np.prod(shape)))
    numbers = numbers % 2 if dtype.kind in "biu" else numbers % 97 / 97
    return numbers.astype(dtype).reshape(shape)


def _equal(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    return len(some) == len(others) and all(
        a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(some, others, strict=True)
    )
