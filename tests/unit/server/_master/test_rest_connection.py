"""Clients that are too slow, or no HTTP clients."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiohttp import web

from mindspore_serving.server._master import rest_connection
from mindspore_serving.server._master.rest_connection import Pace
from mindspore_serving.server.limits import RequestLimits

from .conftest import HEAD, REQUEST, Connection, error

KIB = 1024


def test_a_head_that_does_not_end(run):
    async def scenario(connection: Connection) -> None:
        connection.send(HEAD)
        await connection.later(29)
        connection.send(b"Another: header\r\n")
        await connection.too_late(1)
        status, headers, body = await connection.answer()
        assert (status, headers["connection"]) == (408, "close")
        assert error(body) == "the head of the request did not come within 30 s"
        assert await connection.end() == b""

    run(scenario)


def test_who_says_nothing_is_told_nothing(run):
    async def scenario(connection: Connection) -> None:
        await connection.too_late(100)
        assert await connection.end() == b""

    run(scenario)


def test_each_head_has_its_own_time(run):
    async def scenario(connection: Connection) -> None:
        for count in range(1, 5):
            connection.send(REQUEST[:20])
            await connection.later(20)
            connection.send(REQUEST[20:])
            connection.dispatcher.complete(await connection.submitted(count), 200, b"{}")
            assert (await connection.answer())[0] == 200
        connection.send(REQUEST[:20])
        await connection.too_late(30)
        assert (await connection.answer())[0] == 408

    run(scenario)


def test_a_head_that_begins_before_the_answer_has_its_time_from_that_on(run):
    async def scenario(connection: Connection) -> None:
        connection.send(REQUEST)
        call = await connection.submitted()
        connection.send(REQUEST[:20])
        await connection.later(29)
        connection.dispatcher.complete(call, 200, b"{}")
        assert (await connection.answer())[0] == 200
        await connection.later(29)
        connection.send(REQUEST[20:40])
        await connection.too_late(1)
        assert (await connection.answer())[0] == 408

    run(scenario)


def test_a_head_that_was_all_there_before_the_answer_leaves_an_idle_connection(run):
    async def scenario(connection: Connection) -> None:
        connection.send(REQUEST)
        await connection.submitted()
        connection.send(REQUEST[:20])
        await connection.later(0)
        connection.send(REQUEST[20:])
        for count in (1, 2):
            connection.dispatcher.complete(await connection.submitted(count), 200, b"{}")
            assert (await connection.answer())[0] == 200
        await connection.later(99)
        await connection.answered()

    run(scenario)


def test_a_head_that_was_waiting_in_a_busy_server(run):
    async def scenario(connection: Connection) -> None:
        connection.send(REQUEST[:20])
        await connection.later(31)
        connection.send(REQUEST[20:])
        await connection.later(0.1)
        await connection.submitted()

    run(scenario)


def test_a_request_that_takes_long_is_not_a_slow_client(run):
    async def scenario(connection: Connection) -> None:
        connection.send(REQUEST, HEAD)  # the next head has begun already
        call = await connection.submitted()
        for _ in range(10):
            await connection.later(29)
        connection.dispatcher.complete(call, 200, b"{}")
        assert (await connection.answer())[0] == 200

    run(scenario)


def test_a_body_that_does_not_come(run):
    async def scenario(connection: Connection) -> None:
        connection.send(HEAD, b"Content-Length: 9\r\n\r\nbegun")
        await connection.too_late(30)
        status, headers, body = await connection.answer()
        assert (status, headers["connection"]) == (408, "close")
        assert error(body) == "the body came too slowly, less than 64 KiB in 30 s"
        assert await connection.end() == b""
        assert not connection.dispatcher.submitted

    run(scenario)


def test_an_answer_that_is_not_taken(run):
    async def scenario(connection: Connection) -> None:
        connection.send(REQUEST)
        connection.reader._transport.pause_reading()
        connection.dispatcher.complete(await connection.submitted(), 200, b"x" * (8 * KIB * KIB))
        await connection.too_late(31)
        await connection.gone()
        connection.reader._transport.resume_reading()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await connection.answer()

    run(scenario)


def test_pace(run):
    async def scenario(connection: Connection) -> None:
        progress, expired = [0], []
        loop = asyncio.get_running_loop()
        Pace(loop, 30, lambda: progress[0], lambda: expired.append("too slow"))
        stopped = Pace(loop, 30, lambda: 0, lambda: expired.append("stopped"))
        stopped.stop()
        for step in (64, 1000, 64):
            progress[0] += step * KIB
            await connection.later(30)
            assert not expired
        progress[0] += 63 * KIB
        await connection.later(30)
        progress[0] += KIB  # between the two looks
        await connection.later(0.1)
        await connection.later(29.9)
        assert not expired
        await connection.too_late(30)
        assert expired == ["too slow"]

    run(scenario)


def test_an_idle_connection_ends_without_a_word(run):
    async def scenario(connection: Connection) -> None:
        await connection.answered()
        await connection.later(99)
        await connection.answered()
        await connection.later(99)
        await connection.too_late(1)
        assert await connection.end() == b""

    run(scenario)


def test_what_is_left_of_a_body_is_no_head(run):
    async def scenario(connection: Connection) -> None:
        connection.send(b"POST /model/nobody:m HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        assert (await connection.answer())[0] == 404
        connection.send(b"some")
        await connection.later(5)
        connection.send(b" more")
        await connection.later(94)
        await connection.answered()
        await connection.too_late(100)
        assert await connection.end() == b""

    run(scenario)


def test_a_head_that_begins_late_has_its_time(run):
    async def scenario(connection: Connection) -> None:
        await connection.answered()
        await connection.later(9)
        connection.send(REQUEST[:20])
        await connection.later(29)
        connection.send(REQUEST[20:])
        await connection.submitted(2)

    run(scenario, limits=RequestLimits(idle_timeout_s=10))


MALFORMED = [
    (b"junk\r\n\r\n", 400, "malformed HTTP request: "),
    (b"GET / HTTP/1.1\r\n\r\n", 400, "malformed HTTP request: Missing 'Host' header in request."),
    (HEAD + b"Content-Length: x\r\n\r\n", 400, "malformed HTTP request: Invalid character in Content-Length"),
    (HEAD + b"A: " + b"a" * 301 + b"\r\n\r\n", 431, "the request line or a header is longer than 300 bytes"),
    (b"POST /" + b"a" * 301 + b" HTTP/1.1\r\n\r\n", 431, "the request line or a header is longer than 300 bytes"),
    (HEAD + b"".join(b"A%d: 1\r\n" % i for i in range(9)) + b"\r\n", 431, "there are more than 8 headers"),
]


@pytest.mark.parametrize("chunks", [b"", b"1\r\nx\r\n", b"3\r\nx"])
def test_a_malformed_body(run, chunks):
    async def scenario(connection: Connection) -> None:
        connection.send(HEAD, b"Transfer-Encoding: chunked\r\n\r\n", chunks)
        await connection.later(0)
        connection.send(b"junk\r\n")
        status, headers, body = await connection.answer()
        assert (status, headers["connection"]) == (400, "close")
        assert error(body) == "malformed HTTP request: the body is not what its head says"
        assert await connection.end() == b""
        assert not connection.dispatcher.submitted

    run(scenario)


def test_malformed_http_is_not_logged_whatever_the_host_program_does_to_loggers(run, caplog):
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("aiohttp", "mindspore_serving")):
            logging.getLogger(name).disabled = False
    caplog.set_level(logging.DEBUG)

    async def scenario(connection: Connection) -> None:
        connection.send(HEAD, b"Content-Length: x\r\n\r\n")
        assert (await connection.answer())[0] == 400

    run(scenario)
    assert [record for record in caplog.records if "aiohttp" in record.pathname] == []


def test_an_error_that_aiohttp_cannot_handle_is_logged(run, monkeypatch):
    logged = []
    monkeypatch.setattr(rest_connection.log, "error", lambda *arguments, exc_info: logged.append(exc_info))

    async def fails(*_: object) -> None:
        raise ZeroDivisionError

    async def scenario(connection: Connection) -> None:
        monkeypatch.setattr(web.Response, "prepare", fails)
        connection.send(REQUEST)
        connection.dispatcher.complete(await connection.submitted(), 200, b"{}")
        assert await connection.end() == b""

    run(scenario)
    assert [type(error) for error in logged] == [ZeroDivisionError]


@pytest.mark.parametrize("always_200", [False, True])
@pytest.mark.parametrize(("sent", "status", "text"), MALFORMED)
def test_malformed_http_is_answered_in_json_and_ends_the_connection(run, sent, status, text, always_200):
    async def scenario(connection: Connection) -> None:
        connection.send(sent)
        got, headers, body = await connection.answer()
        assert (got, headers["content-type"]) == (status, "application/json")
        assert error(body).startswith(text)
        assert await connection.end() == b""

    run(scenario, always_200, RequestLimits(max_header_bytes=300, max_headers=8))
