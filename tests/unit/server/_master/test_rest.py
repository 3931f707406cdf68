"""HTTP in and out, over a socket pair, with a dispatcher that answers when the test says so."""

from __future__ import annotations

import asyncio
import json

import pytest

from .conftest import BODY_LIMIT as LIMIT
from .conftest import Connection, error

MODEL_MISSING = "please check url, the keyword:[model] must contain."
UNKNOWN = b"POST /model/nobody:m HTTP/1.1\r\nHost: x\r\n"
HEAD = b"POST /model/add/version/2:m HTTP/1.1\r\nHost: x\r\n"


def request(body: bytes, head: bytes = HEAD) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def test_a_request_is_the_dispatchers_and_keeps_the_connection(run):
    async def scenario(connection: Connection) -> None:
        for count, status in ((1, 200), (2, 500)):
            connection.send(request(b'{"instances":[]}'))
            call = await connection.submitted(count)
            assert connection.dispatcher.submitted[call] == ("add", "m", 2, b'{"instances":[]}')
            connection.dispatcher.complete(call, status, b'{"error_msg":"x"}')
            answered, headers, body = await connection.answer()
            assert (answered, headers["content-type"], body) == (status, "application/json", b'{"error_msg":"x"}')

    run(scenario)


def test_pipelined_requests_are_answered_in_order(run):
    async def scenario(connection: Connection) -> None:
        connection.send(request(b"first"), request(b"second"), request(b"third"))
        for count, body in ((1, b"first"), (2, b"second"), (3, b"third")):
            call = await connection.submitted(count)
            assert connection.dispatcher.submitted[call][3] == body
            connection.dispatcher.complete(call, 200, body)
        assert [(await connection.answer())[2] for _ in range(3)] == [b"first", b"second", b"third"]

    run(scenario)


def test_body_in_chunks(run):
    async def scenario(connection: Connection) -> None:
        connection.send(HEAD, b"Transfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n")
        await connection.writer.drain()
        connection.send(b"2\r\nde\r\n0\r\n\r\n")
        call = await connection.submitted()
        assert connection.dispatcher.submitted[call][3] == b"abcde"

    run(scenario)


