"""`Client`: calls a method of a servable over gRPC."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import grpc

from mindspore_serving.client.checks import check_str, check_timeout, check_version
from mindspore_serving.client.ssl import SSLConfig, channel_credentials
from mindspore_serving.client.tensors import decode, encode
from mindspore_serving.proto import ms_service_pb2 as pb
from mindspore_serving.proto import ms_service_pb2_grpc as pb_grpc

Instances = dict[str, Any] | Sequence[dict[str, Any]]
Result = list[dict[str, Any]] | dict[str, str]

_MAX_MESSAGE_BYTES = 512 << 20
_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
)


class Client:
    """Calls one method of a servable. Thread-safe; connects at the first call, and again after a lost connection.

    Args:
        address: "<host>:<port>" or "unix:<path>" of the server's gRPC end point.
        servable_name: the servable.
        method_name: the method of the servable.
        version_number: version of the servable; 0 is the newest that is running. Default: 0.
        ssl_config: speak TLS, with an `SSLConfig` of this package. Default: None, no TLS.
        timeout_s: seconds after which a call is given up, where the call says nothing else. Default: None, never.

    Raises:
        RuntimeError: an argument is of the wrong type or out of its range.
        FileNotFoundError: a file that `ssl_config` names is missing.

    >>> client = Client("127.0.0.1:5500", "add", "add_common")
    >>> client.infer([{"x1": np.ones((2, 2), np.float32), "x2": np.ones((2, 2), np.float32)}])
    [{'y': array([[2., 2.], [2., 2.]], dtype=float32)}]
    """

    def __init__(
        self,
        address: str,
        servable_name: str,
        method_name: str,
        version_number: int = 0,
        ssl_config: SSLConfig | None = None,
        *,
        timeout_s: float | None = None,
    ) -> None:
        self.address = check_str("address", address)
        self.servable_name = check_str("servable_name", servable_name)
        self.method_name = check_str("method_name", method_name)
        self.version_number = check_version("version_number", version_number)
        self.timeout_s = check_timeout("timeout_s", timeout_s)
        if ssl_config is None:
            self.channel = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
        elif isinstance(ssl_config, SSLConfig):
            self.channel = grpc.secure_channel(address, channel_credentials(ssl_config), options=_CHANNEL_OPTIONS)
        else:
            raise RuntimeError(f"The type of ssl_config should be type of SSLConfig, but actually {type(ssl_config)}")
        self.stub = pb_grpc.MSServiceStub(self.channel)

    def infer(self, instances: Instances, *, timeout_s: float | None = None) -> Result:
        """Runs the method on one or more instances and waits for the results.

        Args:
            instances: `{input name: value}`, or a list or tuple of these. A value is a `numpy.ndarray` or numpy scalar
                of bool, (u)int8 to 64 or float16 to 64, or a `bool`, `int`, `float`, `str` or `bytes` (which get the
                shape `(1,)`).
            timeout_s: seconds after which the call is given up. Default: None, as the client was built.

        Returns:
            A list with `{output name: value}` for each instance, in order; a failed instance is `{"error": text}`.
            Values are `str`, `bytes` or read-only arrays, 0-d for scalars. `{"error": text}` instead of the list where
            the whole request failed, or all its instances did for one reason. A failed call (no server, time-out, too
            large) prints its details and is `{"error": "Grpc Error, (<number>, '<name>'), <details>"}`.

        Raises:
            RuntimeError: an instance is not a dict, or a value cannot be sent; nothing was sent then. Or the server's
                reply makes no sense.
        """
        request = self._encode(instances)
        try:
            reply = self.stub.Predict(request, timeout=self._timeout(timeout_s))
        except grpc.RpcError as error:
            return _report_failed_call(error)
        return _decode(reply)

    def infer_async(
        self, instances: Instances, *, timeout_s: float | None = None
    ) -> ClientGrpcAsyncResult | ClientGrpcAsyncError:
        """Starts a call and returns at once; `.result()` waits for what `infer` would return.

        Takes and checks what `infer` does. Unlike there, a failed call makes `result()` raise `grpc.RpcError`.

        >>> pending = [client.infer_async(instance) for instance in instances]
        >>> results = [call.result() for call in pending]
        """
        request = self._encode(instances)
        try:
            return ClientGrpcAsyncResult(self.stub.Predict.future(request, timeout=self._timeout(timeout_s)))
        except grpc.RpcError as error:
            return ClientGrpcAsyncError(_report_failed_call(error))

    def close(self) -> None:
        """Ends the connection; calls in flight fail. Idempotent. An unclosed client is closed when it is collected."""
        self.channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _timeout(self, timeout_s: float | None) -> float | None:
        return self.timeout_s if timeout_s is None else check_timeout("timeout_s", timeout_s)

    def _encode(self, instances: Instances) -> pb.PredictRequest:
        if not isinstance(instances, (tuple, list)):
            instances = (instances,)
        request = pb.PredictRequest()
        spec = request.servable_spec
        spec.name = self.servable_name
        spec.method_name = self.method_name
        spec.version_number = self.version_number
        for instance in instances:
            if not isinstance(instance, dict):
                raise RuntimeError(f"instance should be a map from input name to value, but actually {type(instance)}")
            items = request.instances.add().items
            for name, value in instance.items():
                encode(value, items[name])
        return request


class ClientGrpcAsyncResult:
    """A call that `Client.infer_async` started; `result_future` is its `grpc.Future`."""

    def __init__(self, result_future: grpc.Future) -> None:
        self.result_future = result_future

    def result(self) -> Result:
        """Waits, and returns what `Client.infer` would. Raises `grpc.RpcError` where the call failed or timed out."""
        return _decode(self.result_future.result())


class ClientGrpcAsyncError:
    """A call that could not even be started."""

    def __init__(self, result_error: dict[str, str]) -> None:
        self.result_error = result_error

    def result(self) -> dict[str, str]:
        """`{"error": text}`, as `Client.infer` returns it for a failed call."""
        return self.result_error


def _report_failed_call(error: grpc.RpcError) -> dict[str, str]:
    # Scripts of the original look for these lines.
    details, code = error.details(), error.code()
    print(details)
    print(code.name)
    print(code.value)
    return {"error": f"Grpc Error, {code.value}, {details}"}


def _decode(reply: pb.PredictReply) -> Result:
    errors, instances = reply.error_msg, reply.instances
    if not errors:
        return [{name: decode(tensor) for name, tensor in instance.items.items()} for instance in instances]
    if len(errors) == 1 and errors[0].error_code != 0:
        return {"error": _text(errors[0])}
    if len(errors) != len(instances):
        raise RuntimeError(
            f"The reply's error msg result size {len(errors)} does not match its {len(instances)} instances"
        )
    return [
        {"error": _text(error)}
        if error.error_code != 0
        else {name: decode(tensor) for name, tensor in instance.items.items()}
        for error, instance in zip(errors, instances, strict=True)
    ]


def _text(error: pb.ErrorMsg) -> str:
    return error.error_msg.decode(errors="replace")
