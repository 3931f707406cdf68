"""Server reflection with gRPC's own client: it describes the public service, and is enough to call it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.harness import protocol
from tests.harness.grpc_client import GrpcClient
from tests.harness.server_process import ServerProcess

SERVICES = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "mindspore.serving.proto.MSService",
]
V1, V1ALPHA = (f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" for version in ("v1", "v1alpha"))
Request, Response = reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse


@pytest.fixture
def client(plain_server: ServerProcess) -> Iterator[GrpcClient]:
    with GrpcClient(plain_server.grpc_address) as made:
        yield made


def ask(client: GrpcClient, *requests: Request, path: str = V1ALPHA) -> list[Response]:
    """The answers to requests of one stream. The messages of both versions are the same but for their package."""
    method = client.channel.stream_stream(path, Request.SerializeToString, Response.FromString)
    return list(method(iter(requests), timeout=30))


def test_grpcs_own_client_finds_and_calls_the_service(client: GrpcClient) -> None:
    database = ProtoReflectionDescriptorDatabase(client.channel)
    assert sorted(database.get_services()) == SERVICES
    pool = DescriptorPool(database)
    service = pool.FindServiceByName("mindspore.serving.proto.MSService")
    assert [method.name for method in service.methods] == ["Predict"]
    request_class, reply_class = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"mindspore.serving.proto.Predict{name}"))
        for name in ("Request", "Reply")
    )
    request = request_class()
    request.servable_spec.name, request.servable_spec.method_name = "basic", "echo"
    tensor = request.instances.add().items["x"]
    tensor.dtype, tensor.data = 11, np.float32(1.5).tobytes()
    reply = reply_class.FromString(client.send_bytes(request.SerializeToString()))
    assert reply.instances[0].items["y"].data == np.float32(1.5).tobytes()


def test_files_are_what_protoc_makes_of_them(client: GrpcClient) -> None:
    (answer,) = ask(client, Request(file_by_filename="mindspore_serving/proto/ms_service.proto"))
    (got,) = answer.file_descriptor_response.file_descriptor_proto
    expected = descriptor_pb2.FileDescriptorProto()
    protocol.messages().PredictRequest.DESCRIPTOR.file.CopyToProto(expected)
    assert descriptor_pb2.FileDescriptorProto.FromString(got) == expected


@pytest.mark.parametrize("package", ["grpc.health.v1", "grpc.reflection.v1alpha", "grpc.reflection.v1"])
def test_the_standard_services_are_those_of_the_standard(client: GrpcClient, package: str) -> None:
    """Names, numbers and types equal those of gRPC's own packages."""
    from grpc_health.v1 import health_pb2

    name = package.split(".")[1]
    ours = file_of(client, f"grpc/{name}/{package.rpartition('.')[2]}/{name}.proto")
    standard = descriptor_pb2.FileDescriptorProto()
    (health_pb2 if name == "health" else reflection_pb2).DESCRIPTOR.CopyToProto(standard)
    assert fields(ours) == {
        key.replace("reflection.v1alpha", package.partition(".")[2]): value for key, value in fields(standard).items()
    }


def file_of(client: GrpcClient, name: str) -> descriptor_pb2.FileDescriptorProto:
    (answer,) = ask(client, Request(file_by_filename=name))
    (content,) = answer.file_descriptor_response.file_descriptor_proto
    return descriptor_pb2.FileDescriptorProto.FromString(content)


def fields(file: descriptor_pb2.FileDescriptorProto) -> dict[str, object]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    loaded = pool.FindFileByName(file.name)
    found: dict[str, object] = {}
    for message in loaded.message_types_by_name.values():
        for field in message.fields:
            found[field.full_name] = (field.number, field.type, field.is_repeated, field.containing_oneof is not None)
        for enum in message.enum_types:
            found[enum.full_name] = {value.name: value.number for value in enum.values}
    for service in loaded.services_by_name.values():
        for method in service.methods:
            found[method.full_name] = (
                method.input_type.name,
                method.output_type.name,
                method.client_streaming,
                method.server_streaming,
            )
    return found


@pytest.mark.parametrize("path", [V1, V1ALPHA])
def test_one_stream_takes_many_requests(client: GrpcClient, path: str) -> None:
    requests = [
        Request(host="here", list_services=""),
        Request(file_containing_symbol="mindspore.serving.proto.MSService.Predict"),
        Request(file_containing_symbol="mindspore.serving.proto.Instance.ItemsEntry"),
        Request(file_containing_symbol="mindspore.serving.proto.MS_FLOAT16"),
        Request(all_extension_numbers_of_type="mindspore.serving.proto.Tensor"),
        Request(file_containing_symbol="mindspore.serving.proto.Nothing"),
        Request(file_by_filename="nothing.proto"),
        Request(file_containing_extension={"containing_type": "mindspore.serving.proto.Tensor", "extension_number": 1}),
        Request(all_extension_numbers_of_type="mindspore.serving.proto.MSService"),
        Request(),
    ]
    answers = ask(client, *requests, path=path)
    assert [answer.original_request for answer in answers] == requests
    assert [service.name for service in answers[0].list_services_response.service] == [
        *("mindspore.serving.proto.MSService", "grpc.health.v1.Health"),
        *("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"),
    ]
    for answer in answers[1:4]:
        (file,) = answer.file_descriptor_response.file_descriptor_proto
        assert b"mindspore_serving/proto/ms_service.proto" in file
    assert answers[4].all_extension_numbers_response == reflection_pb2.ExtensionNumberResponse(
        base_type_name="mindspore.serving.proto.Tensor"
    )
    assert [answer.error_response.error_code for answer in answers[5:]] == [5, 5, 5, 5, 3]


def test_malformed_requests_end_the_stream(client: GrpcClient) -> None:
    for message, code in (
        (b"\xff\xff\xff", grpc.StatusCode.INVALID_ARGUMENT),
        (b"\x3a" + b"\x80\x80\x08" + b"x" * (1 << 17), grpc.StatusCode.RESOURCE_EXHAUSTED),
    ):
        with pytest.raises(grpc.RpcError) as raised:
            list(client.channel.stream_stream(V1)(iter([message]), timeout=30))
        assert raised.value.code() == code
    assert ask(client, Request(list_services=""))


def test_streams_that_say_nothing_hold_up_nobody(client: GrpcClient) -> None:
    """Open streams are ended by the client, here, or by the server's end, in tests/fault."""
    ending = threading.Event()

    def nothing() -> Iterator[bytes]:
        ending.wait(30)
        yield from ()

    idle = [client.channel.stream_stream(V1)(nothing(), timeout=30) for _ in range(20)]
    assert ask(client, Request(list_services=""))
    assert client.call("basic", "echo", {"x": np.float32(1)}).values == [{"y": 1}]
    for call in idle[:10]:
        call.cancel()
    ending.set()
    for call in idle[10:]:
        assert list(call) == []