def test_expect_continue(run):
    async def scenario(connection: Connection) -> None:
        connection.send(HEAD, b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert (await connection.answer())[0] == 100
        connection.send(b"body")
        call = await connection.submitted()
        connection.dispatcher.complete(call, 200, b"{}")
        assert (await connection.answer())[::2] == (200, b"{}")

    run(scenario)


def test_expect_continue_is_nothing_to_http_1_0(run):
    async def scenario(connection: Connection) -> None:
        connection.send(HEAD.replace(b"1.1", b"1.0"), b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        connection.send(b"body")
        call = await connection.submitted()
        connection.dispatcher.complete(call, 200, b"{}")
        assert (await connection.answer())[::2] == (200, b"{}")

    run(scenario)


def test_codings_that_change_nothing_are_taken(run):
    async def scenario(connection: Connection) -> None:
        connection.send(HEAD, b"Content-Encoding: Identity,\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nxx\r\n0\r\n\r\n")
        assert connection.dispatcher.submitted[await connection.submitted()][3] == b"xx"

    run(scenario)


def test_no_expectation_is_anything_to_http_1_0(run):
    async def scenario(connection: Connection) -> None:
        connection.send(request(b"xx", HEAD.replace(b"1.1", b"1.0") + b"Expect: a miracle\r\n"))
        assert await connection.submitted()

    run(scenario)


@pytest.mark.parametrize(("header", "status"), [(b"Expect: 100-continue", 404), (b"Expect: a miracle", 417)])
def test_a_refusal_before_the_expected_body_ends_the_connection(run, header, status):
    async def scenario(connection: Connection) -> None:
        connection.send(UNKNOWN, header, b"\r\nContent-Length: 4\r\n\r\n")
        answered, headers, _ = await connection.answer()
        assert (answered, headers["connection"]) == (status, "close")

    run(scenario)


REFUSED = [
    (b"GET /model/add:m HTTP/1.1\r\nHost: x\r\n\r\n", 405, "http message only support POST right now"),
    (request(b"x", b"PUT /model/add:m HTTP/1.1\r\nHost: x\r\n"), 405, "http message only support POST right now"),
    (request(b""), 400, "http message invalid"),
    (request(b"x", b"POST /add:m HTTP/1.1\r\nHost: x\r\n"), 404, MODEL_MISSING),
    (request(b"x" * (LIMIT + 1)), 413, f"http message is bigger than {LIMIT}"),
    # From the path alone, before the body has come, also where the client waits for permission to send it.
    (UNKNOWN + b"Content-Length: 999\r\n\r\n", 404, "nobody is not available"),
    (UNKNOWN + b"Expect: 100-continue\r\nContent-Length: 999\r\n\r\n", 404, "nobody is not available"),
    (UNKNOWN + b"Transfer-Encoding: chunked\r\n\r\n", 404, "nobody is not available"),
    (b"POST /add:m HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n", 404, MODEL_MISSING),
    (
        request(b"x", HEAD + b"Grpc-Timeout: soon\r\n"),
        400,
        "the header Grpc-Timeout should be 1 to 8 digits and a unit, one of H, M, S, m, u, n, such as 500m for half a "
        "second, but actually soon",
    ),
    (
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 999\r\n\r\n",
        415,
        "the header Content-Encoding should be left out, or identity, since bodies are not decompressed, but actually "
        "gzip",
    ),
    (
        HEAD + b"Content-Encoding: identity\r\nContent-Encoding: BR,\r\nTransfer-Encoding: chunked\r\n\r\n",
        415,
        "the header Content-Encoding should be left out, or identity, since bodies are not decompressed, but actually "
        "identity, BR,",
    ),
    (
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        501,
        "the header Transfer-Encoding should be left out, or chunked, but actually gzip, chunked",
    ),
    (
        HEAD + b"Expect: 100-continue, a miracle\r\nContent-Length: 9\r\n\r\n",
        417,
        "the header Expect should be left out, or 100-continue, but actually 100-continue, a miracle",
    ),
    # Refused from the head alone, also where the client waits for permission, and in the middle of a body.
    (HEAD + b"Content-Length: 99999999\r\n\r\n", 413, f"http message is bigger than {LIMIT}"),
    (HEAD + b"Expect: 100-continue\r\nContent-Length: 9999\r\n\r\n", 413, f"http message is bigger than {LIMIT}"),
    (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1F4\r\n" + b"x" * 500 + b"\r\n1F5\r\n" + b"x" * 501 + b"\r\n",
        413,
        f"http message is bigger than {LIMIT}",
    ),
]


@pytest.mark.parametrize("always_200", [False, True])
@pytest.mark.parametrize(("sent", "status", "text"), REFUSED)
def test_refused(run, sent, status, text, always_200):
    async def scenario(connection: Connection) -> None:
        connection.send(sent)
        answered, headers, body = await connection.answer()
        assert (answered, headers["content-type"]) == (200 if always_200 else status, "application/json")
        assert json.loads(body) == {"error_msg": text}
        assert headers.get("allow") == ("post" if status == 405 else None)
        assert headers.get("accept-encoding") == ("identity" if status == 415 else None)
        assert not connection.dispatcher.submitted

    run(scenario, always_200)


def test_a_body_of_exactly_the_limit_is_taken(run):
    async def scenario(connection: Connection) -> None:
        connection.send(request(b"x" * LIMIT))
        assert await connection.submitted()

    run(scenario)


def test_head_gets_no_body(run):
    async def scenario(connection: Connection) -> None:
        connection.send(b"HEAD /model/add:m HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(connection.reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert answer.endswith(b"\r\n\r\n")

    run(scenario)


def test_a_client_that_goes_cancels_its_call(run):
    async def scenario(connection: Connection) -> None:
        connection.send(request(b"x"))
        call = await connection.submitted()
        connection.writer.close()
        drained = asyncio.ensure_future(connection.server.drain())
        await asyncio.wait_for(drained, 10)
        assert connection.dispatcher.cancelled == [call]

    run(scenario)


def test_a_time_out_that_passes_is_an_answer(run):
    async def scenario(connection: Connection) -> None:
        connection.send(request(b"x", HEAD + b"Grpc-Timeout: 20S\r\n"))
        call = await connection.submitted()
        await connection.later(19)
        assert not connection.dispatcher.cancelled
        await connection.later(1)
        status, _, body = await connection.answer()
        assert (status, error(body)) == (504, LATE)
        assert connection.dispatcher.cancelled == [call]
        await asyncio.wait_for(connection.server.drain(), 10)
        connection.send(request(b"x"))  # the connection goes on
        await connection.submitted(2)

    run(scenario)


LATE = "the time that the header Grpc-Timeout gives has passed"


def test_a_time_out_that_passes_before_the_body_has_come(run):
    async def scenario(connection: Connection) -> None:
        connection.send(HEAD, b"Grpc-Timeout: 10S\r\nContent-Length: 9\r\n\r\nbegun")
        await connection.later(9)
        await connection.later(1)
        status, headers, body = await connection.answer()
        assert (status, headers["connection"], error(body)) == (504, "close", LATE)
        assert await connection.end() == b""
        assert not connection.dispatcher.submitted

    run(scenario)


def test_a_body_that_comes_in_time(run):
    async def scenario(connection: Connection) -> None:
        connection.send(HEAD, b"Grpc-Timeout: 10S\r\nContent-Length: 9\r\n\r\nbegun")
        await connection.later(9)
        connection.send(b"done")
        call = await connection.submitted()
        await connection.later(1)
        status, _, body = await connection.answer()
        assert (status, error(body)) == (504, LATE)
        assert connection.dispatcher.cancelled == [call]

    run(scenario)


def test_a_request_that_is_late_already_is_not_begun(run):
    async def scenario(connection: Connection) -> None:
        connection.send(request(b"x", HEAD + b"Grpc-Timeout: 0S\r\n"))
        status, _, body = await connection.answer()
        assert (status, error(body)) == (504, LATE)
        assert not connection.dispatcher.submitted

    run(scenario)


def test_an_answer_within_the_time_out(run):
    async def scenario(connection: Connection) -> None:
        connection.send(request(b"x", HEAD + b"Grpc-Timeout: 30S\r\n"))
        call = await connection.submitted()
        connection.dispatcher.complete(call, 200, b"{}")
        assert (await connection.answer())[0] == 200
        await connection.later(31)
        assert not connection.dispatcher.cancelled

    run(scenario)


def test_drain_waits_for_the_calls(run):
    async def scenario(connection: Connection) -> None:
        await connection.server.drain()
        connection.send(request(b"x"))
        call = await connection.submitted()
        drained = asyncio.ensure_future(connection.server.drain())
        await asyncio.sleep(0)
        assert not drained.done()
        connection.dispatcher.complete(call, 200, b"{}")
        await asyncio.wait_for(drained, 10)
        assert (await connection.answer())[0] == 200

    run(scenario)


def test_drain_waits_for_a_body_that_comes(run):
    async def scenario(connection: Connection) -> None:
        connection.send(HEAD, b"Content-Length: 4\r\n\r\nbo")
        await connection.later(0)
        drained = asyncio.ensure_future(connection.server.drain())
        await connection.later(0)
        connection.send(b"dy")
        call = await connection.submitted()
        assert not drained.done()
        connection.dispatcher.complete(call, 200, b"{}")
        await asyncio.wait_for(drained, 10)
        assert (await connection.answer())[0] == 200

    run(scenario)


def test_close_answers_whose_body_has_not_come(run):
    async def scenario(connection: Connection) -> None:
        connection.send(HEAD, b"Content-Length: 4\r\n\r\nbo")
        await connection.later(0)
        await connection.server.close(1)
        connection.closed = True
        status, headers, body = await connection.answer()
        assert (status, headers["connection"], error(body)) == (503, "close", "the server is being stopped")
        assert await connection.end() == b""

    run(scenario)


def test_close_lets_complete_answers_out(run):
    async def scenario(connection: Connection) -> None:
        connection.send(request(b"x"))
        call = await connection.submitted()
        connection.dispatcher.complete(call, 503, b"{}")
        await connection.server.close(1)
        connection.closed = True
        assert (await connection.answer())[0] == 503
        assert await asyncio.wait_for(connection.reader.read(), 10) == b""

    run(scenario)
