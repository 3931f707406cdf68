"""The client for asyncio programs: the same arguments and results, and `infer` is awaited.

>>> from mindspore_serving.client import aio
>>> async with aio.Client("127.0.0.1:5500", "add", "add_common") as client:
...     results = await asyncio.gather(*(client.infer(instance) for instance in instances))
"""

from __future__ import annotations

import asyncio
from types import TracebackType

import grpc
import grpc.aio

from mindspore_serving.client.reply import Result, decode_reply
from mindspore_serving.client.request import Instances
from mindspore_serving.client.ssl import SSLConfig
from mindspore_serving.client.target import PREDICT, Target, failed_call

__all__ = ["Client", "SSLConfig"]

_CLOSED = "Channel closed!"


class Client(Target):
    """Calls one method of a servable from one event loop, which is the one that runs at the first call. Any number of
    calls may run at once.

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

    >>> async with Client("127.0.0.1:5500", "add", "add_common") as client:
    ...     result = await client.infer({"x1": np.ones((2, 2), np.float32), "x2": np.ones((2, 2), np.float32)})
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
        self.channel: grpc.aio.Channel | None = None  # made in the loop that it is for
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def infer(self, instances: Instances, *, timeout_s: float | None = None) -> Result:
        """Runs the method on one or more instances. Cancelling the awaiting task cancels the call, in the server too.

        Args:
            instances: as for `mindspore_serving.client.Client.infer`.
            timeout_s: seconds after which the call is given up. Default: None, as the client was built.

        Returns:
            What `mindspore_serving.client.Client.infer` returns, with the same errors; nothing is printed.

        Raises:
            RuntimeError: an instance is not a dict, or a value cannot be sent; nothing was sent then. Or the server's
                reply makes no sense, or another event loop runs than at the first call.
            TypeError: the name of an input is no `str`; nothing was sent then.
            ValueError: the client is closed.
        """
        request = self._encode(instances)
        self._connect()
        # Gathered, a call that ends with the client cancels itself and not this task; who cancels the task cancels it.
        call = self._predict(request, timeout=self._timeout(timeout_s))
        (reply,) = await asyncio.gather(call, return_exceptions=True)
        if isinstance(reply, asyncio.CancelledError):
            return {"error": f"Grpc Error, {grpc.StatusCode.CANCELLED.value}, {_CLOSED}"}
        if isinstance(reply, grpc.RpcError):
            return failed_call(reply)
        if isinstance(reply, BaseException):
            raise reply
        return decode_reply(reply)

    async def close(self) -> None:
        """Ends the connection; calls in flight fail. Idempotent."""
        self._closed = True
        if self.channel is not None:
            await self.channel.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _connect(self) -> None:
        if self._closed:
            raise ValueError("Cannot invoke RPC on closed channel!")
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        if self._loop is not None:
            raise RuntimeError("A client belongs to the event loop of its first call; make another one for this loop")
        self.channel = self._open_channel(grpc.aio)
        self._predict = self.channel.unary_unary(PREDICT)  # bytes to bytes
        self._loop = loop
