"""MindSpore Lite as the engine, through its documented Python interface; used where `enable_lite` asks for it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from mindspore_serving import log
from mindspore_serving.server._worker.backends.base import ANY, SubgraphInfo, TensorInfo
from mindspore_serving.server.register.signature import ContextOptions, ModelDeclaration

MINDSPORE_LITE = "mindspore_lite"
"""The engine's name where one is chosen."""

_TARGETS = {"cpu": "cpu", "none": "cpu", "gpu": "gpu", "ascend": "ascend"}
_TITLES = {"cpu": "CPU", "gpu": "GPU", "ascend": "Ascend"}
_FORMATS = {"mindir": "MINDIR", "mindir_lite": "MINDIR_LITE"}
_DTYPES = frozenset(
    f"{kind}{bits}"
    for kind, sizes in (("int", (8, 16, 32, 64)), ("uint", (8, 16, 32, 64)), ("float", (16, 32, 64)))
    for bits in sizes
) | {"bool"}
# What our names for the precision are called there.
_PRECISIONS = {"origin": "enforce_fp32", "fp16": "preferred_fp16"}
_ASCEND_PRECISIONS = {
    "force_fp16": "enforce_fp16",
    "allow_fp32_to_fp16": "preferred_fp32",
    "must_keep_origin_dtype": "enforce_origin",
    "allow_mix_precision": "preferred_optimal",
}


class MindSporeLiteBackend:
    """MindSpore Lite in this process.

    Args:
        device_type: 'cpu', 'gpu', 'ascend', or 'none' for the CPU.
        device_id: None where the device has no number.
        threads: threads of the engine for models whose context does not say.
        encrypted: whether a key was given for the models; this engine cannot decrypt.

    Raises:
        RuntimeError: MindSpore Lite is not installed, or a key was given.
    """

    def __init__(self, device_type: str, device_id: int | None, threads: int, encrypted: bool) -> None:
        self._target = _TARGETS[device_type]
        self._device_id = device_id
        self._threads = threads
        self._lite = _import_mindspore_lite()
        if encrypted:
            raise RuntimeError(
                "MindSpore Lite cannot decrypt models, start without 'dec_key' or without enable_lite=True"
            )

    def load(self, declaration: ModelDeclaration, files: Sequence[str]) -> MindSporeLiteModel:
        """Builds the model and runs it on zeros, which tells its outputs."""
        name = _FORMATS.get(declaration.format)
        if name is None:
            raise RuntimeError(
                f"Not support device type {_TITLES[self._target]} and model type {declaration.format.upper()}. "
                f"MindSpore Lite runs MindIR and MindIR_Lite"
            )
        if len(files) != 1:
            raise RuntimeError(
                f"MindSpore Lite runs models of one file, but model '{declaration.key}' has {len(files)}; declare a "
                f"model for each file, or start without enable_lite=True"
            )
        (file,) = files
        if not os.path.isfile(file):
            raise RuntimeError(f"model file '{file}' does not exist")
        model = self._lite.Model()
        model_type = getattr(self._lite.ModelType, name)
        model.build_from_file(file, model_type, self._context(declaration.context), *_config_path(declaration))
        return MindSporeLiteModel(model, _TITLES[self._target], os.path.basename(file))

    def _context(self, options: ContextOptions | None) -> Any:
        """The engine's context; a GPU or Ascend falls back to its CPU part by itself."""
        context = self._lite.Context()
        context.target = [self._target]
        cpu = context.cpu
        cpu.thread_num = self._threads
        if options is not None:
            if options.thread_num is not None:
                cpu.thread_num = options.thread_num
            if options.thread_affinity_core_list:
                cpu.thread_affinity_core_list = list(options.thread_affinity_core_list)
            if options.enable_parallel is not None:
                cpu.inter_op_parallel_num = min(2, cpu.thread_num) if options.enable_parallel else 1
        if self._target != "cpu" and self._device_id is not None:
            getattr(context, self._target).device_id = self._device_id
        for device in options.devices if options is not None else ():
            if device.device_type in ("cpu", self._target):
                _set_device(getattr(context, device.device_type), device.device_type, dict(device.options))
        return context


