"""The names and numbers of the public protocol, which never change."""

from __future__ import annotations

import pytest
from google.protobuf import descriptor

from mindspore_serving.proto import ms_service_pb2 as pb

FIELDS = {
    "PredictRequest": {"servable_spec": (1, "ServableSpec"), "instances": (2, "repeated Instance")},
    "PredictReply": {
        "servable_spec": (1, "ServableSpec"),
        "instances": (3, "repeated Instance"),
        "error_msg": (4, "repeated ErrorMsg"),
    },
    "ErrorMsg": {"error_code": (1, "int64"), "error_msg": (2, "bytes")},
    "ServableSpec": {"name": (1, "string"), "method_name": (2, "string"), "version_number": (3, "uint64")},
    "Instance": {"items": (1, "map Tensor"), "output_buffers": (2, "map ShmTensorData")},
    "Tensor": {
        "shape": (1, "TensorShape"),
        "dtype": (2, "DataType"),
        "data": (3, "bytes in tensor_data"),
        "bytes_val": (4, "repeated bytes"),
        "shm_data": (5, "ShmTensorData in tensor_data"),
    },
    "TensorShape": {"dims": (1, "repeated int64")},
    "ShmTensorData": {
        "memory_key": (1, "string"),
        "bytes_size": (2, "uint64"),
        "data_offset": (3, "uint64"),
        "data_size": (4, "uint64"),
    },
    "TensorInfo": {
        "shape": (1, "TensorShape"),
        "dtype": (2, "DataType"),
        "size": (3, "uint64"),
        "is_no_batch_dim": (4, "bool"),
    },
    "PingRequest": {"address": (1, "string")},
    "PingReply": {"address": (1, "string")},
    "PongRequest": {"address": (1, "string")},
    "PongReply": {"address": (1, "string")},
}
DATA_TYPES = (
    "MS_UNKNOWN MS_BOOL MS_INT8 MS_UINT8 MS_INT16 MS_UINT16 MS_INT32 MS_UINT32 MS_INT64 MS_UINT64 MS_FLOAT16 "
    "MS_FLOAT32 MS_FLOAT64 MS_STRING MS_BYTES"
)
SCALARS = {
    descriptor.FieldDescriptor.TYPE_INT64: "int64",
    descriptor.FieldDescriptor.TYPE_UINT64: "uint64",
    descriptor.FieldDescriptor.TYPE_BOOL: "bool",
    descriptor.FieldDescriptor.TYPE_STRING: "string",
    descriptor.FieldDescriptor.TYPE_BYTES: "bytes",
}


def type_name(field: descriptor.FieldDescriptor) -> str:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        assert SCALARS[message.fields_by_name["key"].type] == "string"
        return f"map {type_name(message.fields_by_name['value'])}"
    named = message or field.enum_type
    name = named.name if named is not None else SCALARS[field.type]
    # Where a list is, the newest protobuf says is_repeated and older ones label.
    repeated = field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
    inside = f" in {field.containing_oneof.name}" if field.containing_oneof is not None else ""
    return f"{'repeated ' if repeated else ''}{name}{inside}"


@pytest.mark.parametrize("message", sorted(FIELDS))
def test_fields(message: str) -> None:
    fields = pb.DESCRIPTOR.message_types_by_name[message].fields
    assert {field.name: (field.number, type_name(field)) for field in fields} == FIELDS[message]


def test_no_other_messages() -> None:
    assert set(pb.DESCRIPTOR.message_types_by_name) == set(FIELDS)


def test_data_types() -> None:
    assert dict(pb.DataType.items()) == {name: number for number, name in enumerate(DATA_TYPES.split())}


def test_the_service() -> None:
    assert pb.DESCRIPTOR.name == "mindspore_serving/proto/ms_service.proto"
    assert pb.DESCRIPTOR.package == "mindspore.serving.proto"
    (service,) = pb.DESCRIPTOR.services_by_name.values()
    assert service.full_name == "mindspore.serving.proto.MSService"
    (method,) = service.methods
    assert (method.name, method.input_type.name, method.output_type.name) == (
        "Predict",
        "PredictRequest",
        "PredictReply",
    )
