"""The HTTP side of the RESTful interface: paths, methods, connections, chunks, limits."""

from __future__ import annotations

import email.utils
import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.http_client import HttpClient, RawConnection, post_bytes
from tests.harness.server_process import ServerProcess

BODY = {"instances": {"x": 5}}
BYTES = json.dumps(BODY).encode()
ANSWER = {"instances": [{"y": 5}]}


@pytest.fixture
def client(plain_server: ServerProcess) -> Iterator[HttpClient]:
    with HttpClient(plain_server.rest_address) as made:
        yield made


@pytest.fixture
def raw(plain_server: ServerProcess) -> Iterator[RawConnection]:
    with RawConnection(plain_server.rest_address) as made:
        yield made


@pytest.mark.parametrize(
    "path",
    [
        "/model/basic:echo",
        "/model/basic/version/1:echo",
        "/version/1/model/basic:echo",
        "/model/basic/version/0:echo",
        "/model/b%61sic:%65cho",
        "/model/basic:echo?trace=1",
    ],
)
def test_forms_of_the_path(client: HttpClient, path: str) -> None:
    reply = client.request(path, BODY)
    assert (reply.status, reply.json) == (200, ANSWER)


@pytest.mark.parametrize(
    ("path", "fragment"),
    [
        ("/", "please check url, the keyword:[model] must contain."),
        ("/something/else:echo", "please check url, the keyword:[model] must contain."),
        ("/model/:echo", "please check url, the keyword:[model] must contain."),
        ("/model", "please check url"),
        ("/version", "please check url"),
        ("/model/basic", "please check url, the keyword:[service method] must contain."),
        ("/model/basic:", "please check url, the keyword:[service method] must contain."),
        ("/model/basic/version/-1:echo", "please check url, version number range failed"),
        ("/model/basic/version/4294967295:echo", "please check url, version number range failed"),
        ("/model/basic/version/:echo", "please check url, the keyword:[version] value invalid"),
        ("/model/basic/version/one:echo", "please check url, the keyword:[version] value invalid"),
        ("/model/nobody:echo", "servable is not available"),
        ("/model/basic/version/2:echo", "servable is not available"),
        ("/model/basic:no_such_method", "method is not available"),
    ],
)
@pytest.mark.parametrize("body", [BODY, "{", "[" * 100_000], ids=["good", "not JSON", "large"])
def test_paths_that_lead_nowhere(client: HttpClient, path: str, fragment: str, body: Any) -> None:
    reply = client.request(path, body)
    assert reply.status == 404
    assert reply.headers["content-type"].startswith("application/json")
    assert fragment in reply.error


def test_an_unknown_name_is_answered_before_the_body_comes(raw: RawConnection) -> None:
    raw.send(b"POST /model/nobody:echo HTTP/1.1\r\nHost: test\r\nContent-Length: 50000000\r\n\r\n")
    reply = raw.reply()
    assert reply.status == 404
    assert "servable is not available" in reply.error


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_post_is_supported(client: HttpClient, method: str) -> None:
    reply = client.request("/model/basic:echo", BODY, method=method)
    assert reply.status == 405
    assert reply.headers["allow"] == "POST"
    assert "http message only support POST right now" in reply.error


def test_head_has_no_body(client: HttpClient) -> None:
    reply = client.request("/model/basic:echo", method="HEAD")
    assert reply.status == 405
    assert reply.body == b""


def test_answers_say_what_they_are(client: HttpClient) -> None:
    reply = client.request("/model/basic:echo", BODY, headers={"Content-Type": "text/plain"})
    assert reply.headers["content-type"].split(";")[0] == "application/json"
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert email.utils.parsedate_to_datetime(reply.headers["date"])


def test_one_connection_serves_many_requests(raw: RawConnection) -> None:
    for _ in range(20):
        raw.send(post_bytes("/model/basic:echo", BYTES))
        assert raw.reply().json == ANSWER


def test_a_connection_survives_errors(client: HttpClient) -> None:
    for path, status in [("/model/nobody:echo", 404), ("/model/basic:echo", 200)] * 3:
        assert client.request(path, BODY).status == status
    assert client.request("/model/basic:echo", "{").status == 400
    assert client.request("/model/basic:echo", BODY).json == ANSWER


def test_pipelined_requests_are_answered_in_order(raw: RawConnection) -> None:
    bodies = [json.dumps({"instances": {"x": i}}).encode() for i in range(10)]
    raw.send(b"".join(post_bytes("/model/basic:echo", body) for body in bodies))
    assert [raw.reply().instances for _ in bodies] == [[{"y": i}] for i in range(10)]


def test_chunked_body(raw: RawConnection) -> None:
    head = b"POST /model/basic:echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = [BYTES[:7], BYTES[7:8], BYTES[8:]]
    raw.send(head + b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks) + b"0\r\n\r\n")
    assert raw.reply().json == ANSWER


def test_expect_100_continue(raw: RawConnection) -> None:
    head, _, body = post_bytes("/model/basic:echo", BYTES, "Expect: 100-continue").partition(b"\r\n\r\n")
    raw.send(head + b"\r\n\r\n")
    assert raw.line().startswith(b"HTTP/1.1 100 ")
    assert raw.line() == b"\r\n"
    raw.send(body)
    assert raw.reply().json == ANSWER


def test_what_a_body_is_packed_with_is_told_before_it_comes(raw: RawConnection) -> None:
    """1. From the head alone. 2. The packed body behind it is not looked at, and the connection goes on."""
    head, _, body = post_bytes("/model/basic:echo", gzip.compress(BYTES), "Content-Encoding: gzip").partition(
        b"\r\n\r\n"
    )
    raw.send(head + b"\r\n\r\n")
    reply = raw.reply()
    assert (reply.status, reply.headers["accept-encoding"]) == (415, "identity")
    assert "the header Content-Encoding should be left out, or identity, " in reply.error
    assert reply.error.endswith(" but actually gzip")
    raw.send(body + post_bytes("/model/basic:echo", BYTES, "Content-Encoding: identity"))
    assert raw.reply().json == ANSWER


def test_an_expectation_that_is_not_met(raw: RawConnection) -> None:
    raw.send(post_bytes("/model/basic:echo", BYTES, "Expect: a-miracle").removesuffix(BYTES))
    reply = raw.reply()
    assert (reply.status, reply.headers["connection"]) == (417, "close")
    assert reply.error == "the header Expect should be left out, or 100-continue, but actually a-miracle"
    assert raw.line() == b""


def test_http_1_0_closes_the_connection(raw: RawConnection) -> None:
    raw.send(post_bytes("/model/basic:echo", BYTES).replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert raw.reply().json == ANSWER
    assert raw.line() == b""


def test_body_that_comes_bit_by_bit(raw: RawConnection) -> None:
    for byte in post_bytes("/model/basic:echo", BYTES):
        raw.send(bytes([byte]))
    assert raw.reply().json == ANSWER


@pytest.mark.parametrize("junk", [b"\x00\x01\x02", b"POST", b"POST / HTTP/9.9", b"GET / HTTP/1.1\r\nbad header"])
def test_junk_is_refused(raw: RawConnection, client: HttpClient, junk: bytes) -> None:
    raw.send(junk + b"\r\n\r\n")
    assert raw.line().split()[1] == b"400"
    assert client.request("/model/basic:echo", BODY).json == ANSWER
