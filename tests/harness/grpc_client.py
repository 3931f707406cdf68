"""A client of the public gRPC interface that shares no code with the product."""

from __future__ import annotations

import dataclasses
from typing import Any

import grpc

from . import protocol

_MAX_BYTES = 512 << 20


@dataclasses.dataclass(frozen=True)
class Reply:
    """A decoded `PredictReply`. `errors` has (code, text) for the whole request, or for each instance, or is empty."""

    instances: list[dict[str, Any]]
    errors: list[tuple[int, str]]
    message: Any

    @property
    def error(self) -> tuple[int, str]:
        """The one error of the whole request."""
        assert len(self.errors) == 1, f"expected one error for the whole request: {self.errors}"
        assert not self.instances, "an error of the whole request has no instances"
        return self.errors[0]

    @property
    def values(self) -> list[dict[str, Any]]:
        """The instances of a request that succeeded."""
        assert not self.errors, self.errors
        return self.instances


class GrpcClient:
    """One channel to a server. Use as a context manager."""

    def __init__(
        self,
        address: str,
        max_message_bytes: int = _MAX_BYTES,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        options = [
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", _MAX_BYTES),
            ("grpc.enable_http_proxy", 0),
            ("grpc.enable_retries", 0),  # with grpcio 1.85 they can take all memory where the server closes connections
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if credentials is None:
            self.channel = grpc.insecure_channel(address, options=options)
        else:
            self.channel = grpc.secure_channel(address, credentials, options=options)
        self._predict = self.channel.unary_unary(protocol.PREDICT)

    def __enter__(self) -> GrpcClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def send_bytes(self, message: bytes, timeout_s: float | None = 30.0) -> bytes:
        """The reply's bytes for a request's bytes, whatever they are."""
        return self._predict(message, timeout=timeout_s)

    def future(self, message: bytes, timeout_s: float | None = 30.0) -> Any:
        """Starts a call with these bytes; the future's result is the reply's bytes."""
        return self._predict.future(message, timeout=timeout_s)

    def predict(self, request: Any, timeout_s: float | None = 30.0) -> Reply:
        """Sends a `PredictRequest`."""
        return decode_reply(self.send_bytes(request.SerializeToString(), timeout_s))

    def call(
        self, servable: str, method: str, *instances: dict[str, Any], version: int = 0, timeout_s: float | None = 30.0
    ) -> Reply:
        """Sends instances given as dicts of values."""
        return self.predict(protocol.make_request(servable, method, list(instances), version), timeout_s)


def decode_reply(data: bytes) -> Reply:
    """The reply of these bytes."""
    message = protocol.messages().PredictReply.FromString(data)
    instances = [{name: protocol.from_tensor(item) for name, item in one.items.items()} for one in message.instances]
    errors = [(one.error_code, one.error_msg.decode()) for one in message.error_msg]
    return Reply(instances, errors, message)
