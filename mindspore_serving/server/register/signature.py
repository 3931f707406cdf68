"""What a `servable_config.py` declares, as plain frozen data: nothing here needs an engine, numpy or the extension."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

METHOD_INPUT = 0
"""The stage number that stands for the inputs of the method itself."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a value comes from: output `index` of stage `stage` (from 1), or input `index` of the method (stage 0)."""

    stage: int
    index: int


@dataclasses.dataclass(frozen=True)
class DeviceOptions:
    """One device info of a `Context`: 'cpu', 'gpu' or 'ascend', and the options given for it."""

    device_type: str
    options: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class ContextOptions:
    """The values of a `Context`; None where the user left one to the engine."""

    thread_num: int | None
    thread_affinity_core_list: tuple[int, ...]
    enable_parallel: bool | None
    devices: tuple[DeviceOptions, ...]


@dataclasses.dataclass(frozen=True)
class ModelDeclaration:
    """One `declare_model`."""

    key: str
    """The file names joined with ';': the model's name in messages."""
    files: tuple[str, ...]
    """One file per subgraph, relative to the version directory."""
    format: str
    """'om', 'mindir', 'mindir_lite' or 'onnx'."""
    with_batch_dim: bool
    without_batch_dim_inputs: tuple[int, ...]
    context: ContextOptions | None
    config_file: str | None
    """Absolute path."""
    max_batch_size: int | None = None
    """Most instances in one run where the model takes any number."""


@dataclasses.dataclass(frozen=True)
class FunctionStage:
    """A stage that calls a Python function of the user."""

    function: Callable[..., Any]
    name: str
    """'<servable>.<function>', as messages show it."""
    inputs: tuple[Source, ...]
    outputs_count: int
    batch_size: int | None
    """None: called per instance; 0: with a batch whose size the server chooses; n: with up to n instances."""
    tag: str


@dataclasses.dataclass(frozen=True)
class BuiltinStage:
    """A stage that runs inside the C++ executor."""

    name: str
    inputs: tuple[Source, ...]
    outputs_count: int
    tag: str


@dataclasses.dataclass(frozen=True)
class ModelStage:
    """A stage that runs a declared model."""

    model_key: str
    inputs: tuple[Source, ...]
    outputs_count: int
    tag: str
    subgraph: int = 0
    """Which of the model's files."""


Stage = FunctionStage | BuiltinStage | ModelStage


@dataclasses.dataclass(frozen=True)
class MethodSignature:
    """One `register_method`: names, stages in running order, and where the outputs come from."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    stages: tuple[Stage, ...]
    returns: tuple[Source, ...]


@dataclasses.dataclass(frozen=True)
class ServableSignature:
    """All that one `servable_config.py` declared."""

    name: str
    models: tuple[ModelDeclaration, ...]
    methods: tuple[MethodSignature, ...]
