"""The limits of an end point."""

from __future__ import annotations

import dataclasses

import pytest

from mindspore_serving import server


def test_defaults():
    assert dataclasses.asdict(server.RequestLimits()) == {
        "max_instances": 100_000,
        "max_name_bytes": 1024,
        "max_json_depth": 64,
        "max_header_bytes": 8192,
        "max_headers": 128,
        "max_connections": None,
        "max_buffered_mb": None,
        "request_timeout_s": 30.0,
        "idle_timeout_s": 100.0,
    }


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("max_instances", 1, 1 << 20),
        ("max_name_bytes", 1, 1 << 16),
        ("max_json_depth", 4, 1024),
        ("max_header_bytes", 256, 1 << 20),
        ("max_headers", 1, 10_000),
        ("max_connections", 1, 1 << 20),
        ("max_buffered_mb", 1, 1 << 20),
    ],
)
def test_ranges(name, least, most):
    for value in (least, most):
        assert getattr(server.RequestLimits(**{name: value}), name) == value
    for value in (least - 1, most + 1):
        with pytest.raises(RuntimeError, match=rf"Parameter '{name}' should be in range \[{least},{most}\]"):
            server.RequestLimits(**{name: value})
    for value in ("1", 1.0, True):
        with pytest.raises(RuntimeError, match=f"Parameter '{name}' should be int, but actually"):
            server.RequestLimits(**{name: value})


def test_what_grpc_clients_may_have_in_memory():
    assert server.RequestLimits().buffered_bytes(1 << 20) == 1 << 30
    assert server.RequestLimits().buffered_bytes(512 << 20) == 2 << 30
    assert server.RequestLimits(max_buffered_mb=3).buffered_bytes(512 << 20) == 3 << 20


@pytest.mark.parametrize("name", ["request_timeout_s", "idle_timeout_s"])
def test_seconds(name):
    for value in (1, 0.001, 86_400):
        assert getattr(server.RequestLimits(**{name: value}), name) == value
    for value in (0, -1, 86_401, float("nan"), float("inf")):
        with pytest.raises(RuntimeError, match=rf"Parameter '{name}' should be in range \(0,86400\]"):
            server.RequestLimits(**{name: value})
    for value in ("1", None, True):
        with pytest.raises(RuntimeError, match=f"Parameter '{name}' should be int or float, but actually"):
            server.RequestLimits(**{name: value})


@pytest.mark.parametrize("start", [server.start_grpc_server, server.start_restful_server])
def test_what_is_no_limits(start):
    with pytest.raises(RuntimeError, match="Parameter 'limits' should be RequestLimits, but actually <class 'dict'>"):
        start("127.0.0.1:0", limits={"max_instances": 1})