def _set_device(part: Any, device_type: str, options: dict[str, str]) -> None:
    options.pop("engine", None)  # chooses between the other engines
    precision = options.pop("precision_mode", None)
    if precision is not None:
        part.precision_mode = (_ASCEND_PRECISIONS if device_type == "ascend" else _PRECISIONS)[precision]
    if options:
        log.warning(
            f"Options {', '.join(options)} of the {_TITLES[device_type]} device info have no effect on MindSpore Lite, "
            f"give them in its configuration file: declare_model(..., config_file=...)"
        )


def _config_path(declaration: ModelDeclaration) -> tuple[str, ...]:
    if declaration.config_file is None:
        return ()
    if not os.path.isfile(declaration.config_file):
        raise RuntimeError(f"Load config file: {declaration.config_file} failed, the file does not exist")
    return (declaration.config_file,)


class MindSporeLiteModel:
    """A model that is built."""

    takes_any_batch = False
    graphs = ()
    state = ()
    """None that could be seen."""

    def __init__(self, model: Any, device: str, name: str) -> None:
        self._model = model
        self._device = device
        inputs = model.get_inputs()
        self._inputs = tuple(_info(f"{name} input {i}", tensor, tensor.shape) for i, tensor in enumerate(inputs))
        self._resizable = any(ANY in info.shape for info in self._inputs)
        self._shapes = [list(info.shape) for info in self._inputs]
        self._outputs = self._find_outputs(name)

    @property
    def subgraphs(self) -> Sequence[SubgraphInfo]:
        """The signature of the only file."""
        return [SubgraphInfo(self._inputs, self._outputs)]

    @property
    def engine(self) -> str:
        """'MindSpore Lite', and on what."""
        return f"MindSpore Lite ({self._device})"

    def predict(self, subgraph: int, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs one batch."""
        # The engine may use its output memory again for the next batch, while these results are still read.
        return [_own(tensor.get_data_to_numpy()) for tensor in self._run(inputs)]

    def _run(self, arrays: Sequence[np.ndarray]) -> Sequence[Any]:
        tensors = self._model.get_inputs()
        shapes = [list(array.shape) for array in arrays]
        if self._resizable and shapes != self._shapes:
            self._model.resize(tensors, shapes)
            self._shapes = shapes
            tensors = self._model.get_inputs()
        for tensor, array in zip(tensors, arrays, strict=True):
            tensor.set_data_from_numpy(array)
        return self._model.predict(tensors)

    def _find_outputs(self, name: str) -> tuple[TensorInfo, ...]:
        """Dimensions of outputs that change with the open ones of the inputs are open, too."""
        shapes = []
        for rows in (1, 2) if self._resizable else (1,):
            zeros = [
                np.zeros([rows if dim == ANY else dim for dim in info.shape], np.dtype(info.dtype))
                for info in self._inputs
            ]
            outputs = self._run(zeros)
            infos = [_info(f"{name} output {i}", tensor, tensor.shape) for i, tensor in enumerate(outputs)]
            shapes.append([info.shape for info in infos])
        return tuple(
            TensorInfo(info.dtype, tuple(dims[0] if len(set(dims)) == 1 else ANY for dims in zip(*same, strict=True)))
            for info, same in zip(infos, zip(*shapes, strict=True), strict=True)
        )


def _info(what: str, tensor: Any, shape: Sequence[int]) -> TensorInfo:
    dtype = tensor.dtype.name.lower()
    if dtype not in _DTYPES:
        raise RuntimeError(f"{what} has data type {dtype}, which cannot be served")
    return TensorInfo(dtype, tuple(int(dim) for dim in shape))


def _own(array: np.ndarray) -> np.ndarray:
    return array if array.flags.owndata and array.flags.c_contiguous else np.array(array, order="C")


def _import_mindspore_lite() -> ModuleType:
    try:
        import mindspore_lite
    except ImportError as error:
        raise RuntimeError(
            f"MindSpore Lite is needed for enable_lite=True and cannot be imported: {error}; install the package "
            f"mindspore_lite, or start without enable_lite=True"
        ) from error
    return mindspore_lite
