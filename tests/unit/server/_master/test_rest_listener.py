"""How many RESTful clients are let in, and when."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
import ssl
import types
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop

from mindspore_serving.server._master import rest_listener
from mindspore_serving.server._master.address import RESTFUL, parse_address
from mindspore_serving.server._master.rest_listener import most_connections, open_listening_socket
from mindspore_serving.server.limits import RequestLimits

from .conftest import REQUEST, Connection, error


def test_one_connection_too_many_is_told_so(run):
    async def scenario(connection: Connection) -> None:
        other = Connection(connection.dispatcher, connection.server)
        await other.open()
        other.send(REQUEST)
        status, headers, body = await other.answer()
        assert (status, headers["connection"]) == (503, "close")
        assert error(body) == "there are 1 connections, which is the limit, try again later"
        await other.later(1)
        assert await other.end() == b""
        connection.writer.close()
        await connection.gone()
        await connection.open()
        await connection.answered()

    run(scenario, limits=RequestLimits(max_connections=1))


def test_few_are_told_at_once(run):
    async def scenario(connection: Connection) -> None:
        others = [Connection(connection.dispatcher, connection.server) for _ in range(20)]
        for other in others:
            await other.open()
        ends = [await other.end() for other in others]
        assert [b"503 Service Unavailable" in end for end in ends] == [True] * 16 + [False] * 4
        await connection.answered()

    run(scenario, limits=RequestLimits(max_connections=1))


class Exhausted(socket.socket):
    """Listens in a process that has no descriptor left."""

    full = True

    def accept(self):
        if self.full:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


@contextlib.contextmanager
def a_client_of(listening: socket.socket, connection: Connection) -> Iterator[Any]:
    """The server listens there too, and somebody has connected."""
    with listening, socket.socket() as client:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        connection.server.listen(listening)
        client.connect(listening.getsockname())
        yield listening


def test_a_process_without_descriptors_accepts_again_later(run, monkeypatch):
    warnings = []
    monkeypatch.setattr(rest_listener.log, "warning", lambda *arguments: warnings.append(arguments))

    async def scenario(connection: Connection) -> None:
        with a_client_of(Exhausted(), connection) as listening:
            await connection.later(0)
            await connection.later(0.5)
            listening.full = False
            assert connection.server.listener.count == 1
            await connection.later(0.5)
            await connection.later(0)
            assert connection.server.listener.count == 2

    run(scenario)
    assert len(warnings) == 1


def test_an_error_of_one_connection_does_not_keep_others_waiting(run, monkeypatch):
    warnings = []
    monkeypatch.setattr(rest_listener.log, "warning", lambda *arguments: warnings.append(arguments))

    class Failing(socket.socket):
        failures = 1

        def accept(self):
            if self.failures:
                self.failures -= 1
                raise OSError(errno.EHOSTUNREACH, "No route to host")
            return super().accept()

    async def scenario(connection: Connection) -> None:
        with a_client_of(Failing(), connection):
            await connection.later(0)
            await connection.later(0)
            assert connection.server.listener.count == 2

    run(scenario)
    assert not warnings


def test_silence_in_place_of_a_tls_handshake_is_told(run, monkeypatch):
    warnings: list[str] = []
    told = asyncio.Event()

    def warning(text: str, *arguments: object, **_: object) -> None:
        warnings.append(text % arguments)
        told.set()

    monkeypatch.setattr(rest_listener.log, "warning", warning)

    async def scenario(connection: Connection) -> None:
        tls = types.SimpleNamespace(context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        connection.server.listen(listening, tls)
        with socket.create_connection(listening.getsockname()) as client:
            port = client.getsockname()[1]
            await asyncio.wait_for(told.wait(), 10)
        assert [text.partition(": ")[0] for text in warnings] == [
            f"TLS handshake with the RESTful client 127.0.0.1 port {port} failed"
        ]

    # The server's own loop: that of Python 3.10 takes no ssl_shutdown_timeout.
    run(scenario, limits=RequestLimits(request_timeout_s=0.05), run_loop=uvloop.run)


def test_a_client_that_has_gone_before_it_is_accepted(run):
    async def scenario(connection: Connection) -> None:
        here, there = socket.socketpair()
        here.close()
        connection.server.listener.take(there)
        connection.writer.close()
        await connection.gone()

    run(scenario)


@pytest.mark.parametrize(
    ("descriptors", "given", "most"),
    [(1024, None, 512), (10**6, None, 10_000), (resource.RLIM_INFINITY, None, 10_000), (1024, 2000, 2000)],
)
def test_how_many_connections_there_may_be(monkeypatch, descriptors, given, most):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (descriptors, descriptors))
    assert most_connections(RequestLimits(max_connections=given)) == most


def test_names_that_cannot_be_bound():
    address = parse_address(RESTFUL, "127.0.0.1:5000:5000")
    with pytest.raises(RuntimeError, match="RESTful server start failed, bind to the socket address"):
        open_listening_socket(address, "127.0.0.1:5000:5000")
