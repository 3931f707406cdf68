"""What every client has: whom it calls, over which channel, and what it makes of the instances and of a failed call."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import grpc

from mindspore_serving.client.checks import check_name, check_timeout, check_version
from mindspore_serving.client.request import Instances, encode_request
from mindspore_serving.client.ssl import SSLConfig, channel_credentials

PREDICT = "/mindspore.serving.proto.MSService/Predict"

_MAX_MESSAGE_BYTES = 512 << 20


class Target:
    """The arguments of a client, checked, as attributes."""

    def __init__(
        self,
        address: str,
        servable_name: str,
        method_name: str,
        version_number: int,
        ssl_config: SSLConfig | None,
        timeout_s: float | None,
    ) -> None:
        self.address = check_name("address", address)
        self.servable_name = check_name("servable_name", servable_name)
        self.method_name = check_name("method_name", method_name)
        self.version_number = check_version("version_number", version_number)
        self.timeout_s = check_timeout("timeout_s", timeout_s)
        if ssl_config is not None and not isinstance(ssl_config, SSLConfig):
            raise RuntimeError(f"The type of ssl_config should be type of SSLConfig, but actually {type(ssl_config)}")
        self._credentials = None if ssl_config is None else channel_credentials(ssl_config)

    def _open_channel(self, kind: ModuleType) -> Any:
        """A channel of `grpc` or `grpc.aio`; it connects at the first call."""
        options: tuple[tuple[str, Any], ...] = (
            ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            # gRPC would send by itself, again and again, what no server has seen. Where a server closes each connection
            # at once, as one that has no memory for messages left does, that takes all memory (grpcio 1.85).
            ("grpc.enable_retries", 0),
            # gRPC lets channels with the same options share a connection, which a forked process must not.
            ("mindspore_serving.process", os.getpid()),
        )
        if self._credentials is None:
            return kind.insecure_channel(self.address, options=options)
        if self.address.startswith("unix:"):  # a path is no name that a certificate could have
            options += (("grpc.ssl_target_name_override", "localhost"),)
        return kind.secure_channel(self.address, self._credentials, options=options)

    def _encode(self, instances: Instances) -> bytes:
        return encode_request(self.servable_name, self.method_name, self.version_number, instances)

    def _timeout(self, timeout_s: float | None) -> float | None:
        return self.timeout_s if timeout_s is None else check_timeout("timeout_s", timeout_s)


def failed_call(error: grpc.RpcError) -> dict[str, str]:
    """What a call without an answer gives."""
    return {"error": f"Grpc Error, {error.code().value}, {error.details()}"}
