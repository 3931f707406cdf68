"""A stand-in for the package mindspore_lite: the documented names this server uses, computing with numpy.

It is not MindSpore Lite. A model file is JSON: {"inputs": [[dtype, shape], ...], "outputs": [expression, ...]} with the
expressions over x0, x1, ... and np. It is as strict as the interface allows, and uses its output memory again.
"""

from __future__ import annotations

import enum
import json
import os
import threading

import numpy as np

DataType = enum.Enum("DataType", "BOOL INT8 INT32 INT64 UINT8 FLOAT16 FLOAT32 FLOAT64 UNKNOWN")
ModelType = enum.Enum("ModelType", "MINDIR MINDIR_LITE")


class _Strict:
    """Refuses attributes that the documentation does not name."""

    _names: tuple[str, ...] = ()

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self._names:
            raise AttributeError(name)
        object.__setattr__(self, name, value)


class _Cpu(_Strict):
    _names = (
        "thread_num",
        "inter_op_parallel_num",
        "thread_affinity_mode",
        "thread_affinity_core_list",
        "precision_mode",
    )


class _Gpu(_Strict):
    _names = ("device_id", "precision_mode")


class _Ascend(_Strict):
    _names = ("device_id", "precision_mode", "provider", "rank_id")


class Context(_Strict):
    _names = ("target", "cpu", "gpu", "ascend")

    def __init__(self) -> None:
        self.target = ["cpu"]
        self.cpu, self.gpu, self.ascend = _Cpu(), _Gpu(), _Ascend()


class Tensor:
    def __init__(self, dtype: DataType, shape: list[int], data: np.ndarray | None = None) -> None:
        self.dtype, self.shape, self._data = dtype, shape, data

    def set_data_from_numpy(self, numpy_obj: np.ndarray) -> None:
        if not isinstance(numpy_obj, np.ndarray):
            raise TypeError(f"numpy_obj must be numpy.ndarray, but got {type(numpy_obj)}")
        if numpy_obj.dtype.name.upper() != self.dtype.name or not numpy_obj.flags.c_contiguous:
            raise ValueError(f"data type {numpy_obj.dtype} is not that of the tensor, {self.dtype.name}")
        if list(numpy_obj.shape) != self.shape:
            raise ValueError(f"shape {numpy_obj.shape} is not that of the tensor, {self.shape}")
        self._data = numpy_obj

    def get_data_to_numpy(self) -> np.ndarray:
        return self._data[...]


class Model:
    def __init__(self) -> None:
        self._inputs: list[Tensor] = []
        self._memory: dict[tuple, np.ndarray] = {}
        self._thread = threading.get_ident()

    def build_from_file(self, model_path, model_type, context=None, config_path=""):
        assert isinstance(model_type, ModelType)
        assert isinstance(context, Context)
        try:
            with open(model_path) as stream:
                content = json.load(stream)
        except ValueError as error:
            raise RuntimeError(f"build_from_file failed! Error is Graph load failed: {error}") from error
        self._outputs = content["outputs"]
        self._declared = [shape for _, shape in content["inputs"]]
        self._inputs = [Tensor(DataType[dtype.upper()], list(shape)) for dtype, shape in content["inputs"]]
        parts = {name: vars(getattr(context, name)) for name in ("cpu", "gpu", "ascend")}
        print("stand-in built", os.path.basename(model_path), model_type.name, context.target, parts, end=" ")
        print("config", repr(os.path.basename(config_path)), flush=True)

    def get_inputs(self) -> list[Tensor]:
        return self._inputs

    def resize(self, inputs: list[Tensor], dims: list[list[int]]) -> None:
        for shape, declared in zip(dims, self._declared, strict=True):
            if len(shape) != len(declared) or any(d not in (-1, s) for s, d in zip(shape, declared, strict=True)):
                raise RuntimeError(f"resize failed! {dims}")
        self._inputs = [Tensor(tensor.dtype, list(shape)) for tensor, shape in zip(inputs, dims, strict=True)]

    def predict(self, inputs: list[Tensor], outputs=None) -> list[Tensor]:
        if threading.get_ident() != self._thread:
            raise RuntimeError("predict failed! The model is of another thread")
        names = {f"x{i}": tensor._data for i, tensor in enumerate(inputs)}
        results = [np.asarray(eval(expression, {"np": np}, names)) for expression in self._outputs]
        return [self._keep(number, result) for number, result in enumerate(results)]

    def _keep(self, number: int, result: np.ndarray) -> Tensor:
        memory = self._memory.setdefault((number, result.shape), np.empty_like(result))
        memory[...] = result
        return Tensor(DataType[result.dtype.name.upper()], list(result.shape), memory)
