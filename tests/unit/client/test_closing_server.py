"""Calls to a server that closes each connection at once end, and do not take all memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.harness.closing_server import closing_server

_MOST_MEMORY = 2 << 30
_BEFORE = f"""
import asyncio, resource, sys
from mindspore_serving.client import Client, aio
resource.setrlimit(resource.RLIMIT_DATA, ({_MOST_MEMORY}, {_MOST_MEMORY}))
arguments = (sys.argv[1], "basic", "echo")
"""
_ASK = """
with Client(*arguments, timeout_s=20) as client:
    print(*(client.infer({"x": 1})["error"] for _ in range(20)), sep="\\n")
"""
_ASK_AIO = """
async def main():
    async with aio.Client(*arguments, timeout_s=20) as client:
        answers = await asyncio.gather(*(client.infer({"x": 1}) for _ in range(20)))
        print(*(answer["error"] for answer in answers), sep="\\n")
asyncio.run(main())
"""


@pytest.mark.parametrize("ask", [_ASK, _ASK_AIO], ids=["client", "aio"])
def test_calls_end(ask: str) -> None:
    """In a process of its own, since what gRPC's own retries would do is take all memory there is."""
    with closing_server() as address:
        command = [sys.executable, "-c", _BEFORE + ask, address]
        environment = {**os.environ, "GRPC_VERBOSITY": "NONE"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Grpc Error, (14, 'unavailable'), ") == 20
