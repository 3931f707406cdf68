"""A RESTful server without sockets or workers, and a client's connection to it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mindspore_serving.server._master.rest import RestServer
from mindspore_serving.server.limits import RequestLimits

from .fakes import FakeDispatcher

BODY_LIMIT = 1000
HEAD = b"POST /model/add:m HTTP/1.1\r\nHost: x\r\n"
REQUEST = HEAD + b"Content-Length: 1\r\n\r\nx"
_LIMITS = RequestLimits()


def error(body: bytes) -> str:
    """The text of an answer that is an error."""
    return json.loads(body)["error_msg"]


class Connection:
    """A client's end of a connection to the server."""

    def __init__(self, dispatcher: FakeDispatcher, server: RestServer) -> None:
        self.dispatcher = dispatcher
        self.server = server
        self.closed = False
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def open(self) -> None:
        here, there = socket.socketpair()
        self.server.listener.take(there)
        self.reader, self.writer = await asyncio.open_unix_connection(sock=here, limit=1 << 24)

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)).decode().splitlines()
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def end(self) -> bytes:
        """What comes until the server ends the connection."""
        return await asyncio.wait_for(self.reader.read(), 10)

    async def gone(self) -> None:
        """Waits until the server has no connection."""

        async def wait() -> None:
            while self.server.listener.count:
                await asyncio.sleep(0)

        await asyncio.wait_for(wait(), 10)

    async def answered(self, body: bytes = b"{}") -> None:
        """One request and its answer."""
        self.send(REQUEST)
        self.dispatcher.complete(await self.submitted(len(self.dispatcher.submitted) + 1), 200, body)
        assert (await self.answer())[0] == 200

    async def later(self, seconds: float) -> None:
        """Lets everything happen that has been sent, then lets the loop's clock go forward."""
        await self._settle()
        loop = asyncio.get_running_loop()
        clock = loop.time
        loop.time = lambda: clock() + seconds
        await self._settle()

    async def too_late(self, seconds: float) -> None:
        """As `later`, and once more a little later: the server looks twice before it lets a client go."""
        await self.later(seconds)
        await self.later(0.1)

    async def _settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def submitted(self, count: int = 1) -> int:
        """Waits until the dispatcher has that many calls; gives the last one's number."""

        async def wait() -> None:
            while len(self.dispatcher.submitted) < count:
                await asyncio.sleep(0)

        await asyncio.wait_for(wait(), 10)
        return list(self.dispatcher.submitted)[count - 1]


@pytest.fixture
def run():
    """Runs a scenario with one connection to a new server; on asyncio's loop, whose time the scenarios may set."""

    def run(
        scenario: Callable[[Connection], Coroutine[Any, Any, None]],
        always_200: bool = False,
        limits: RequestLimits = _LIMITS,
        run_loop: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run,
    ) -> None:
        async def play() -> None:
            dispatcher = FakeDispatcher()
            server = RestServer(asyncio.get_running_loop(), dispatcher, BODY_LIMIT, always_200, limits)
            connection = Connection(dispatcher, server)
            await connection.open()
            try:
                await scenario(connection)
            finally:
                connection.writer.close()
                if not connection.closed:
                    await server.close(1)
                dispatcher.close()

        run_loop(play())

    return run
