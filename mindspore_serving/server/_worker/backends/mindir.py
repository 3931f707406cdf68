"""What MindSpore itself does not tell of a MindIR file, signature and side effects: read from its protobuf message."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from mindspore_serving.server._worker.backends.base import ANY, SubgraphInfo, TensorInfo

_DTYPES = {
    "FLOAT": "float32",
    "UINT8": "uint8",
    "INT8": "int8",
    "UINT16": "uint16",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
    "FLOAT16": "float16",
    "DOUBLE": "float64",
    "FLOAT64": "float64",
    "UINT32": "uint32",
    "UINT64": "uint64",
}
_SIDE_EFFECTS = ("side_effect_mem", "side_effect_io", "side_effect_hidden")


def read_signature(file: str, dec_key: bytes | None, dec_mode: str) -> SubgraphInfo:
    """The inputs and outputs of a MindIR file, which `dec_key` decrypts if it is given.

    Raises:
        RuntimeError: the file is no MindIR (or encrypted otherwise), or has tensors that cannot be served.
    """
    return signature_of(read_message(file, dec_key, dec_mode), os.path.basename(file))


def read_message(file: str, dec_key: bytes | None = None, dec_mode: str = "") -> Any:
    """The file's `ModelProto`. Raises `RuntimeError` for what is no MindIR."""
    from mindspore.train.mind_ir_pb2 import ModelProto

    model = ModelProto()
    try:
        model.ParseFromString(_content(file, dec_key, dec_mode))
    except Exception as error:
        raise RuntimeError(
            f"model file '{file}' is not a MindIR file, or it is encrypted with another key or mode: {error}"
        ) from error
    return model


def signature_of(model: Any, name: str) -> SubgraphInfo:
    """The inputs and outputs of a `ModelProto`; `name` is for errors. Raises `RuntimeError` for odd types."""
    return SubgraphInfo(
        inputs=tuple(_tensor_info(f"{name} input {i}", t) for i, t in enumerate(_tensors(model.graph.input))),
        outputs=tuple(_tensor_info(f"{name} output {i}", t) for i, t in enumerate(_tensors(model.graph.output))),
    )


def operators_with_side_effects(model: Any) -> list[str]:
    """The operators of a `ModelProto` that do more than compute outputs: assign, print, draw random numbers."""
    found = {primitive.op_type for primitive in model.primitives if _has_side_effect(primitive)}
    for graph in (model.graph, *model.functions):
        found |= {node.op_type for node in graph.node if _has_side_effect(node)}
    return sorted(found)


def _has_side_effect(operator: Any) -> bool:
    return operator.op_type.startswith("Assign") or any(item.name in _SIDE_EFFECTS for item in operator.attribute)


def has_data_outside(model: Any) -> bool:
    """Whether parameters of a `ModelProto` lie in other files."""
    return any(parameter.HasField("external_data") for parameter in model.graph.parameter)


def _content(file: str, dec_key: bytes | None, dec_mode: str) -> bytes:
    if dec_key is None:
        with open(file, "rb") as stream:
            return stream.read()
    from mindspore._c_expression import _decrypt

    content = _decrypt(file, dec_key, len(dec_key), dec_mode)
    if not content:
        raise ValueError("decryption failed")
    return content


def _tensors(values: Iterable[Any]) -> list[Any]:
    """The tensors of a list of inputs or outputs; several outputs are one tuple."""
    tensors: list[Any] = []
    for value in values:
        if value.tensor:
            tensors.append(value.tensor[0])
        else:
            tensors.extend(tensor for item in value.attr_info.values for tensor in item.tensors)
    return tensors


def _tensor_info(what: str, tensor: Any) -> TensorInfo:
    type_name = type(tensor).DataType.Name(tensor.data_type)
    dtype = _DTYPES.get(type_name)
    if dtype is None:
        raise RuntimeError(f"{what} has data type {type_name}, which cannot be served")
    # An unknown rank is written as a single dimension below -1.
    if any(dim < ANY for dim in tensor.dims):
        raise RuntimeError(f"{what} has no fixed number of dimensions")
    return TensorInfo(dtype, tuple(tensor.dims))
