"""Addresses of both end points."""

from __future__ import annotations

import re

import pytest

from mindspore_serving.server._master.address import GRPC, RESTFUL, Address, parse_address


@pytest.mark.parametrize("end_point", [GRPC, RESTFUL])
@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        ("127.0.0.1:5500", Address("127.0.0.1", 5500)),
        ("localhost:0", Address("localhost", 0)),
        ("[::1]:80", Address("[::1]", 80)),
        ("127.0.0.1:5000:5000", Address("127.0.0.1:5000", 5000)),  # binding it fails
    ],
)
def test_host_and_port(end_point, address, parsed):
    assert parse_address(end_point, address) == parsed


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("invalid address", "The format of the Serving gRPC address 'invalid address' is illegal"),
        ("127.0.0.1", "The format of the Serving gRPC address '127.0.0.1' is illegal"),
        (":5500", "Missing ip or port of the Serving gRPC address"),
        ("127.0.0.1:", "Missing ip or port of the Serving gRPC address"),
        ("127.0.0.1:x", "port is not a number"),
        ("127.0.0.1:5000000", "is out of legal range [1 ~ 65535]"),
        ("127.0.0.1:-1", "is out of legal range [1 ~ 65535]"),
        ("127.0.0.1:" + "9" * 5000, "is out of legal range [1 ~ 65535]"),
        ("unix:", "Empty grpc server unix domain socket address"),
        ("127.0.0.0.1:5000", "Serving gRPC server start failed, create server failed, address 127.0.0.0.1:5000"),
        ("127.0.256.1:5000", "Serving gRPC server start failed, create server failed, address 127.0.256.1:5000"),
    ],
)
def test_wrong_grpc_addresses(address, text):
    with pytest.raises(RuntimeError, match=re.escape(text)) as caught:
        parse_address(GRPC, address)
    assert str(caught.value).startswith("Serving Error: ")


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("127.0.0.1", "The format of the RESTful server address '127.0.0.1' is illegal"),
        ("invalid address", "The format of the RESTful server address 'invalid address' is illegal"),
        ("127.0.0.1:5000000", "The port of the RESTful server address '127.0.0.1:5000000' is out of legal range"),
        ("127.0.0.1:65536", "The port of the RESTful server address '127.0.0.1:65536' is out of legal range"),
        ("unix:", "RESTful server does not support binding to unix domain socket"),
        ("127.0.0.0.1:5000", "RESTful server start failed, bind to the socket address 127.0.0.0.1:5000 failed"),
        ("unix:address_temp", "RESTful server does not support binding to unix domain socket"),
        ("127.0.256.1:1", "RESTful server start failed, bind to the socket address 127.0.256.1:1 failed"),
    ],
)
def test_wrong_restful_addresses(address, text):
    with pytest.raises(RuntimeError, match=re.escape(text)):
        parse_address(RESTFUL, address)


def test_unix_sockets():
    assert parse_address(GRPC, "unix:run/serving.sock") == Address(path="run/serving.sock")


def test_announced_text():
    assert parse_address(GRPC, "127.0.0.1:0").text(4711) == "127.0.0.1:4711"
    assert parse_address(GRPC, "127.0.0.1:80").text(80) == "127.0.0.1:80"
    assert parse_address(GRPC, "unix:/tmp/s").text(0) == "unix:/tmp/s"
