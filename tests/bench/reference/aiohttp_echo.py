"""A bare echo on aiohttp's low-level server and uvloop: it answers every request with the request's own body.

Prints "listening on 127.0.0.1:<port>" and runs until its standard input ends.
"""

import asyncio
import sys

import uvloop
from aiohttp import web


async def _echo(request: web.BaseRequest) -> web.Response:
    return web.Response(body=await request.read(), content_type="application/json")


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(web.Server(_echo, access_log=None), "127.0.0.1", 0)
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), lambda: sys.stdin.buffer.read1(1) or ended.set())
    await ended.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(_serve())
