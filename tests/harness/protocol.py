"""The gRPC contract as users of other languages see it: messages built from proto/ms_service.proto and nothing else."""

from __future__ import annotations

import functools
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PROTO_FOLDER = Path(__file__).resolve().parents[2] / "proto"
PREDICT = "/mindspore.serving.proto.MSService/Predict"

STRING, BYTES = 13, 14
DTYPES = {
    1: np.dtype(np.bool_),
    2: np.dtype(np.int8),
    3: np.dtype(np.uint8),
    4: np.dtype(np.int16),
    5: np.dtype(np.uint16),
    6: np.dtype(np.int32),
    7: np.dtype(np.uint32),
    8: np.dtype(np.int64),
    9: np.dtype(np.uint64),
    10: np.dtype(np.float16),
    11: np.dtype(np.float32),
    12: np.dtype(np.float64),
}
"""The numbers of the wire's data types, as the specification gives them."""
NUMBERS = {dtype: number for number, dtype in DTYPES.items()}


_MAKING = threading.Lock()


def messages() -> SimpleNamespace:
    """The message classes (`PredictRequest`, `Tensor`, ...) in a descriptor pool of their own."""
    with _MAKING:  # threads that ask at once get the same classes, which the cache alone does not see to
        return _messages()


@functools.cache
def _messages() -> SimpleNamespace:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "descriptors"
        subprocess.run(
            [
                *_protoc(),
                f"-Imindspore_serving/proto={PROTO_FOLDER}",
                f"--descriptor_set_out={out}",
                "mindspore_serving/proto/ms_service.proto",
            ],
            check=True,
        )
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    names = pool.FindFileByName("mindspore_serving/proto/ms_service.proto").message_types_by_name
    return SimpleNamespace(**{name: message_factory.GetMessageClass(descriptor) for name, descriptor in names.items()})


def make_request(servable: str, method: str, instances: list[dict[str, Any]], version: int = 0) -> Any:
    """A `PredictRequest`; values are numpy arrays and scalars, `str`, `bytes` or ready `Tensor` messages."""
    request = messages().PredictRequest()
    request.servable_spec.name, request.servable_spec.method_name = servable, method
    request.servable_spec.version_number = version
    for instance in instances:
        items = request.instances.add().items
        for name, value in instance.items():
            items[name].CopyFrom(to_tensor(value))
    return request


def to_tensor(value: Any) -> Any:
    """A `Tensor` message; `str` and `bytes` get an empty shape."""
    tensor_class = messages().Tensor
    if isinstance(value, tensor_class):
        return value
    tensor = tensor_class()
    if isinstance(value, (str, bytes)):
        tensor.dtype = STRING if isinstance(value, str) else BYTES
        tensor.bytes_val.append(value.encode() if isinstance(value, str) else value)
        tensor.shape.SetInParent()
        return tensor
    array = np.asarray(value)
    tensor.dtype = NUMBERS[array.dtype]
    tensor.shape.dims.extend(array.shape)
    tensor.data = array.tobytes()
    return tensor


def from_tensor(tensor: Any) -> Any:
    """The value of a `Tensor` message: a numpy array, `str` or `bytes`."""
    if tensor.dtype in (STRING, BYTES):
        (value,) = tensor.bytes_val
        return value.decode() if tensor.dtype == STRING else value
    return np.frombuffer(tensor.data, DTYPES[tensor.dtype]).reshape(tuple(tensor.shape.dims))


def _protoc() -> list[str]:
    if importlib.util.find_spec("grpc_tools"):
        return [sys.executable, "-m", "grpc_tools.protoc"]
    if program := shutil.which("protoc"):
        return [program]
    raise RuntimeError("the tests need protoc: install grpcio-tools from PyPI or the system package protobuf-compiler")
