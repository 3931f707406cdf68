"""The signature of a MindIR file, which MindSpore itself does not tell: read from the file's protobuf message."""

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


def read_signature(file: str, dec_key: bytes | None, dec_mode: str) -> SubgraphInfo:
    """The inputs and outputs of a MindIR file, which `dec_key` decrypts if it is given.

    Raises:
        RuntimeError: the file is no MindIR (or encrypted otherwise), or has tensors that cannot be served.
    """
    from mindspore.train.mind_ir_pb2 import ModelProto

    model = ModelProto()
    try:
        model.ParseFromString(_content(file, dec_key, dec_mode))
    except Exception as error:
        raise RuntimeError(
            f"model file '{file}' is not a MindIR file, or it is encrypted with another key or mode: {error}"
        ) from error
    name = os.path.basename(file)
    return SubgraphInfo(
        inputs=tuple(_tensor_info(f"{name} input {i}", t) for i, t in enumerate(_tensors(model.graph.input))),
        outputs=tuple(_tensor_info(f"{name} output {i}", t) for i, t in enumerate(_tensors(model.graph.output))),
    )


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
