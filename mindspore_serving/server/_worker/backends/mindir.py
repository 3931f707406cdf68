"""What MindSpore itself does not tell of a MindIR file, signature and side effects: read from its protobuf message."""

from __future__ import annotations

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
_MEMORY_EFFECT = "side_effect_mem"
_SIDE_EFFECTS = (_MEMORY_EFFECT, "side_effect_io", "side_effect_hidden")
_REFERENCE = "REF::"
"""Begins an operator that is described among the file's primitives, or that is a function or a node of the file."""
_HANDS_ON_REFERENCE = ("Depend", "Load")
NO_MINDIR = "is not a MindIR file, or it is encrypted with another key or mode"


def read_message(file: str, dec_key: bytes | None = None, dec_mode: str = "") -> Any:
    """The file's `ModelProto`, decrypted if a key is given. Raises `RuntimeError` for what is no MindIR."""
    from mindspore.train.mind_ir_pb2 import ModelProto

    model = ModelProto()
    try:
        model.ParseFromString(_content(file, dec_key, dec_mode))
    except Exception as error:
        raise RuntimeError(f"model file '{file}' {NO_MINDIR}: {error}") from error
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


def changed_parameters(model: Any) -> frozenset[str]:
    """The parameters of a `ModelProto` that running it may change, by the names that MindSpore gives them.

    Where that cannot be told apart, those that it may as well not change are among them.
    """
    parameters = {parameter.name for parameter in model.graph.parameter}
    primitives = {primitive.name: primitive for primitive in model.primitives}

    def operator(node: Any) -> Any:
        """What the node runs; None for a call within the file."""
        name = node.op_type.removeprefix(_REFERENCE)
        return primitives.get(name) if name != node.op_type else node

    functions_write = any(_writes_memory(operator(node)) for graph in model.functions for node in graph.node)
    changed: set[str] = set()
    for graph in (model.graph, *model.functions):
        values = {name: name for name in parameters}
        for node in graph.node:
            run = operator(node)
            inputs = {values[name] for name in node.input if name in values}
            if _writes_memory(run) or (functions_write and (run is None or run.op_type == "Partial")):
                changed |= inputs
            elif run is not None and run.op_type in _HANDS_ON_REFERENCE and node.input[:1] and node.input[0] in values:
                values.update(dict.fromkeys(node.output, values[node.input[0]]))
    if not changed and any(_writes_memory(operator) for operator in (*model.primitives, *model.graph.node)):
        changed = parameters
    return frozenset(name.partition(":")[2] or name for name in changed)


def _writes_memory(operator: Any) -> bool:
    return operator is not None and (
        operator.op_type.startswith("Assign") or any(item.name == _MEMORY_EFFECT for item in operator.attribute)
    )


def _has_side_effect(operator: Any) -> bool:
    return operator.op_type.startswith("Assign") or any(item.name in _SIDE_EFFECTS for item in operator.attribute)


def has_data_outside(model: Any) -> bool:
    """Whether parameters of a `ModelProto` lie in other files."""
    return any(parameter.HasField("external_data") for parameter in model.graph.parameter)


def _content(file: str, dec_key: bytes | None, dec_mode: str) -> bytes:
    if dec_key is None:
        with open(file, "rb") as stream:
            content = stream.read()
        if not content:
            raise ValueError("it is empty")
        return content
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
