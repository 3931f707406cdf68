"""The RESTful end point: HTTP in and out. What is in the bodies is the dispatcher's, which gets and gives bytes."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from aiohttp import StreamReader, web
from aiohttp.web_request import BaseRequest

from mindspore_serving import log
from mindspore_serving.server import errors
from mindspore_serving.server._master.request_headers import check_headers, expects_continue
from mindspore_serving.server._master.request_path import Target, parse_path, parse_timeout
from mindspore_serving.server._master.rest_connection import BodyEnded, Pace, error_body
from mindspore_serving.server._master.rest_listener import Listener
from mindspore_serving.server.errors import HttpRefusal
from mindspore_serving.server.limits import RequestLimits

if TYPE_CHECKING:
    from mindspore_serving.server._master._core import Dispatcher
    from mindspore_serving.server._master.tls import Tls

_TIMEOUT_HEADER = "Grpc-Timeout"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class RestServer:
    """Serves RESTful requests on a listening socket. Made and used in the loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        dispatcher: Dispatcher,
        max_body_bytes: int,
        always_200: bool,
        limits: RequestLimits,
    ) -> None:
        self._loop = loop
        self._dispatcher = dispatcher
        self._max_body_bytes = max_body_bytes
        self._always_200 = always_200
        self._limits = limits
        dispatcher.set_json_limits(limits.max_instances, limits.max_name_bytes, limits.max_json_depth)
        self._calls: dict[int, asyncio.Future[tuple[int, bytes]]] = {}
        """What the dispatcher works on, by its numbers."""
        self._coming: set[StreamReader] = set()
        """Bodies that are being read."""
        self._under_way = 0
        """Requests that have no answer yet."""
        self._drained: asyncio.Future[None] | None = None
        # No router and no middleware: one handler for everything. Without `handler_cancellation` a client that has gone
        # would not be noticed.
        self._server = web.Server(self._handle, handler_cancellation=True)
        self.listener = Listener(loop, self._server, limits)
        self._completion_fd = dispatcher.completion_fd()
        loop.add_reader(self._completion_fd, self._take_completions)

    def listen(self, listening: socket.socket, tls: Tls | None = None) -> None:
        """Accepts connections from now on; the socket is the server's."""
        self.listener.listen(listening, tls)

    def stop_accepting(self) -> None:
        """Closes the listening socket."""
        self.listener.stop_accepting()

    async def drain(self) -> None:
        """Returns when every request has its answer."""
        if self._under_way:
            self._drained = self._loop.create_future()
            await self._drained

    async def close(self, timeout_s: float) -> None:
        """Refuses requests whose body has not come, lets answers go out, then closes all connections."""
        self.listener.close()
        self._take_completions()
        for content in self._coming:
            content.set_exception(BodyEnded(errors.stopping()))
        self._server.pre_shutdown()
        await self._server.shutdown(timeout_s)
        self._loop.remove_reader(self._completion_fd)
        del self._dispatcher  # the connections may refer to this object until a garbage collection

    async def _handle(self, request: BaseRequest) -> web.StreamResponse:
        request.protocol.head_complete()
        deadline: float | None = None
        self._under_way += 1
        try:
            if request.method != "POST":
                raise errors.method_not_allowed()
            target = parse_path(request.raw_path)
            check_headers(request)
            if _TIMEOUT_HEADER in request.headers:
                deadline = self._loop.time() + parse_timeout(request.headers[_TIMEOUT_HEADER])
            content = request.content
            body = content.read_nowait() if content.is_eof() else await self._read(request, target, deadline)
            if not body:
                raise errors.empty_body()
            if len(body) > self._max_body_bytes:
                raise errors.too_large(self._max_body_bytes)
            return self._answer(*await self._call(target, body, deadline))
        except HttpRefusal as refusal:
            return self._refuse(request, refusal)
        finally:
            self._under_way -= 1
            if not self._under_way and self._drained is not None and not self._drained.done():
                self._drained.set_result(None)

    async def _call(self, target: Target, body: bytes, deadline: float | None) -> tuple[int, bytes]:
        """Status and body of the dispatcher's answer."""
        if deadline is not None and deadline <= self._loop.time():
            raise errors.deadline_passed()
        call = self._dispatcher.submit_json(*target, body)
        self._calls[call] = future = self._loop.create_future()
        expiry = None if deadline is None else self._loop.call_at(deadline, self._expire, call)
        try:
            return await future
        except asyncio.CancelledError:  # the client has gone
            self._drop(call)
            raise
        finally:
            if expiry is not None:
                expiry.cancel()

    def _expire(self, call: int) -> None:
        future = self._calls.get(call)
        if future is not None and not future.done():
            late = errors.deadline_passed()
            future.set_result((late.status, error_body(late.text)))
            self._drop(call)

    def _drop(self, call: int) -> None:
        """Nobody waits for the call any more."""
        if self._calls.pop(call, None) is not None:
            self._dispatcher.cancel(call)

    async def _read(self, request: BaseRequest, target: Target, deadline: float | None) -> bytes:
        """A body that did not come with its head; refused as soon as it is known to be too large, and without a look at
        it where nothing in it could help."""
        if (request.content_length or 0) > self._max_body_bytes:
            raise errors.too_large(self._max_body_bytes)
        status, text = self._dispatcher.check_target(*target)
        if status != 200:
            raise HttpRefusal(status, text)
        if expects_continue(request):
            await request.writer.write(_CONTINUE)
            request.writer.output_size = 0  # the writer counts it as part of the answer
        content, timeout_s = request.content, self._limits.request_timeout_s

        def end(refusal: HttpRefusal) -> None:
            content.set_exception(BodyEnded(refusal))

        pace = Pace(self._loop, timeout_s, lambda: content.total_bytes, lambda: end(errors.too_slow(timeout_s)))
        expiry = None if deadline is None else self._loop.call_at(deadline, end, errors.deadline_passed())
        self._coming.add(content)
        parts: list[bytes] = []
        size = 0
        try:
            while part := await content.readany():
                parts.append(part)
                size += len(part)
                if size > self._max_body_bytes:
                    raise errors.too_large(self._max_body_bytes)
        except BodyEnded as ended:
            raise ended.refusal from None
        finally:
            self._coming.discard(content)
            pace.stop()
            if expiry is not None:
                expiry.cancel()
        return b"".join(parts)

    def _refuse(self, request: BaseRequest, refusal: HttpRefusal) -> web.StreamResponse:
        log.debug("RESTful request refused: %s", refusal.text)
        answer = self._answer(refusal.status, error_body(refusal.text))
        if refusal.status == 405:
            answer.headers["Allow"] = "POST"
        if refusal.status == 415:
            answer.headers["Accept-Encoding"] = "identity"
        content = request.content
        if content.exception() is not None or (expects_continue(request) and not content.is_eof()):
            # Whether and when the rest of the body follows is the client's choice, so what comes next is unknown.
            answer.force_close()
        return answer

    def _answer(self, status: int, body: bytes) -> web.StreamResponse:
        return web.Response(status=200 if self._always_200 else status, body=body, content_type="application/json")

    def _take_completions(self) -> None:
        calls = self._calls
        for call, status, body in self._dispatcher.take_completions():
            future = calls.pop(call, None)
            if future is not None and not future.done():
                future.set_result((status, body))
