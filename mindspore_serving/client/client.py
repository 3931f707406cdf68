"""`Client`: calls a method of a servable over gRPC."""

from __future__ import annotations

from types import TracebackType

import grpc

from mindspore_serving.client.reply import Result, decode_reply, decode_reply_message
from mindspore_serving.client.request import Instances
from mindspore_serving.client.ssl import SSLConfig
from mindspore_serving.client.target import PREDICT, Target, failed_call
from mindspore_serving.proto import ms_service_pb2 as pb
from mindspore_serving.proto import ms_service_pb2_grpc as pb_grpc


class Client(Target):
    """Calls one method of a servable. Thread-safe; connects at the first call, and again after a lost connection.
    A forked process needs a client of its own.

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
        super().__init__(address, servable_name, method_name, version_number, ssl_config, timeout_s)
        self.channel: grpc.Channel = self._open_channel(grpc)
        self.stub = pb_grpc.MSServiceStub(self.channel)
        self._predict = self.channel.unary_unary(PREDICT)  # bytes to bytes
        self._predict_async = self.channel.unary_unary(PREDICT, response_deserializer=pb.PredictReply.FromString)

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
            TypeError: the name of an input is no `str`; nothing was sent then.
            ValueError: the client is closed.
        """
        request = self._encode(instances)
        try:
            reply = self._predict(request, self._timeout(timeout_s))
        except grpc.RpcError as error:
            return _report_failed_call(error)
        return decode_reply(reply)

    def infer_async(
        self, instances: Instances, *, timeout_s: float | None = None
    ) -> ClientGrpcAsyncResult | ClientGrpcAsyncError:
        """Starts a call and returns at once.

        Args:
            instances: as for `infer`.
            timeout_s: seconds, from now on, after which the call is given up. Default: None, as the client was built.

        Returns:
            An object whose `result()` waits for what `infer` would return. Unlike there, a failed call makes `result()`
            raise `grpc.RpcError` and prints nothing.

        Raises:
            RuntimeError, TypeError, ValueError: as `infer`, at once; only a reply that makes no sense is raised by
                `result()`.

        >>> pending = [client.infer_async(instance) for instance in instances]
        >>> results = [call.result() for call in pending]
        """
        request = self._encode(instances)
        try:
            return ClientGrpcAsyncResult(self._predict_async.future(request, self._timeout(timeout_s)))
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


class ClientGrpcAsyncResult:
    """A call that `Client.infer_async` started; `result_future` is its `grpc.Future`."""

    def __init__(self, result_future: grpc.Future) -> None:
        self.result_future = result_future

    def result(self) -> Result:
        """Waits, and returns what `Client.infer` would. Raises `grpc.RpcError` where the call failed or timed out."""
        return decode_reply_message(self.result_future.result())


class ClientGrpcAsyncError:
    """A call that could not even be started."""

    def __init__(self, result_error: dict[str, str]) -> None:
        self.result_error = result_error

    def result(self) -> dict[str, str]:
        """`{"error": text}`, as `Client.infer` returns it for a failed call."""
        return self.result_error


def _report_failed_call(error: grpc.RpcError) -> dict[str, str]:
    # Scripts of the original look for these lines.
    print(error.details())
    print(error.code().name)
    print(error.code().value)
    return failed_call(error)
