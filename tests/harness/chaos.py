"""Clients of every kind, good and bad, quick and slow; each is right about what it asks, and says how much it asked.

A client is a function of a server, a random generator and a number of requests. It raises `AssertionError` when a
request that deserves an answer gets a wrong one or none.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc
import numpy as np

from . import http2_bytes
from .damage import damaged
from .grpc_client import GrpcClient, decode_reply
from .http_client import HttpClient, RawConnection, post_bytes
from .protocol import make_request
from .server_process import ServerProcess

ECHO = "/model/basic:echo"
_LARGE = 400_000
Actor = Callable[[ServerProcess, random.Random, int], None]


def good_grpc(server: ServerProcess, generator: random.Random, count: int) -> None:
    """Values of all kinds and sizes, many calls at once."""
    with GrpcClient(server.grpc_address) as client:
        for batch in _split(count, 25):
            sent = [[{"x": _value(generator)} for _ in range(generator.randint(1, 4))] for _ in range(batch)]
            futures = [client.future(make_request("basic", "echo", one).SerializeToString()) for one in sent]
            for instances, future in zip(sent, futures, strict=True):
                _assert_echoed(instances, future.result())


def failing_grpc(server: ServerProcess, generator: random.Random, count: int) -> None:
    """Requests of which some instances fail; the others do not."""
    with GrpcClient(server.grpc_address) as client:
        for _ in range(count):
            values = [generator.randint(-3, 3) for _ in range(generator.randint(2, 6))] + [1, -1]
            reply = client.call("failing", "raises", *[{"x": np.int32(value)} for value in values])
            for value, result, (code, _) in zip(values, reply.instances, reply.errors, strict=True):
                assert (code != 0) == (value < 0)
                assert result == ({} if value < 0 else {"y": np.int32(value)})


def bad_grpc(server: ServerProcess, generator: random.Random, count: int) -> None:
    """Damaged messages: each is answered, with status OK."""
    instances = [{"x": np.arange(6, dtype=np.float32).reshape(2, 3), "z": "text"}, {"x": b"\0\xff"}]
    message = make_request("basic", "echo", instances).SerializeToString(deterministic=True)
    with GrpcClient(server.grpc_address) as client:
        for batch in _split(count, 50):
            for future in [client.future(damaged(message, generator)) for _ in range(batch)]:
                reply = decode_reply(future.result())
                assert reply.errors or reply.instances


def impatient_grpc(server: ServerProcess, generator: random.Random, count: int) -> None:
    """Calls that are cancelled, or have no time, at any point of their way; an answer that comes in spite is right."""
    given_up = {grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED}
    with GrpcClient(server.grpc_address) as client:
        for batch in _split(count, 20):
            sent = [[{"x": _value(generator)}] for _ in range(batch)]
            futures = []
            for instances in sent:
                timeout_s = generator.choice((30.0, 1e-6, 1e-3, 3e-3))
                message = make_request("basic", "echo", instances).SerializeToString()
                futures.append(client.future(message, timeout_s=timeout_s))
                if generator.random() < 0.5:
                    generator.choice(futures).cancel()
            for instances, future in zip(sent, futures, strict=True):
                if generator.random() < 0.3:
                    future.cancel()
                try:
                    reply = future.result()
                except (grpc.RpcError, grpc.FutureCancelledError):
                    assert future.cancelled() or future.code() in given_up, future
                else:
                    _assert_echoed(instances, reply)


def good_http(server: ServerProcess, generator: random.Random, count: int) -> None:
    """Requests over connections that are kept, with lengths, in chunks, or one behind the other."""
    while count > 0:
        with RawConnection(server.rest_address) as raw:
            for _ in range(generator.randint(1, 20)):
                bodies = [_json_value(generator) for _ in range(generator.choice((1, 1, 1, 5)))]
                raw.send(b"".join(_post(value, generator) for value in bodies))
                for value in bodies:
                    assert raw.reply().instances == [{"y": value}]
                count -= len(bodies)


def bad_http(server: ServerProcess, generator: random.Random, count: int) -> None:
    """Damaged bodies over one connection, and damaged or odd requests over a connection each: all are answered."""
    body = {"instances": [{"x": [[1.5, -2.0]], "z": "tä\n"}, {"x": {"b64": "AQI=", "type": "int8", "shape": [2]}}]}
    message = json.dumps(body, ensure_ascii=False).encode()
    statuses = {200, 400, 404, 405, 408, 413, 431}
    with HttpClient(server.rest_address) as client:
        for number in range(count):
            if number % 5 < 3:
                assert client.request(ECHO, damaged(message, generator)).status in (200, 400)
                continue
            with RawConnection(server.rest_address) as raw:
                raw.send(_odd_request(message, generator))
                raw.socket.shutdown(socket.SHUT_WR)
                answer = raw.socket.recv(65536)
                assert not answer or int(answer.split(maxsplit=2)[1]) in statuses, answer


def vanishing_http(server: ServerProcess, generator: random.Random, count: int) -> None:
    """Clients that go in the middle of a request or of an answer."""
    for _ in range(count):
        with RawConnection(server.rest_address) as raw:
            size = generator.choice((1, 100, _LARGE // 8))
            message = post_bytes(ECHO, json.dumps({"instances": {"x": [0.5] * size}}).encode())
            sent = generator.choice((message, message[: generator.randrange(len(message))], message[:30]))
            _send_and_go(raw.socket, sent, generator)


def vanishing_grpc(server: ServerProcess, generator: random.Random, count: int) -> None:
    """The same, on the other port."""
    for _ in range(count):
        size = generator.choice((1, 100, _LARGE))
        message = make_request("basic", "echo", [{"x": np.zeros(size, np.uint8)}]).SerializeToString()
        sent = http2_bytes.opening() + b"".join(http2_bytes.call(message, stream) for stream in (1, 3, 5))
        with RawConnection(server.grpc_address) as raw:
            _send_and_go(raw.socket, sent[: generator.randrange(len(sent))], generator)


def nonsense_grpc(server: ServerProcess, generator: random.Random, count: int) -> None:
    """Bytes that are no gRPC."""
    for _ in range(count):
        with RawConnection(server.grpc_address) as raw:
            _send_and_go(raw.socket, http2_bytes.nonsense(generator), generator)


def slow_http(server: ServerProcess, generator: random.Random, count: int) -> None:
    """Requests of which a few bytes come at a time, many at once; each is answered."""
    while count > 0:
        waiting: list[tuple[RawConnection, bytes, Any]] = []
        for _ in range(min(count, 20)):
            value = generator.randint(-1000, 1000)
            waiting.append((RawConnection(server.rest_address), _post(value, generator), value))
        count -= len(waiting)
        while waiting:
            place = generator.randrange(len(waiting))
            raw, rest, value = waiting[place]
            step = generator.randint(1, 40)
            raw.send(rest[:step])
            waiting[place] = raw, rest[step:], value
            if not rest[step:]:
                assert raw.reply().instances == [{"y": value}]
                raw.__exit__()
                del waiting[place]


@contextlib.contextmanager
def silent(server: ServerProcess, generator: random.Random, count: int) -> Iterator[None]:
    """Connections that say nothing, or not all, and are there all the time."""
    with contextlib.ExitStack() as connections:
        for _ in range(count):
            for address in (server.rest_address, server.grpc_address):
                raw = connections.enter_context(RawConnection(address))
                raw.send(generator.choice((b"", b"POST ", http2_bytes.PREFACE[:9], http2_bytes.opening())))
        yield


MIX: Mapping[Actor, int] = {
    good_grpc: 2500,
    failing_grpc: 300,
    bad_grpc: 2000,
    impatient_grpc: 1200,
    good_http: 2000,
    bad_http: 1500,
    vanishing_http: 700,
    vanishing_grpc: 500,
    nonsense_grpc: 500,
    slow_http: 300,
}
"""How many requests of each kind make a whole round."""


def play(server: ServerProcess, seed: int, part: float = 1.0) -> int:
    """All clients at once, each a part of its requests; returns how many were sent. Raises what one found wrong."""
    failures: list[BaseException] = []

    def run(actor: Actor, count: int) -> None:
        try:
            actor(server, random.Random(f"{seed} {actor.__name__}"), count)
        except BaseException as failure:
            failures.append(AssertionError(f"seed {seed}, {actor.__name__}: {failure!r}"))
            failures[-1].__cause__ = failure

    counts = {actor: max(1, round(count * part)) for actor, count in MIX.items()}
    threads = [threading.Thread(target=run, args=item, name=item[0].__name__) for item in counts.items()]
    with silent(server, random.Random(seed), 25):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    return sum(counts.values())


def _split(count: int, size: int) -> Iterator[int]:
    while count > 0:
        yield min(count, size)
        count -= size


def _value(generator: random.Random) -> Any:
    kind = generator.randrange(6)
    if kind == 0:
        return generator.choice(("", "text", "grüße 你好"))
    if kind == 1:
        return np.int64(generator.getrandbits(40))
    size = _LARGE if kind == 2 and generator.random() < 0.05 else generator.randrange(100)
    return np.frombuffer(generator.randbytes(size * 4), np.uint32).reshape(-1, 1)


def _json_value(generator: random.Random) -> Any:
    kind = generator.randrange(4)
    if kind == 0:
        return generator.choice(("", "text", "grüße 你好\n"))
    if kind == 1:
        return [[generator.randrange(1000) / 4 for _ in range(generator.choice((1, 10, 10_000)))]]
    return [generator.randint(-(2**31), 2**31 - 1) for _ in range(generator.randint(1, 20))]


def _post(value: Any, generator: random.Random) -> bytes:
    body = json.dumps({"instances": {"x": value}}, ensure_ascii=generator.random() < 0.5).encode()
    if generator.random() < 0.7:
        return post_bytes(ECHO, body)
    place = generator.randrange(1, len(body))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:place], body[place:], b""))
    return f"POST {ECHO} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunks


def _odd_request(body: bytes, generator: random.Random) -> bytes:
    return generator.choice(
        [
            damaged(post_bytes(ECHO, body), generator),
            generator.randbytes(generator.randrange(1, 300)),
            post_bytes("/model/nobody:echo", body),
            post_bytes("/model/basic:@call_x_0", body),
            post_bytes("/", body),
            post_bytes(ECHO, body, "Some: " + "a" * 9000),
            post_bytes(ECHO, body, *[f"Some-{i}: 1" for i in range(200)]),
            post_bytes(ECHO, b"[" * 5000),
            post_bytes(ECHO, b"").replace(b"Length: 0", b"Length: 999999999999"),
            b"GET " + ECHO.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        ]
    )


def _send_and_go(connection: socket.socket, data: bytes, generator: random.Random) -> None:
    """Sends, perhaps reads a little, and closes, in order or with a reset. The server may have closed before."""
    try:
        connection.sendall(data)
        if generator.random() < 0.3:
            connection.settimeout(0.05)
            connection.recv(10)
        if generator.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        return


def _assert_echoed(instances: list[dict[str, Any]], reply: bytes) -> None:
    results = decode_reply(reply).values
    assert len(results) == len(instances)
    for sent, got in zip(instances, results, strict=True):
        if isinstance(sent["x"], str):
            assert got["y"] == sent["x"]
        else:
            assert (got["y"].dtype, got["y"].shape) == (sent["x"].dtype, sent["x"].shape)
            np.testing.assert_array_equal(got["y"], sent["x"])
