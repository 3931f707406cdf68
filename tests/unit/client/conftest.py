"""A gRPC server in this process that keeps what it was sent and answers what the test told it to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures

import grpc
import pytest

from mindspore_serving.proto import ms_service_pb2 as pb
from mindspore_serving.proto import ms_service_pb2_grpc as pb_grpc

Answer = Callable[[pb.PredictRequest, grpc.ServicerContext], pb.PredictReply]


class RecordingServer(pb_grpc.MSServiceServicer):
    def __init__(self) -> None:
        self.requests: list[pb.PredictRequest] = []
        self.answer: Answer = echo
        # Messages of any size: what is tested is the client's limit.
        options = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
        self.server = grpc.server(futures.ThreadPoolExecutor(4), options=options)
        pb_grpc.add_MSServiceServicer_to_server(self, self.server)

    def Predict(self, request: pb.PredictRequest, context: grpc.ServicerContext) -> pb.PredictReply:
        self.requests.append(request)
        return self.answer(request, context)

    def reply(self, reply: pb.PredictReply) -> None:
        self.answer = lambda request, context: reply


def echo(request: pb.PredictRequest, context: grpc.ServicerContext) -> pb.PredictReply:
    reply = pb.PredictReply(servable_spec=request.servable_spec)
    reply.instances.extend(request.instances)
    return reply


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingServer]:
    """Not started and without an address; see `address`."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = RecordingServer()
    yield server
    server.server.stop(0).wait()


@pytest.fixture
def address(server: RecordingServer) -> str:
    """Where `server` listens without TLS."""
    port = server.server.add_insecure_port("127.0.0.1:0")
    server.server.start()
    return f"127.0.0.1:{port}"
