"""The RESTful end point: HTTP in and out. What is in the bodies is the dispatcher's, which gets and gives bytes."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from typing import TYPE_CHECKING, Any

from aiohttp import HttpVersion11, web
from aiohttp.web_request import BaseRequest

from mindspore_serving import log
from mindspore_serving.server import errors
from mindspore_serving.server._master.address import RESTFUL, Address
from mindspore_serving.server._master.request_path import Target, parse_path
from mindspore_serving.server.errors import HttpRefusal

if TYPE_CHECKING:
    from mindspore_serving.server._master._core import Dispatcher
    from mindspore_serving.server._master.tls import Tls

_IDLE_TIMEOUT_S = 100
_BACKLOG = 1024
_TLS_TIMEOUTS = {"ssl_handshake_timeout": 10.0, "ssl_shutdown_timeout": 1.0}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


_SILENT = logging.getLogger("mindspore_serving.server.rest.malformed")
"""What aiohttp says of malformed HTTP: nothing, or anybody could fill the server's output. The client is told."""
_SILENT.disabled = True


class RestServer:
    """Serves RESTful requests on a listening socket. Made and used in the loop's thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, dispatcher: Dispatcher, max_body_bytes: int, always_200: bool
    ) -> None:
        self._loop = loop
        self._dispatcher = dispatcher
        self._max_body_bytes = max_body_bytes
        self._always_200 = always_200
        self._calls: dict[int, asyncio.Future[tuple[int, bytes]]] = {}
        """What the dispatcher works on, by its numbers."""
        self._drained: asyncio.Future[None] | None = None
        self._listener: asyncio.AbstractServer | None = None
        # No router and no middleware: one handler for everything. Without `handler_cancellation` a client that has gone
        # would not be noticed.
        self._server = web.Server(
            self._handle,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=_IDLE_TIMEOUT_S,
            auto_decompress=False,
            logger=_SILENT,
        )
        self._completion_fd = dispatcher.completion_fd()
        loop.add_reader(self._completion_fd, self._take_completions)

    async def listen(self, listening: socket.socket, tls: Tls | None = None) -> None:
        """Accepts connections from now on; the socket is the server's."""
        secure = {} if tls is None else {"ssl": tls.context, **_TLS_TIMEOUTS}
        self._listener = await self._loop.create_server(self._server, sock=listening, backlog=_BACKLOG, **secure)

    def stop_accepting(self) -> None:
        """Closes the listening socket."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def drain(self) -> None:
        """Returns when no call is at the dispatcher."""
        if self._calls:
            self._drained = self._loop.create_future()
            await self._drained

    async def close(self, timeout_s: float) -> None:
        """Lets answers that are complete go out, then closes all connections."""
        self.stop_accepting()
        self._take_completions()
        self._server.pre_shutdown()
        await self._server.shutdown(timeout_s)
        self._loop.remove_reader(self._completion_fd)
        del self._dispatcher  # the listener refers to this object until a garbage collection

    async def _handle(self, request: BaseRequest) -> web.StreamResponse:
        try:
            if request.method != "POST":
                raise errors.method_not_allowed()
            target = parse_path(request.raw_path)
            content = request.content
            body = content.read_nowait() if content.is_eof() else await self._read(request, target)
            if not body:
                raise errors.empty_body()
            if len(body) > self._max_body_bytes:
                raise errors.too_large(self._max_body_bytes)
        except HttpRefusal as refusal:
            return self._refuse(request, refusal)
        call = self._dispatcher.submit_json(*target, body)
        self._calls[call] = future = self._loop.create_future()
        try:
            return self._answer(*await future)
        except asyncio.CancelledError:  # the client has gone
            if self._calls.pop(call, None) is not None:
                self._dispatcher.cancel(call)
                self._check_drained()
            raise

    async def _read(self, request: BaseRequest, target: Target) -> bytes:
        """A body that did not come with its head; refused as soon as it is known to be too large, and without a look at
        it where nothing in it could help."""
        if (request.content_length or 0) > self._max_body_bytes:
            raise errors.too_large(self._max_body_bytes)
        status, text = self._dispatcher.check_target(*target)
        if status != 200:
            raise HttpRefusal(status, text)
        if _expects_continue(request):
            await request.writer.write(_CONTINUE)
            request.writer.output_size = 0  # the writer counts it as part of the answer
        parts: list[bytes] = []
        size = 0
        while part := await request.content.readany():
            parts.append(part)
            size += len(part)
            if size > self._max_body_bytes:
                raise errors.too_large(self._max_body_bytes)
        return b"".join(parts)

    def _refuse(self, request: BaseRequest, refusal: HttpRefusal) -> web.StreamResponse:
        answer = self._answer(refusal.status, _error_body(refusal.text))
        if refusal.status == 405:
            answer.headers["Allow"] = "POST"
        if not request.content.is_eof() and _expects_continue(request):
            answer.force_close()  # whether the body follows is the client's choice, so what comes next is unknown
        return answer

    def _answer(self, status: int, body: bytes) -> web.StreamResponse:
        return web.Response(status=200 if self._always_200 else status, body=body, content_type="application/json")

    def _take_completions(self) -> None:
        calls = self._calls
        for call, status, body in self._dispatcher.take_completions():
            future = calls.pop(call, None)
            if future is not None and not future.done():
                future.set_result((status, body))
        self._check_drained()

    def _check_drained(self) -> None:
        if self._drained is not None and not self._calls and not self._drained.done():
            self._drained.set_result(None)


def open_listening_socket(address: Address, text: str) -> socket.socket:
    """A bound socket for the address. Raises `StartError` naming `text`. SO_REUSEADDR lets a server start again at
    once, and without SO_REUSEPORT two servers cannot have one port."""
    try:
        host = address.host[1:-1] if address.host.startswith("[") and address.host.endswith("]") else address.host
        found = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, where = found[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RESTFUL.cannot_bind(text, error) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise RESTFUL.cannot_bind(text, error) from error
    listening.setblocking(False)
    return listening


def _expects_continue(request: BaseRequest) -> bool:
    return request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue"


def _error_body(text: str) -> bytes:
    log.debug("RESTful request refused: %s", text)
    body: dict[str, Any] = {"error_msg": text}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
