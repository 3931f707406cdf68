"""The worker's C++ half: the executor that takes instances from the master's channel through their stages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

def set_up_log(level: int, console_level: int, file: str, process_name: str) -> None:
    """Where the lines of this module go, as `log.native_settings()` says."""

class Stage:
    """A stage of a method. Values are "slots" of one list: the method's inputs, then each stage's outputs in order."""

def python_stage(
    inputs: Sequence[int],
    first_output: int,
    outputs_count: int,
    tag: str,
    function: int,
    per_instance: bool,
    batch_size: int,
) -> Stage:
    """A stage that calls the function of that number with one instance, or with up to `batch_size` of them."""

def model_stage(
    inputs: Sequence[int], first_output: int, outputs_count: int, tag: str, model: int, subgraph: int = 0
) -> Stage:
    """A stage that runs the model of that number."""

def builtin_stage(inputs: Sequence[int], first_output: int, outputs_count: int, tag: str, name: str) -> Stage:
    """A stage inside the executor, such as 'argmax_cpp'."""

class TensorSpec:
    """An input or output of a model as one instance has it."""

def tensor_spec(dtype: str, shape: Sequence[int], batched: bool) -> TensorSpec:
    """`dtype`: numpy's name. `shape`: without the batch dimension, -1 where any size will do. Raises `ValueError`."""

class Model: ...

def model(
    key: str,
    lane: int,
    batch_size: int,
    with_batch_dim: bool,
    pad: bool,
    subgraphs: Sequence[tuple[Sequence[TensorSpec], Sequence[TensorSpec]]],
    remote: bool = False,
) -> Model:
    """`lane`: whose thread runs it, from 1. `pad`: each run has exactly `batch_size` rows.

    `subgraphs`: the inputs and outputs of each. `remote`: the master has another worker run it; the thread of `lane`
    then only takes in what is answered to `call_model`."""

class Method: ...

def method(name: str, inputs_count: int, stages: Sequence[Stage], returns: Sequence[int]) -> Method:
    """`returns`: the slots of the method's outputs."""

class ModelBatch:
    """One turn of a model's lane."""

    @property
    def model(self) -> int: ...
    @property
    def subgraph(self) -> int: ...
    @property
    def count(self) -> int:
        """Instances in it."""
    def inputs(self) -> list[np.ndarray]:
        """The inputs of the run: rows gathered and padded, or an instance's own memory where it has one row."""
    def complete(self, outputs: Sequence[np.ndarray]) -> None:
        """Sends each instance its share of the outputs; if they do not fit the run, every instance fails."""
    def fail(self, text: str) -> None:
        """Every instance fails with that text."""

class Graph:
    """One loaded graph of an engine that runs without the interpreter. Thread-safe."""

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs for these inputs, both in the graph's order. Without the GIL.

        Raises:
            RuntimeError: with the engine's message.
        """

class OnnxSession(Graph):
    """An ONNX graph on CPU. A tensor is told as name, numpy's name of the data type (None where there is none), the
    engine's name of it, and dimensions, -1 where any size will do."""

    @property
    def inputs(self) -> list[tuple[str, str | None, str, tuple[int, ...]]]: ...
    @property
    def outputs(self) -> list[tuple[str, str | None, str, tuple[int, ...]]]: ...
    def try_run(self, inputs: Sequence[np.ndarray], limit_s: float) -> list[np.ndarray]:
        """`run` as a trial: the engine logs nothing of it, and it fails after so many seconds, at the next operator."""

def load_onnx_file(library: str, path: str, threads: int) -> OnnxSession:
    """The ONNX file, run by ONNX Runtime on so many threads. `library`: the path of libonnxruntime, of which a process
    loads one. Raises `RuntimeError`."""

def load_onnx(library: str, content: bytes, threads: int) -> OnnxSession:
    """The same for the content of such a file."""

class ModelLane:
    """Runs the models of one lane without the interpreter.

    Args:
        executor: what gives the turns.
        lane: its number.
        models: by their numbers the graphs of each, by subgraph.
        on_error: gets model, subgraph and text for each run that failed.
        on_run: gets model, subgraph, instances and seconds of each run, unless it is None. Neither should raise.
    """

    def __init__(
        self,
        executor: Executor,
        lane: int,
        models: Mapping[int, Sequence[Graph]],
        on_error: Callable[[int, int, str], object],
        on_run: Callable[[int, int, int, float], object] | None,
    ) -> None: ...
    def serve(self) -> None:
        """Takes the lane's turns, without the GIL, until the executor stops."""

class Executor:
    """Runs the methods of one servable. Any thread may call it, each lane has one thread.

    Args:
        channel_fds: the inherited descriptors of the channel, which it then owns.
        models: by the numbers that stages use.
        methods: by the numbers that the master uses.

    Raises:
        ValueError: a stage refers to something that does not exist.
        RuntimeError: the descriptors are no channel.
    """

    def __init__(self, channel_fds: Sequence[int], models: Sequence[Model], methods: Sequence[Method]) -> None: ...
    def run_python_lane(
        self,
        functions: Sequence[Callable[..., Any]],
        on_error: Callable[[str, int, str, BaseException | None], object],
        on_batch: Callable[[str, int, int, float], object] | None,
    ) -> None:
        """Calls stage functions until `stop`. Whatever they raise becomes their instance's error.

        `on_error` gets method, stage number from 1, text and exception of each error; `on_batch` gets method, stage
        number from 1, instances and seconds of each turn. Neither should raise.
        """
    def next_model_batch(self, lane: int) -> ModelBatch | None:
        """Sleeps without the GIL until the lane has a turn; None after `stop`."""
    def call_model(self, model: int, subgraph: int, instances: Sequence[Sequence[Any]]) -> list[tuple[np.ndarray, ...]]:
        """Runs instances of a model and waits without the GIL for the outputs of each.

        Raises:
            RuntimeError: an instance failed, a value is no tensor, the executor stops, or this is the model's thread.
        """
    def stop(self) -> None:
        """Ends every wait above; what is not finished gets no answer here."""
