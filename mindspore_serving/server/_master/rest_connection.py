"""A connection of a RESTful client: how slow it may be, and what malformed HTTP is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_request import BaseRequest

from mindspore_serving import log
from mindspore_serving.server import errors
from mindspore_serving.server.errors import HttpRefusal
from mindspore_serving.server.limits import RequestLimits

_LEAST_BYTES = 64 * 1024
"""What a client has to send, or take, in each `request_timeout_s`."""
_NEVER_S = 10 * 86_400.0
_SECOND_LOOK_S = 0.1


class Pace:
    """Calls `expire` once `progress()` has grown by less than 64 KiB in `timeout_s`, unless it is stopped before.

    It looks twice: where the server itself was held up, what has come meanwhile is read between the two."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeout_s: float,
        progress: Callable[[], int],
        expire: Callable[[], None],
    ) -> None:
        self._loop, self._timeout_s = loop, timeout_s
        self._progress, self._expire = progress, expire
        self._last = progress()
        self._in_doubt = False
        self._timer = loop.call_later(timeout_s, self._look)

    def stop(self) -> None:
        """It is done, or the connection is."""
        self._timer.cancel()

    def _look(self) -> None:
        now = self._progress()
        enough = now - self._last >= _LEAST_BYTES
        if self._in_doubt and not enough:
            self._expire()
            return
        self._in_doubt = not enough
        if enough:
            self._last = now
        self._timer = self._loop.call_later(self._timeout_s if enough else _SECOND_LOOK_S, self._look)


class BodyEnded(asyncio.TimeoutError):
    """What a body ends with when its request is refused before all of it has come. A time-out, because that is what
    aiohttp expects of a body that it reads on after the answer."""

    def __init__(self, refusal: HttpRefusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class Connection(web.RequestHandler):
    """aiohttp's connection, which ends when its client is too slow and answers malformed HTTP in JSON."""

    __slots__ = (
        "_begun_after",
        "_body",
        "_ended",
        "_in_doubt",
        "_limits",
        "_look_timer",
        "_serving",
        "_unread",
        "_waiting_since",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        server: web.Server,
        limits: RequestLimits,
        ended: Callable[[Connection], None],
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            max_line_size=limits.max_header_bytes,
            max_field_size=limits.max_header_bytes,
            max_headers=limits.max_headers,
            keepalive_timeout=_NEVER_S,  # the connection looks after that itself
            access_log=None,
            auto_decompress=False,
        )
        self._limits = limits
        self._ended = ended
        """Told of the connection's end."""
        self._serving = False
        """Whether a request is being answered."""
        self._body: StreamReader | None = None
        """Of the last request that has come: what is left of it may still come after the answer."""
        self._begun_after = -1
        """How many requests had come when a head last began to."""
        self._waiting_since = self._loop.time()
        self._look_timer: asyncio.TimerHandle | None = None
        self._in_doubt = False
        self._unread: Pace | None = None
        """While the client has not taken what was sent."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A new client, after the handshake where there is TLS."""
        super().connection_made(transport)
        self._look_again(self._limits.idle_timeout_s)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end, whoever wanted it."""
        self._ended(self)
        if self._look_timer is not None:
            self._look_timer.cancel()
        self._drop_unread()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The time for a head runs from its first bytes, or from the answer to the request before it. (What comes in
        one piece with the end of that request cannot be told from it.)"""
        body, count = self._body, self._request_count
        in_body = body is not None and not body.is_eof()
        # aiohttp itself calls this without data, to go on with what it has.
        if data and not in_body and not self._head_begun:
            self._begun_after = count
            self._waiting_since = self._loop.time()
        super().data_received(data)
        if self._request_count > count:
            if in_body and not body.is_eof():  # what has come is an error, and the body will never end
                body.set_exception(BodyEnded(errors.malformed_body()))
            self._body = self._messages[-1][1]

    @property
    def _head_begun(self) -> bool:
        return self._begun_after == self._request_count

    def head_complete(self) -> None:
        """A request has come and is going to be answered."""
        self._serving = True

    async def finish_response(self, request: BaseRequest, *arguments: Any) -> Any:
        """Sends an answer; afterwards the next head may come."""
        try:
            return await super().finish_response(request, *arguments)
        finally:
            self._serving = False
            self._waiting_since = self._loop.time()

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to malformed HTTP, after which the connection ends."""
        self.head_complete()
        if status == 500:
            log.error("a RESTful request failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun, so there can be no other")
        too_long, too_many = isinstance(exc, LineTooLong), "Too many headers" in (message or "")
        if too_long:
            text = f"the request line or a header is longer than {self._limits.max_header_bytes} bytes"
        elif too_many:
            text = f"there are more than {self._limits.max_headers} headers"
        else:
            text = (message or "Failed to construct the response").partition("\n")[0].rstrip(":")
            text = f"malformed HTTP request: {text}" if status == 400 else text
        answer = web.Response(
            status=431 if too_long or too_many else status,
            body=error_body(text),
            content_type="application/json",
        )
        answer.force_close()
        return answer

    def log_exception(self, *arguments: Any, **options: Any) -> None:
        """aiohttp cannot go on, and ends the connection. Malformed HTTP does not come here, or anybody could fill the
        log."""
        log.error(*arguments, **options)

    def pause_writing(self) -> None:
        """The client does not take what it asked for as fast as it comes."""
        super().pause_writing()
        transport = self.transport
        if self._unread is None and transport is not None:
            self._unread = Pace(
                self._loop,
                self._limits.request_timeout_s,
                lambda: -transport.get_write_buffer_size(),
                transport.abort,
            )

    def resume_writing(self) -> None:
        """It has taken it."""
        super().resume_writing()
        self._drop_unread()

    def force_close(self) -> None:
        """What the client does not read does not keep the connection."""
        if self.transport is not None and self.transport.get_write_buffer_size() > 0:
            self._loop.call_later(self._limits.request_timeout_s, self.transport.abort)
        super().force_close()

    def _drop_unread(self) -> None:
        if self._unread is not None:
            self._unread.stop()
            self._unread = None

    def _look_again(self, in_s: float) -> None:
        # In the time for a head at the latest: one may begin at any moment, and then nothing is set anew.
        self._look_timer = self._loop.call_later(min(in_s, self._limits.request_timeout_s), self._look)

    def _look(self) -> None:
        limits = self._limits
        limit_s = limits.request_timeout_s if self._head_begun else limits.idle_timeout_s
        left_s = limit_s if self._serving else self._waiting_since + limit_s - self._loop.time()
        if left_s > 0 or not self._in_doubt:
            self._in_doubt = left_s <= 0  # as with `Pace`
            self._look_again(left_s if left_s > 0 else _SECOND_LOOK_S)
            return
        self._look_timer = None
        if self._head_begun and self.transport is not None:
            text = f"the head of the request did not come within {limit_s:g} s"
            self.transport.write(raw_answer("408 Request Timeout", text))
        self.force_close()


def error_body(text: str) -> bytes:
    """The body of an answer that is an error."""
    return json.dumps({"error_msg": text}, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def raw_answer(status: str, text: str) -> bytes:
    """For clients that sent no request which could be answered."""
    body = error_body(text)
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body
